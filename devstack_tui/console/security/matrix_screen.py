"""What every role may do to every secret: declared against what Vault does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import DataTable, Static

from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.console.security.matrix import Grid, letter, operation_line, subject, summary
from devstack_tui.console.security.matrix_table import MatrixTable
from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain

Load = Callable[[], Awaitable[tuple[MatrixCell, ...]]]
_WORDS = "· denied as declared  ✗ open: undeclared  ▼ shut: declared, denied  ? unseen"


class AccessMatrixScreen(Dialog[None]):
    """Shows what `load` returns; a `DevstackError` of it is shown instead."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,m", "dismiss", "Close"),
        ("n", "turn(1)", "Next difference"),
        ("N", "turn(-1)", "Difference before"),
        ("r", "read", "Read again"),
    ]
    BOX, KEYS = "matrix", "n N differences · r read again · esc close"

    def __init__(self, load: Load) -> None:
        super().__init__("Access matrix")
        self._load = load
        self._cells: tuple[MatrixCell, ...] = ()

    def body(self) -> ComposeResult:
        yield Static("…", id="matrix-summary", classes="quiet")
        yield MatrixTable()
        yield Static(id="matrix-legend", classes="quiet")
        yield Static(id="matrix-place")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)
        self.action_read()

    def action_read(self) -> None:
        """Ask Vault again."""
        self.run_worker(self._fill(), group="matrix", exclusive=True, exit_on_error=False)

    def action_turn(self, step: int) -> None:
        """To another difference."""
        if not self.query_one(MatrixTable).turn(step):
            self.notify("Nothing differs from what is declared")

    async def _fill(self) -> None:
        try:
            self._cells = await self._load()
        except DevstackError as error:
            self.say_error("#matrix-summary", error, " → ")
        else:
            self._show()

    def _show(self) -> None:
        cells = self._cells
        found = summary(cells)
        line = self.query_one("#matrix-summary", Static)
        line.set_classes("")
        line.update(Text(found.text, self.ink(found.look)))
        operations = dict.fromkeys(cell.operation for cell in cells)
        letters = "  ".join(f"{letter(name)} {plain(name)}" for name in operations)
        self.say("#matrix-legend", f"{letters}\n{_WORDS}", "quiet")
        self.query_one(MatrixTable).show(Grid.of(cells))
        self._show_place()

    @on(DataTable.CellHighlighted)
    def _moved(self, event: DataTable.CellHighlighted) -> None:
        event.stop()
        self._show_place()

    def _show_place(self) -> None:
        place = self.query_one(MatrixTable).place
        box = self.query_one("#matrix-place", Static)
        box.display = bool(place)
        if not place:
            return
        box.border_title = Content(f"{plain(place[0].role)} → {subject(place[0].path)}").markup
        table = Table.grid(padding=(0, 2, 0, 0))
        for cell in place:
            parts = operation_line(cell)
            table.add_row(*(Text(part.text, self.ink(part.look), no_wrap=True) for part in parts))
        box.update(table)

    def _recolour(self, _theme: object) -> None:
        if self._cells:
            self.call_after_refresh(self._show)
