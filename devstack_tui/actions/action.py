"""What an action is."""

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
