"""Every action, once: the console's keys, footer, help and command palette, and the CLI's verbs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user can do.

    `key` is the console's key (comma-separated where there are several), `verb` the CLI verb that
    does the same. `scope` is where the key works: everywhere (`app`), in a pane, or in a widget.
    """

    id: str
    title: str
    help: str
    scope: str = "app"
    key: str = ""
    verb: str = ""
    footer: bool = False
    changes: bool = False
    """Whether it changes the stack: the plan is shown first."""
    typed: bool = False
    """Whether it takes something in use away: the stack's name is asked for as well."""


ACTIONS: tuple[Action, ...] = (
    Action("help", "Help", "What every key does", key="question_mark,f1", footer=True),
    Action("refresh", "Refresh", "Health of every service, now", key="f5", verb="status"),
    Action(
        "stack_up",
        "Up",
        "Start the stack and wait until every service's probe passes",
        scope="health",
        key="u",
        verb="up",
        footer=True,
        changes=True,
    ),
    Action(
        "stack_down",
        "Down",
        "Stop the stack in reverse order; the data stays",
        scope="health",
        key="d",
        verb="down",
        footer=True,
        changes=True,
        typed=True,
    ),
    Action(
        "service_start",
        "Start",
        "Start the selected service and what it needs",
        scope="health",
        key="s",
        footer=True,
        changes=True,
    ),
    Action(
        "service_stop",
        "Stop",
        "Stop the selected service",
        scope="health",
        key="x",
        footer=True,
        changes=True,
        typed=True,
    ),
    Action(
        "service_restart",
        "Restart",
        "Stop the service, then start it again",
        scope="health",
        key="r",
        verb="restart",
        footer=True,
        changes=True,
        typed=True,
    ),
    Action(
        "show_logs",
        "Log",
        "What the service wrote",
        scope="health",
        key="l",
        verb="logs",
        footer=True,
    ),
    Action(
        "show_progress",
        "Progress",
        "How far the running up, down or restart is, or how the last one ended",
        scope="health",
        key="p",
    ),
    Action(
        "show_details",
        "Details",
        "Back to the details of the selected service",
        scope="health",
        key="escape",
    ),
    Action(
        "show_doctor",
        "Doctor",
        "What is missing on this machine, and the command that brings it",
        key="f2",
        verb="doctor",
    ),
    Action(
        "copy_endpoint",
        "Copy endpoint",
        "Copy host and port of the selected service",
        scope="health",
        key="c",
    ),
    Action(
        "copy_connect",
        "Copy command",
        "Copy the command that connects to the selected service, without its password",
        scope="health",
        key="y",
    ),
    Action("log_follow", "Follow", "Keep the newest line in view", scope="log", key="f"),
    Action("log_filter", "Filter", "Show only lines that match", scope="log", key="ampersand"),
    Action("log_search", "Search", "Find a text in the log", scope="log", key="slash"),
    Action("log_next", "Next match", "Go to the next match", scope="log", key="n"),
    Action("log_previous", "Previous match", "Go to the match before", scope="log", key="N"),
    Action(
        "bench_start",
        "Start",
        "Measure the chosen workloads: throughput, latency percentiles, errors",
        scope="bench",
        key="g,enter",
        verb="bench",
        footer=True,
    ),
    Action(
        "bench_stop",
        "Stop",
        "Stop what runs and what waits, and remove its data",
        scope="bench",
        key="x",
        footer=True,
    ),
    Action(
        "bench_choose",
        "Choose",
        "Choose the workload under the cursor, or leave it out",
        scope="bench",
        key="space",
        footer=True,
    ),
    Action("bench_all", "All", "Choose every available workload, or none", scope="bench", key="a"),
    Action("bench_size", "Size", "Quick or full size", scope="bench", key="s"),
    Action("bench_more", "More runs", "One run more", scope="bench", key="plus,equals_sign"),
    Action("bench_fewer", "Fewer runs", "One run less", scope="bench", key="minus"),
    Action(
        "bench_history",
        "History",
        "Every run of the workload under the cursor, and its trend",
        scope="bench",
        key="h",
        footer=True,
    ),
    Action(
        "bench_gate",
        "Regress",
        "Compare the stack with its baseline: PASS, FAIL or INCONCLUSIVE",
        scope="bench",
        key="R,f8",
        verb="regress",
        footer=True,
    ),
    Action(
        "bench_checks",
        "Checks",
        "The checks of the last regression gate; enter opens the evidence",
        scope="bench",
        key="k",
    ),
    Action("bench_results", "Results", "The last runs of every workload", scope="bench", key="r"),
    Action(
        "bench_chart",
        "Chart",
        "Throughput, latency, or both where there is room",
        scope="bench",
        key="v,f6",
    ),
    Action(
        "bench_scale",
        "Scale",
        "Charts from zero, zoomed to their values, or logarithmic",
        scope="bench",
        key="l",
    ),
    Action("bench_mark", "Mark", "Mark the selected run for a comparison", scope="bench", key="m"),
    Action(
        "bench_compare",
        "Compare",
        "Compare the selected run with the marked one, or with the baseline",
        scope="bench",
        key="c",
    ),
    Action("bench_json", "Export JSON", "Save the selected run as JSON", scope="bench", key="e"),
    Action("bench_csv", "Export CSV", "Save the selected run as CSV", scope="bench", key="E"),
    Action("bench_svg", "Export chart", "Save the charts in view as SVG", scope="bench", key="w"),
    Action(
        "bench_back",
        "Back",
        "From a run to its history, from there to the results",
        scope="bench",
        key="escape",
    ),
    Action("choose_theme", "Theme", "Choose the colours; the choice is kept", key="t"),
    Action("save_screenshot", "Screenshot", "Save the screen as an SVG file", key="f12"),
    Action("quit", "Quit", "Leave the console; the stack keeps running", key="q", footer=True),
)


def in_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in the order of the help."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def verb_help(verb: str) -> str:
    """The help line of a CLI verb."""
    return next(action.help for action in ACTIONS if action.verb == verb)
