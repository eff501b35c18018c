"""The detail panel: everything that is known of the selected service."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.health.changes import Change
from devstack_tui.console.health.facts import facts, node_rows, past
from devstack_tui.console.ink import ink
from devstack_tui.contracts.model import ServiceStatus
from devstack_tui.present.cells import Fact, Span
from devstack_tui.present.looks import KEY, LOOKS, QUIET, state_text

LABEL_WIDTHS = (11, 16)
"""The least and the greatest width of the labels."""
TIME_WIDTHS = (0, 8)
NOTHING_YET = (Fact("", (("no change since the console opened", QUIET),)),)
SIDE_BY_SIDE = 100
FIRST_HELP = (
    "No look at the stack yet.\n\n"
    "u brings it up · F2 lists what is missing on this machine · ? lists every key"
)


class _Sheet(Static):
    """Text in the theme's colours."""

    COMPONENT_CLASSES = LOOKS

    def styled(self, spans: Iterable[Span]) -> Text:
        """The spans one after another."""
        return Text.assemble(*((text, ink(self, look)) for text, look in spans))


class DetailPanel(VerticalScroll):
    """Shows one service; equal content is not drawn again."""

    def __init__(self) -> None:
        super().__init__(id="detail", classes="bottom")
        self._key: tuple[object, ...] = ()
        self._last: tuple[ServiceStatus, float, tuple[Change, ...]] | None = None

    def compose(self) -> ComposeResult:
        yield _Sheet(FIRST_HELP, id="detail-facts", classes="quiet")
        yield _Sheet(id="detail-nodes")
        yield _Sheet(id="detail-events")

    def on_resize(self, event: events.Resize) -> None:
        # Side by side the events stand beside the facts; one below the other the nodes come first.
        late, early = self.query_one("#detail-events"), self.query_one("#detail-nodes")
        if event.size.width >= SIDE_BY_SIDE:
            late, early = early, late
        if self.children[-1] is not late:
            self.move_child(late, after=early)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def show(self, service: ServiceStatus, now: float, changes: tuple[Change, ...]) -> None:
        """Show `service` as of `now` (Unix time) with its recent `changes`."""
        lines = tuple(facts(service, now))
        rows = tuple(node_rows(service))
        changed = tuple(past(changes)) or NOTHING_YET
        key = (service.title, service.state, lines, rows, changed)
        if key == self._key:
            return
        moved = not self._key or self._key[0] != service.title
        self._key = key
        self._last = (service, now, changes)
        self.border_title = Content(f"{service.title} {state_text(service.state)}").markup
        sheet = self.query_one("#detail-facts", _Sheet)
        sheet.set_classes("")
        sheet.update(_labelled(sheet, lines, LABEL_WIDTHS))
        sheet = self.query_one("#detail-nodes", _Sheet)
        sheet.display = bool(rows)
        if rows:
            sheet.update(_headed(sheet, "Nodes", _grid(sheet, rows)))
        sheet = self.query_one("#detail-events", _Sheet)
        sheet.update(_headed(sheet, "Recent events", _labelled(sheet, changed, TIME_WIDTHS)))
        if moved:
            self.scroll_home(animate=False)

    def _recolour(self, _theme: object) -> None:
        if self._last is not None:
            self._key = ()
            self.call_after_refresh(self.show, *self._last)


def _labelled(sheet: _Sheet, lines: tuple[Fact, ...], widths: tuple[int, int]) -> Table:
    """Labels on the left, as wide as the longest within `widths`; what they label wraps."""
    least, greatest = widths
    longest = max((len(fact.label) for fact in lines), default=0)
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=min(max(longest, least), greatest), no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for fact in lines:
        table.add_row(Text(fact.label, ink(sheet, QUIET)), sheet.styled(fact.spans))
    return table


def _headed(sheet: _Sheet, heading: str, body: Table) -> Table:
    outer = Table.grid(expand=True)
    outer.add_row(Text(heading, ink(sheet, KEY)))
    outer.add_row(body)
    return outer


def _grid(sheet: _Sheet, rows: tuple[tuple[Span, ...], ...]) -> Table:
    """Rows in columns as wide as they need; the last one takes the rest."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for place in range(len(rows[0])):
        last = place == len(rows[0]) - 1
        table.add_column(no_wrap=not last, overflow="fold" if last else "ellipsis")
    for row in rows:
        table.add_row(*(sheet.styled([span]) for span in row))
    return table
