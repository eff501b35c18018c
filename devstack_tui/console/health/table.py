"""The table of services: only the cells that changed are drawn again, and the cursor stays."""

from __future__ import annotations

from typing import Any

from rich.style import Style
from rich.text import Text
from textual import events
from textual.coordinate import Coordinate
from textual.geometry import Region
from textual.widgets import DataTable

from devstack_tui.console.health.rows import Cell, Column, cells, columns_for
from devstack_tui.console.ink import ink
from devstack_tui.contracts.model import ServiceStatus
from devstack_tui.present.looks import LOOKS


class HealthTable(DataTable[Text]):
    """One row per service, keyed by its name. `RowHighlighted` tells which one is selected."""

    COMPONENT_CLASSES = LOOKS | {"look--trend"}

    def __init__(self) -> None:
        self._hold_repaint = False
        super().__init__(
            cursor_type="row",
            cell_padding=0,
            cursor_foreground_priority="renderable",
            id="health-table",
        )
        self._services: tuple[ServiceStatus, ...] = ()
        self._shown: dict[str, tuple[Cell, ...]] = {}
        self._layout: tuple[Column, ...] = ()
        self._looks: dict[str, Style] = {}

    @property
    def selected(self) -> str | None:
        """The name of the service under the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.ordered_rows[self.cursor_row].key.value

    def show(self, services: tuple[ServiceStatus, ...]) -> None:
        """Take a snapshot's services; equal cells stay untouched."""
        self._services = services
        if not self._layout:
            return
        if [s.name for s in services] != list(self._shown):
            self._rebuild()
            return
        for row, service in enumerate(services):
            self._update_row(row, service)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def on_resize(self, event: events.Resize) -> None:
        layout = columns_for(event.size.width)
        if layout != self._layout:
            self._layout = layout
            self._rebuild()

    def refresh(self, *regions: Region, **options: Any) -> HealthTable:
        """Repaint; while single cells are exchanged, only those are."""
        if self._hold_repaint and not regions:
            return self
        super().refresh(*regions, **options)
        return self

    def _update_row(self, row: int, service: ServiceStatus) -> None:
        before = self._shown[service.name]
        after = cells(service, self._layout)
        if before == after:
            return
        self._shown[service.name] = after
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                self._hold_repaint = True
                try:
                    self.update_cell(service.name, self._layout[place].key, self._text(new))
                finally:
                    self._hold_repaint = False
                self.refresh_coordinate(Coordinate(row, place))

    def _rebuild(self) -> None:
        kept = self.selected
        self.clear(columns=True)
        for column in self._layout:
            label = column.label.rjust(column.width) if column.right else column.label
            self.add_column(Text(label), key=column.key, width=column.width + 1)
        self._shown = {}
        for service in self._services:
            row = cells(service, self._layout)
            self._shown[service.name] = row
            self.add_row(*(self._text(cell) for cell in row), key=service.name)
        if kept in self._shown:
            self.move_cursor(row=list(self._shown).index(kept), animate=False)

    def _recolour(self, _theme: object) -> None:
        self._looks = {}
        self.call_after_refresh(self._rebuild)

    def _text(self, cell: Cell) -> Text:
        if cell.look not in self._looks:
            self._looks[cell.look] = ink(self, cell.look)
        return Text(cell.text, style=self._looks[cell.look], no_wrap=True, end="")
