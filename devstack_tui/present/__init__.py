"""What the command line and the console share: words for states, numbers, rows."""
