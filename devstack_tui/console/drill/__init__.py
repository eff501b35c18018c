"""The Drill pane and all its parts."""
