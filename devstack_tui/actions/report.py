"""The Reports pane."""

from devstack_tui.actions.action import Action

ACTIONS = (
    Action(
        "report_write",
        "Write",
        "The last result of everything and its coverage, as Markdown or one HTML page",
        scope="report",
        key="w",
        verb="report",
        footer=True,
    ),
    Action(
        "report_open",
        "Open",
        "What was decided and by what evidence, and every earlier run of the suite",
        scope="report",
        key="enter",
        footer=True,
    ),
    Action(
        "report_copy",
        "Copy",
        "Copy the command that runs the suite, or the check, again",
        scope="report",
        key="y",
        footer=True,
    ),
    Action(
        "report_turn",
        "Coverage",
        "From the suites to the core checks, and back",
        scope="report",
        key="c,f6",
        footer=True,
    ),
    Action(
        "report_status",
        "Status",
        "Show all checks of the coverage, or only not passed, not run, not proven",
        scope="report",
        key="f",
        footer=True,
    ),
    Action(
        "report_search",
        "Search",
        "Show only suites and checks that have these words",
        scope="report",
        key="slash",
    ),
    Action(
        "report_beyond",
        "Beyond",
        "How many checks of each suite there are, proven, and with which result",
        scope="report",
        key="b",
    ),
    Action("report_back", "Back", "Take the filters away", scope="report", key="escape"),
)
