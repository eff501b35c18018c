"""What the last run of every suite left, as one report: Markdown and one HTML page."""
