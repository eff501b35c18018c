"""What each verb prints for people: one module per capability."""
