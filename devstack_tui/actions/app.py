"""What works everywhere."""

from devstack_tui.actions.action import Action

ACTIONS = (
    Action("help", "Help", "What every key does", key="question_mark,f1", footer=True),
    Action(
        "refresh",
        "Refresh",
        "Health of every service, and what the pane in view shows, read anew",
        key="f5",
        verb="status",
    ),
    Action(
        "show_doctor",
        "Doctor",
        "What is missing on this machine, and the command that brings it",
        key="f2",
        verb="doctor",
    ),
    Action("choose_theme", "Theme", "Choose the colours; the choice is kept", key="t"),
    Action("save_screenshot", "Screenshot", "Save the screen as an SVG file", key="f12"),
    Action("quit", "Quit", "Leave the console; the stack keeps running", key="q", footer=True),
)
