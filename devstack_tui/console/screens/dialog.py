"""What the dialogs share: the box with its title and its keys, cancelling, and one line of news."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from devstack_tui.console.ink import ink
from devstack_tui.console.screens.focus import FocusInSight
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.looks import LOOKS
from devstack_tui.present.text import plain

T = TypeVar("T")


class Dialog(ModalScreen[T], FocusInSight[T]):
    """A box over the panes."""

    COMPONENT_CLASSES = LOOKS
    BOX: ClassVar[str] = ""
    """Its id in the style sheet."""
    KEYS: ClassVar[str] = "esc close"
    REFUSED: ClassVar[Any] = None
    """What it leaves with when it is cancelled."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id=self.BOX) as box:
            box.border_title = Content(self._title).markup
            box.border_subtitle = self.KEYS
            yield from self.body()

    def body(self) -> ComposeResult:
        """What is in the box."""
        raise NotImplementedError

    def action_refuse(self) -> None:
        """Cancel."""
        self.dismiss(self.REFUSED)

    def ink(self, look: str) -> Style:
        """How a look is drawn here."""
        return ink(self, look)

    def say(self, line: str, text: Content | str, look: str = "") -> None:
        """Write `text` into the widget `line`."""
        message = self.query_one(line, Static)
        message.update(Content(text) if isinstance(text, str) else text)
        message.set_classes(look)

    def say_error(self, line: str, error: DevstackError, between: str = "\n→ ") -> None:
        """Write what went wrong, and its remedy, into the widget `line`."""
        remedy = f"{between}{plain(error.remedy)}" if error.remedy else ""
        self.say(line, f"✗ {plain(error.message)}{remedy}", "bad")
