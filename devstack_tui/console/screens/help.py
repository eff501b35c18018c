"""What every key does, from the action registry."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from devstack_tui.actions import SCOPES, Action, in_scope
from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.core.errors import command

_KEYS = {
    "question_mark": "?",
    "ampersand": "&",
    "slash": "/",
    "escape": "esc",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "backspace": "⌫",
    "delete": "del",
}


def key_text(action: Action) -> str:
    """The action's keys as they stand on a keyboard."""
    keys = [_KEYS.get(key, key) for key in action.key.split(",") if key]
    return " ".join(key.upper() if key[0] == "f" and len(key) > 1 else key for key in keys)


class HelpScreen(Dialog[None]):
    """One line per action, grouped by where it works."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,f1,q", "dismiss", "Close")]
    BOX = "help"

    def __init__(self) -> None:
        super().__init__("Help")

    def body(self) -> ComposeResult:
        with VerticalScroll():
            for scope, title in SCOPES.items():
                yield Static(title, classes="heading")
                stack = getattr(self.app, "stack", "default")
                yield Static(_table(scope, stack), classes="block")


def _table(scope: str, stack: str) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=7, no_wrap=True)
    table.add_column(width=15, no_wrap=True)
    table.add_column(ratio=1)
    for action in in_scope(scope):
        text = Text(action.help)
        if action.verb:
            text.append(f"  {command(stack, *action.verb.split())}", "dim")
        table.add_row(Text(key_text(action), "bold"), action.title, text)
    return table
