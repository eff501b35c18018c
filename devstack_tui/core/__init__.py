"""What every part stands on: no technology, no user interface, nothing of ours imported."""
