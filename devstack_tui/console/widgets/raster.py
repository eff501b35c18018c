"""A plot as rows of signs: two by four braille dots in a cell, or plain signs without Unicode."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.core.plot import Axis, Plot, Series, seconds_text, tick_texts

AXIS, MARK = "chart--axis", "chart--mark"
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SIGNS = "*+x#"


@dataclass(slots=True)
class Cell:
    """One cell: its sign, the component class of its colour, whether it lies in the band."""

    sign: str = " "
    look: str = ""
    band: bool = False


Row = list[Cell]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where things are in a raster: `gutter` cells left of the plot, whose size is in cells."""

    gutter: int
    width: int
    height: int


class _Canvas:
    """Dots in cells; a cell has the look of the line that was drawn on it last."""

    def __init__(self, width: int, height: int, plain: bool) -> None:
        self.plain = plain
        self.across, self.down = (1, 1) if plain else (2, 4)
        self.width, self.height = width * self.across, height * self.down
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}

    def dot(self, x: int, y: int, look: str, sign: int) -> None:
        """Set the dot at column `x`, row `y` (from the top)."""
        place = (x // self.across, y // self.down)
        if self.plain:
            self._cells[place] = (sign, look)
            return
        bits, _ = self._cells.get(place, (0, ""))
        self._cells[place] = (bits | _BITS[y % 4][x % 2], look)

    def line(self, start: tuple[int, int], end: tuple[int, int], look: str, sign: int) -> None:
        """A straight line, by Bresenham."""
        (x, y), (to_x, to_y) = start, end
        across, down = abs(to_x - x), -abs(to_y - y)
        step_x, step_y = (1 if to_x > x else -1), (1 if to_y > y else -1)
        error = across + down
        while True:
            self.dot(x, y, look, sign)
            if (x, y) == (to_x, to_y):
                return
            twice = 2 * error
            if twice >= down:
                error += down
                x += step_x
            if twice <= across:
                error += across
                y += step_y

    def dotted(self, y: int, look: str) -> None:
        """A level line of single dots, in cells that no other line is drawn in."""
        for x in range(0, self.width, self.across):
            place = (x // self.across, y // self.down)
            if place not in self._cells or self._cells[place][1] == look:
                self.dot(x, y, look, 0)

    def put(self, rows: list[Row], gutter: int) -> None:
        """Write the cells that have dots."""
        for (x, y), (bits, look) in self._cells.items():
            cell = rows[y][gutter + x]
            if look == MARK and cell.sign != " ":
                continue
            cell.sign = _SIGNS[bits % len(_SIGNS)] if self.plain else chr(0x2800 + bits)
            cell.look = look


def frame(plot: Plot, width: int, height: int) -> Frame:
    """The division of `width` × `height` cells; the last row is the x axis."""
    labels = tick_texts(plot.y_axis().ticks(_most_ticks(height - 1)))
    gutter = max(map(len, labels), default=1) + 1
    return Frame(gutter, max(width - gutter, 1), max(height - 1, 1))


def raster(plot: Plot, width: int, height: int, plain: bool = False) -> list[Row]:
    """`height` rows of `width` cells. `plain` uses ASCII only."""
    size = frame(plot, width, height)
    rows = [[Cell() for _ in range(width)] for _ in range(height)]
    if width < size.gutter + 2 or height < 3:
        return rows
    x_axis, y_axis = plot.x_axis(), plot.y_axis()
    _draw_y(rows, size, y_axis, plain)
    _draw_x(rows, plot, size, x_axis)
    _draw_marks(rows, plot, size, x_axis, plain)
    canvas = _Canvas(size.width, size.height, plain)
    for number, line in enumerate(plot.series):
        _draw_line(canvas, plot, line, number, (x_axis, y_axis))
    _draw_band(rows, canvas, plot, size, y_axis)
    canvas.put(rows, size.gutter)
    return rows


def sign_of(number: int, plain: bool) -> str:
    """How line `number` is shown in the legend."""
    return _SIGNS[number % len(_SIGNS)] if plain else "━"


def _most_ticks(height: int) -> int:
    return max(min(height // 3 + 1, 6), 2)


def _row_of(size: Frame, share: float) -> int:
    return round((1 - share) * (size.height - 1))


def _draw_line(
    canvas: _Canvas, plot: Plot, line: Series, number: int, axes: tuple[Axis, Axis]
) -> None:
    x_axis, y_axis = axes

    def place(point: tuple[float, float]) -> tuple[int, int]:
        x = round(x_axis.place(point[0]) * (canvas.width - 1))
        return x, round((1 - y_axis.place(point[1])) * (canvas.height - 1))

    for piece in plot.segments(line):
        before = place(piece[0])
        canvas.dot(*before, line.look, number)
        for point in piece[1:]:
            after = place(point)
            canvas.line(before, after, line.look, number)
            before = after
        if len(piece) == 1 and not canvas.plain:
            # A lone value would be one dot: the other one of its cell makes it as tall as two.
            canvas.dot(before[0], before[1] ^ 1, line.look, number)


def _draw_band(rows: list[Row], canvas: _Canvas, plot: Plot, size: Frame, y_axis: Axis) -> None:
    """Tint the rows that the band touches; its edges are dotted where they are, between lines."""
    if plot.band is None:
        return
    edges = [
        round((1 - y_axis.place(y)) * (canvas.height - 1)) for y in (plot.band.high, plot.band.low)
    ]
    top, bottom = (edge // canvas.down for edge in edges)
    for row in rows[top : bottom + 1]:
        for cell in row[size.gutter :]:
            cell.band = True
            if canvas.plain and cell.sign == " ":
                cell.sign, cell.look = ".", AXIS
    if not canvas.plain:
        for edge in edges:
            canvas.dotted(edge, MARK)


def _draw_y(rows: list[Row], size: Frame, y_axis: Axis, plain: bool) -> None:
    for row in rows[: size.height]:
        row[size.gutter - 1] = Cell("|" if plain else "│", AXIS)
    ticks = y_axis.ticks(_most_ticks(size.height))
    for tick, text in zip(ticks, tick_texts(ticks), strict=True):
        place = _row_of(size, y_axis.place(tick))
        _write(rows[place], 0, text.rjust(size.gutter - 1), AXIS)
        rows[place][size.gutter - 1].sign = "+" if plain else "┤"


def _draw_x(rows: list[Row], plot: Plot, size: Frame, x_axis: Axis) -> None:
    row = rows[size.height]
    if plot.names:
        first, last = plot.names[0], plot.names[-1]
        _write(row, size.gutter, first, AXIS)
        if len(first) + len(last) + 2 <= size.width and len(plot.names) > 1:
            _write(row, size.gutter + size.width - len(last), last, AXIS)
        return
    end = size.gutter
    for tick in x_axis.seconds(max(size.width // 10, 2)):
        text = seconds_text(tick) if tick else "0"
        column = size.gutter + round(x_axis.place(tick) * (size.width - 1))
        start = min(max(column - len(text) // 2, size.gutter), size.gutter + size.width - len(text))
        if start >= end:
            _write(row, start, text, AXIS)
            end = start + len(text) + 1


def _draw_marks(rows: list[Row], plot: Plot, size: Frame, x_axis: Axis, plain: bool) -> None:
    for mark in plot.marks:
        column = size.gutter + round(x_axis.place(mark.x) * (size.width - 1))
        for row in rows[: size.height]:
            row[column].sign, row[column].look = ("|" if plain else "┊"), MARK
        room = size.gutter + size.width - column - 1
        start = column + 1 if len(mark.text) <= room else column - len(mark.text)
        if start >= size.gutter:
            _write(rows[0], start, mark.text, MARK)


def _write(row: Row, start: int, text: str, look: str) -> None:
    for place, sign in enumerate(text, start):
        if 0 <= place < len(row):
            row[place].sign, row[place].look = sign, look
