"""A table of lines with a cursor: only the cells that changed are drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.style import Style
from rich.text import Text
from textual import events
from textual.coordinate import Coordinate
from textual.geometry import Region
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey

from devstack_tui.console.ink import ink
from devstack_tui.present.cells import Cell
from devstack_tui.present.looks import LOOKS
from devstack_tui.present.text import shorten

GAP = 1
AMPLE = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the highest `rank` is dropped first; a `wide` one takes the room that is left.

    One with a `most` grows to that once the wide one has `ample` more than its width, and is cut at
    its beginning."""

    key: str
    label: str
    width: int
    rank: int
    cell: Callable[[Any], Cell]
    right: bool = False
    wide: bool = False
    most: int = 0
    ample: int = AMPLE


def fit(columns: Sequence[Column], width: int) -> dict[str, int]:
    """The columns that fit into `width` cells and how wide each is; rank 0 is always there."""
    chosen: set[str] = set()
    room = width
    for column in sorted(columns, key=lambda c: c.rank):
        need = column.width + GAP
        if need > room and column.rank:
            break
        chosen.add(column.key)
        room -= need
    spare = max(room, 0)
    widths = {c.key: c.width for c in columns if c.key in chosen}
    for column in columns:
        if column.most and column.key in chosen:
            more = min(max(spare - column.ample, 0), column.most - column.width)
            widths[column.key] += more
            spare -= more
    return {c.key: widths[c.key] + (spare if c.wide else 0) for c in columns if c.key in chosen}


class LineTable(DataTable[Text]):
    """Rows are keyed by a name, and the cursor stays on its row."""

    COMPONENT_CLASSES = LOOKS

    def __init__(self, id: str, columns: Sequence[Column] = (), header: bool = True) -> None:
        self._hold_repaint = False
        super().__init__(
            cursor_type="row",
            cell_padding=0,
            cursor_foreground_priority="renderable",
            show_header=header,
            id=id,
            classes="lines",
        )
        self._all = tuple(columns)
        self._widths: dict[str, int] = {}
        self._rows: dict[str, Any] = {}
        self._shown: dict[str, tuple[Cell, ...]] = {}
        self._looks: dict[str, Style] = {}

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.ordered_rows[self.cursor_row].key.value

    def show(self, rows: dict[str, Any], columns: Sequence[Column] | None = None) -> None:
        """Show `rows` by their keys, perhaps in other `columns`; equal cells stay untouched."""
        self._rows = rows
        if columns is not None and tuple(columns) != self._all:
            self._all = tuple(columns)
            self._widths = {}
        if not self.size.width:
            return
        widths = fit(self._all, self.size.width)
        if widths != self._widths or list(rows) != list(self._shown):
            self._widths = widths
            self._rebuild()
            return
        for number, (key, row) in enumerate(rows.items()):
            self._update_row(number, key, row)

    def select(self, key: str) -> None:
        """Put the cursor on row `key`, if it is there."""
        if key in self._shown:
            self.move_cursor(row=list(self._shown).index(key), animate=False)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def on_resize(self, _event: events.Resize) -> None:
        self.show(self._rows)

    def refresh(self, *regions: Region, **options: Any) -> LineTable:
        """Repaint; while single cells are exchanged, only those are."""
        if self._hold_repaint and not regions:
            return self
        super().refresh(*regions, **options)
        return self

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:  # noqa: ARG002
        # Every width is declared and every row is one line: measuring a thousand rows of cells
        # would take a third of a second and change nothing.
        super()._update_dimensions(())

    def _columns(self) -> list[Column]:
        return [column for column in self._all if column.key in self._widths]

    def _cells(self, row: Any) -> tuple[Cell, ...]:
        made = []
        for column in self._columns():
            width = self._widths[column.key]
            cell = column.cell(row)
            text = shorten(cell.text, width)
            if column.most and len(cell.text) > width:
                text = f"…{cell.text[1 - width :]}"
            text = text.rjust(width) if column.right else text.ljust(width)
            made.append(Cell(text + " " * GAP, self.look(row, cell)))
        return tuple(made)

    def look(self, row: Any, cell: Cell) -> str:  # noqa: ARG002 - for tables that dim rows
        """The look of a cell of `row`."""
        return cell.look

    def _update_row(self, number: int, key: str, row: Any) -> None:
        before, after = self._shown[key], self._cells(row)
        if before == after:
            return
        self._shown[key] = after
        keys = list(self._widths)
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                self._hold_repaint = True
                try:
                    self.update_cell(key, keys[place], self._text(new))
                finally:
                    self._hold_repaint = False
                self.refresh_coordinate(Coordinate(number, place))

    def _rebuild(self) -> None:
        kept, place, top = self.selected, self.cursor_row, self.scroll_y
        same = not self._shown.keys().isdisjoint(self._rows)  # else it is another list
        self.clear(columns=True)
        for column in self._columns():
            width = self._widths[column.key]
            label = column.label.rjust(width) if column.right else column.label
            self.add_column(Text(label), key=column.key, width=width + GAP)
        self._shown = {}
        for key, row in self._rows.items():
            cells = self._cells(row)
            self._shown[key] = cells
            self.add_row(*(self._text(cell) for cell in cells), key=key)
        if not same:
            return
        # After the new size is known, and before the cursor is brought into view.
        self.call_after_refresh(self.scroll_to, y=top, animate=False, force=True, immediate=True)
        if kept in self._shown:
            self.select(kept)
        elif kept is not None:
            self.move_cursor(row=min(place, len(self._shown) - 1), animate=False)

    def _recolour(self, _theme: object) -> None:
        self._looks = {}
        self.call_after_refresh(self._rebuild)

    def _text(self, cell: Cell) -> Text:
        if cell.look not in self._looks:
            self._looks[cell.look] = ink(self, cell.look)
        return Text(cell.text, style=self._looks[cell.look], no_wrap=True, end="")
