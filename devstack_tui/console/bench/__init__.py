"""The Bench pane and all its parts."""
