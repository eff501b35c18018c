"""The Reports pane and all its parts."""
