"""Every action, once: the console's keys, footer, help and command palette, and the CLI's verbs.

They are rows of `table.txt`, which is read at import: a row is a line, split at its bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ACTIONS", "SCOPES", "Action", "by_id", "in_scope", "verb_help"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user can do.

    `key` is the console's key (comma-separated where there are several), `verb` the CLI verb that
    does the same, and `verb_help` that verb's own help. `scope` is where the key works: everywhere
    (`app`), in a pane, or in a widget.
    """

    id: str
    title: str
    help: str
    scope: str
    key: str = ""
    verb: str = ""
    verb_help: str = ""
    footer: bool = False
    changes: bool = False
    """Whether it changes the stack: the plan is shown first."""
    typed: bool = False
    """Whether it can interrupt what is in use: the stack's name is asked for as well."""


SCOPES: dict[str, str] = {}
"""Each scope's title, in the order of the help."""


def _read() -> Iterator[Action]:
    text = Path(__file__).with_name("table.txt").read_text(encoding="utf-8")
    scope = ""
    for line in text.splitlines():
        if line.startswith("["):
            scope, _, title = line[1:].partition("] ")
            SCOPES[scope] = title
        elif line and not line.startswith("#"):
            id, keys, title, marks, verb, *help = (cell.strip() for cell in line.split("|"))
            flags = dict.fromkeys(marks.split(), True)
            yield Action(id, title, help[0], scope, keys, verb, help[-1], **flags)


ACTIONS: tuple[Action, ...] = tuple(_read())
_BY_ID = {action.id: action for action in ACTIONS}


def by_id(id: str) -> Action:
    """The action called `id`."""
    return _BY_ID[id]


def in_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in the order of the help."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def verb_help(verb: str) -> str:
    """The help line of a CLI verb."""
    return next(action.verb_help for action in ACTIONS if action.verb == verb)
