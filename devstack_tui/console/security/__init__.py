"""The Security pane and all its parts."""
