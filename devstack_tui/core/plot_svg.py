"""Charts as an SVG picture: one polyline for each piece of a line.

Its colours are attributes and its parts have classes, so that a page's style sheet can give them
colours of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from devstack_tui.core import svg as draw
from devstack_tui.core.plot import Band, Plot, figure, seconds_text, tick_texts

WIDTH, HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 56, 32
_COLOURS = ("#0072B2", "#E69F00", "#D55E00", "#009E73")
"""Of Okabe and Ito: they stay apart in every common form of colour blindness."""
_INK = "#222222"


def svg(plots: Sequence[Plot], title: str = "", look: str = "", height: int = HEIGHT) -> str:
    """The charts one below the other on a white ground, `height` pixels each."""
    total = height * len(plots)
    parts = [draw.rect(0, 0, WIDTH, total, look="ground", fill="#ffffff")]
    for number, plot in enumerate(plots):
        inside = "\n".join(_chart(plot, height))
        parts.append(draw.element("g", inside, transform=f"translate(0 {number * height})"))
    font: dict[str, draw.Value] = {"font_family": "sans-serif", "font_size": 13}
    return draw.document(WIDTH, total, parts, title, look=look, **font) + "\n"


class _Frame:
    """Where a plot's values lie in the picture, pixels."""

    def __init__(self, plot: Plot, height: int) -> None:
        self.x_axis, self.y_axis = plot.x_axis(), plot.y_axis()
        self.right, self.bottom = WIDTH - _RIGHT, height - _BOTTOM

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.across(x), self.down(y)

    def across(self, x: float) -> float:
        return _LEFT + self.x_axis.place(x) * (self.right - _LEFT)

    def down(self, y: float) -> float:
        return self.bottom - self.y_axis.place(y) * (self.bottom - _TOP)


def _chart(plot: Plot, height: int) -> Iterator[str]:
    frame = _Frame(plot, height)
    yield draw.text(_LEFT, 22, plot.title, fill=_INK, font_weight="bold")
    if plot.band is not None:
        yield _band(plot.band, frame)
    yield from _axes(plot, frame)
    for mark in plot.marks:
        x = frame.across(mark.x)
        yield draw.line((x, _TOP), (x, frame.bottom), stroke="#888888", stroke_dasharray="4 3")
        yield draw.text(x + 4, _TOP + 12, mark.text, fill=_INK, opacity=0.7)
    yield draw.line(
        (_LEFT, frame.bottom), (frame.right, frame.bottom), look="axis", stroke="#444444"
    )
    for number, line in enumerate(plot.series):
        for piece in plot.segments(line):
            yield _piece([frame.at(*point) for point in piece], number, line.look)
    yield from _legend(plot)


def _band(band: Band, frame: _Frame) -> str:
    top = frame.down(band.high)
    tall = max(frame.down(band.low) - top, 1.0)
    wide = frame.right - _LEFT
    return draw.rect(_LEFT, top, wide, tall, look="band", fill="#56B4E9", fill_opacity=0.25)


def _axes(plot: Plot, frame: _Frame) -> Iterator[str]:
    ticks = frame.y_axis.ticks(6)
    for tick, label in zip(ticks, tick_texts(ticks), strict=True):
        y = frame.down(tick)
        yield draw.line((_LEFT, y), (frame.right, y), look="axis", stroke="#e0e0e0")
        yield draw.text(_LEFT - 8, y + 4, label, fill=_INK, text_anchor="end")
    below = frame.bottom + 20
    if plot.names:
        yield draw.text(_LEFT, below, plot.names[0], fill=_INK)
        yield draw.text(frame.right, below, plot.names[-1], fill=_INK, text_anchor="end")
        return
    for tick in frame.x_axis.seconds(12):
        x = frame.across(tick)
        yield draw.text(x, below, seconds_text(tick), fill=_INK, text_anchor="middle")


def _piece(piece: Sequence[tuple[float, float]], number: int, look: str) -> str:
    """A part of a line without a gap; one point alone is a dot."""
    colour = _COLOURS[number % len(_COLOURS)]
    if len(piece) == 1:
        return draw.circle(*piece[0], 2.5, look=f"dot {look}", fill=colour)
    return draw.polyline(
        piece, look=f"line {look}", stroke=colour, stroke_width=1.6, stroke_linejoin="round"
    )


def _legend(plot: Plot) -> Iterator[str]:
    place = float(_LEFT)
    for number, line in enumerate(plot.series):
        text = f"{line.name} {figure(line.current)} {plot.unit}"
        colour = _COLOURS[number % len(_COLOURS)]
        yield draw.line(
            (place, 38), (place + 18, 38), look=f"line {line.look}", stroke=colour, stroke_width=3
        )
        yield draw.text(place + 24, 42, text, fill=_INK)
        place += 40 + 7.5 * len(text)
    if plot.band is not None:
        text = f"{plot.band.name} {figure(plot.band.low)}–{figure(plot.band.high)} {plot.unit}"
        yield draw.rect(place, 31, 18, 12, fill="#56B4E9", opacity=0.35)
        yield draw.text(place + 24, 42, text, fill=_INK)
