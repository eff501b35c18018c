"""Every action, once: the console's keys, footer, help and command palette, and the CLI's verbs."""

from __future__ import annotations

from devstack_tui.actions import app, bench, drill, health, report, security_pane, tuning
from devstack_tui.actions.action import Action

__all__ = ["ACTIONS", "Action", "in_scope", "verb_help"]

ACTIONS: tuple[Action, ...] = (
    *app.ACTIONS,
    *health.ACTIONS,
    *bench.ACTIONS,
    *tuning.ACTIONS,
    *drill.ACTIONS,
    *security_pane.ACTIONS,
    *report.ACTIONS,
)


def in_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in the order of the help."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def verb_help(verb: str) -> str:
    """The help line of a CLI verb."""
    return next(action.help for action in ACTIONS if action.verb == verb)
