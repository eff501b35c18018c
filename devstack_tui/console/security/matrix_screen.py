"""What every role may do to every secret: declared against what Vault does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable, Static

from devstack_tui.console.ink import ink
from devstack_tui.console.security.matrix import Grid, letter, operation_line, subject, summary
from devstack_tui.console.security.matrix_table import MatrixTable
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.looks import LOOKS
from devstack_tui.present.text import plain
from devstack_tui.security.events import MatrixCell

Load = Callable[[], Awaitable[tuple[MatrixCell, ...]]]
_WORDS = "· denied as declared  ✗ open: undeclared  ▼ shut: declared, denied  ? unseen"


class AccessMatrixScreen(ModalScreen[None]):
    """Shows what `load` returns; a `DevstackError` of it is shown instead."""

    COMPONENT_CLASSES = LOOKS
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,m", "dismiss", "Close"),
        ("n", "turn(1)", "Next difference"),
        ("N", "turn(-1)", "Difference before"),
        ("r", "read", "Read again"),
    ]

    def __init__(self, load: Load) -> None:
        super().__init__()
        self._load = load
        self._cells: tuple[MatrixCell, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="matrix") as box:
            box.border_title = "Access matrix"
            box.border_subtitle = "n N differences · r read again · esc close"
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
        line = self.query_one("#matrix-summary", Static)
        try:
            self._cells = await self._load()
        except DevstackError as error:
            remedy = f" → {plain(error.remedy)}" if error.remedy else ""
            line.update(Content(f"✗ {plain(error.message)}{remedy}"))
            line.set_classes("bad")
            return
        self._show()

    def _show(self) -> None:
        cells = self._cells
        found = summary(cells)
        line = self.query_one("#matrix-summary", Static)
        line.set_classes("")
        line.update(Text(found.text, ink(self, found.look)))
        operations = dict.fromkeys(cell.operation for cell in cells)
        letters = "  ".join(f"{letter(name)} {plain(name)}" for name in operations)
        self.query_one("#matrix-legend", Static).update(Content(f"{letters}\n{_WORDS}"))
        self.query_one(MatrixTable).show(Grid.of(cells))
        self._tell_place()

    @on(DataTable.CellHighlighted)
    def _moved(self, event: DataTable.CellHighlighted) -> None:
        event.stop()
        self._tell_place()

    def _tell_place(self) -> None:
        place = self.query_one(MatrixTable).place
        box = self.query_one("#matrix-place", Static)
        box.display = bool(place)
        if not place:
            return
        box.border_title = Content(f"{plain(place[0].role)} → {subject(place[0].path)}").markup
        table = Table.grid(padding=(0, 2, 0, 0))
        for cell in place:
            parts = operation_line(cell)
            table.add_row(*(Text(part.text, ink(self, part.look), no_wrap=True) for part in parts))
        box.update(table)

    def _recolour(self, _theme: object) -> None:
        if self._cells:
            self.call_after_refresh(self._show)
