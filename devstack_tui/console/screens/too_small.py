"""What is shown while the terminal is smaller than the console needs."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

NEEDED = Size(80, 24)


def is_too_small(size: Size) -> bool:
    """Whether the console cannot be used at `size`."""
    return size.width < NEEDED.width or size.height < NEEDED.height


class TooSmallScreen(ModalScreen[None]):
    """Says what size is needed and what it is; the app removes it when there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [("q", "app.quit", "Quit")]

    def compose(self) -> ComposeResult:
        yield Static(id="too-small")

    def on_mount(self) -> None:
        self._show_size(self.app.size)

    def on_resize(self, event: events.Resize) -> None:
        self._show_size(event.size)

    def _show_size(self, size: Size) -> None:
        self.query_one("#too-small", Static).update(
            Content.from_markup(
                "[bold]Too small[/]\nneeds $w × $h\nthis is [b]$x × $y[/]\n[dim]q quits[/]",
                w=NEEDED.width,
                h=NEEDED.height,
                x=size.width,
                y=size.height,
            )
        )
