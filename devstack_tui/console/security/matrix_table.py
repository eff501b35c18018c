"""The access matrix as a table: roles down, secrets across; the roles stay while it scrolls."""

from __future__ import annotations

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from devstack_tui.console.ink import ink
from devstack_tui.console.security.matrix import Grid, place_cell
from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.present.looks import KEY, LOOKS
from devstack_tui.present.text import plain, shorten

_WIDTH = (11, 16)
"""The least and the greatest width of a column."""


class MatrixTable(DataTable[Text]):
    """Shows a grid; the cursor is on one of its places."""

    COMPONENT_CLASSES = LOOKS

    def __init__(self) -> None:
        super().__init__(
            cursor_type="cell", cell_padding=0, fixed_columns=1, id="matrix-table", classes="lines",
            cursor_foreground_priority="renderable",
        )  # fmt: skip
        self.grid = Grid((), (), {})

    def show(self, grid: Grid) -> None:
        """Show `grid`; the cursor stays where it is."""
        at = self.cursor_coordinate
        self.grid = grid
        self.clear(columns=True)
        width = max((len(plain(role)) for role in grid.roles), default=4) + 2
        self.add_column(Text("ROLE"), width=width, key="role")
        for secret in grid.secrets:
            label = shorten(secret, _WIDTH[1])
            self.add_column(Text(label), width=max(len(label), _WIDTH[0]) + 1, key=secret)
        for role in grid.roles:
            cells = (place_cell(grid.at(role, secret)) for secret in grid.secrets)
            texts = [Text(cell.text, ink(self, cell.look), no_wrap=True) for cell in cells]
            self.add_row(Text(plain(role), ink(self, KEY)), *texts, key=role)
        # The first column is the roles' own: the cursor begins beside it.
        self.move_cursor(row=at.row, column=max(at.column, 1), animate=False)

    @property
    def place(self) -> tuple[MatrixCell, ...]:
        """The operations under the cursor."""
        row, column = self.cursor_coordinate
        if column < 1 or row >= len(self.grid.roles) or column > len(self.grid.secrets):
            return ()
        return self.grid.at(self.grid.roles[row], self.grid.secrets[column - 1])

    def turn(self, step: int) -> bool:
        """The cursor to the next difference, or the one before; False when there is none."""
        places = [Coordinate(row, column + 1) for row, column in self.grid.differences()]
        if not places:
            return False
        here = self.cursor_coordinate
        if step > 0:
            found = next((place for place in places if place > here), places[0])
        else:
            found = next((place for place in reversed(places) if place < here), places[-1])
        self.move_cursor(row=found.row, column=found.column, animate=False, scroll=True)
        return True
