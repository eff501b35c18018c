"""Labelled lines in a panel that scrolls: a parameter, a service, a change, a job's story."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.ink import ink
from devstack_tui.present.cells import Fact
from devstack_tui.present.looks import LOOKS, QUIET

LABELS = (10, 40)
"""The least and the greatest width of the labels."""


def fact_table(facts: Sequence[Fact], ink: Callable[[str], Style]) -> Table:
    """The labels on the left, as wide as the longest; what they label wraps."""
    least, greatest = LABELS
    longest = max((len(fact.label) for fact in facts), default=0)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=min(max(longest, least), greatest), no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for fact in facts:
        spans = ((text, ink(look)) for text, look in fact.spans)
        table.add_row(Text(fact.label, ink(QUIET)), Text.assemble(*spans))
    return table


class _Sheet(Static):
    COMPONENT_CLASSES = LOOKS


class FactPanel(VerticalScroll):
    """Shows facts; equal ones are not drawn again."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._shown: tuple[Fact, ...] = ()
        self._about = ""

    def compose(self) -> ComposeResult:
        yield _Sheet()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def show(self, about: str, facts: tuple[Fact, ...], newest: bool = False) -> None:
        """Show `facts` about something; `newest` keeps the last one in view."""
        if facts == self._shown and about == self._about:
            return
        moved = about != self._about
        self._about, self._shown = about, facts
        self._draw()
        if newest:
            self.scroll_end(animate=False)
        elif moved:
            self.scroll_home(animate=False)

    def _draw(self) -> None:
        sheet = self.query_one(_Sheet)
        if all(not fact.label for fact in self._shown):
            lines = [
                Text.assemble(*((text, ink(sheet, look)) for text, look in fact.spans))
                for fact in self._shown
            ]
            sheet.update(Text("\n").join(lines) if lines else Content(""))
            return
        sheet.update(fact_table(self._shown, lambda look: ink(sheet, look)))

    def _recolour(self, _theme: object) -> None:
        self.call_after_refresh(self._draw)
