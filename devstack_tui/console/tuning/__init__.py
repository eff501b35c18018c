"""The Tuning pane and all its parts."""
