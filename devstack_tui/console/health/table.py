"""The table of services."""

from __future__ import annotations

from collections.abc import Sequence

from devstack_tui.console.health.rows import COLUMNS, alive
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.contracts.model import ServiceStatus
from devstack_tui.present.cells import Cell
from devstack_tui.present.looks import LOOKS, QUIET
from devstack_tui.present.text import BLANK


class HealthTable(LineTable):
    """One row per service, keyed by its name. `RowHighlighted` reports the selected one."""

    COMPONENT_CLASSES = LOOKS | {"look--trend"}

    def __init__(self) -> None:
        super().__init__("health-table", COLUMNS)
        self._old = False

    def show_services(self, services: Sequence[ServiceStatus]) -> None:
        """Take a snapshot's services; equal cells stay untouched."""
        self.show({service.name: service for service in services})

    def show_old(self, old: bool) -> None:
        """Dim everything that is not of now any more, or show it as of now again."""
        if old != self._old:
            self._old = old
            self.show(self._rows)

    def look(self, row: ServiceStatus, cell: Cell) -> str:
        """What is not known, and a service that does not run, is dimmed."""
        if self._old or cell.text.strip() == BLANK:
            return QUIET
        return cell.look or ("" if alive(row) else QUIET)
