"""The Health pane and all its parts."""
