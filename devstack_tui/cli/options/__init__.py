"""What each verb takes: one module per capability. No driver, no user interface."""
