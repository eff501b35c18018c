"""Charts as an SVG file: one polyline for each piece of a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from devstack_tui.core.plot import Band, Plot, figure, seconds_text, tick_texts

WIDTH, HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 56, 32
_COLOURS = ("#0072B2", "#E69F00", "#D55E00", "#009E73")
"""Of Okabe and Ito: they stay apart in every common form of colour blindness."""


def svg(plots: Sequence[Plot]) -> str:
    """The charts one below the other on a white ground."""
    height = HEIGHT * len(plots)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, plot in enumerate(plots):
        parts.append(f'<g transform="translate(0 {number * HEIGHT})">')
        parts += _chart(plot)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


class _Frame:
    """Where a plot's values lie in the picture, pixels."""

    def __init__(self, plot: Plot) -> None:
        self.x_axis, self.y_axis = plot.x_axis(), plot.y_axis()
        self.right, self.bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def across(self, x: float) -> float:
        return _LEFT + self.x_axis.place(x) * (self.right - _LEFT)

    def down(self, y: float) -> float:
        return self.bottom - self.y_axis.place(y) * (self.bottom - _TOP)


def _chart(plot: Plot) -> Iterator[str]:
    frame = _Frame(plot)
    yield _text(_LEFT, 22, plot.title, more=' font-weight="bold"')
    if plot.band is not None:
        yield _band(plot.band, frame)
    yield from _axes(plot, frame)
    for mark in plot.marks:
        x = frame.across(mark.x)
        yield _line((x, _TOP), (x, frame.bottom), "#888888", ' stroke-dasharray="4 3"')
        yield _text(x + 4, _TOP + 12, mark.text, more=' opacity="0.7"')
    yield _line((_LEFT, frame.bottom), (frame.right, frame.bottom), "#444444")
    for number, line in enumerate(plot.series):
        colour = _COLOURS[number % len(_COLOURS)]
        yield from (_piece(piece, colour, frame) for piece in plot.segments(line))
    yield from _legend(plot)


def _band(band: Band, frame: _Frame) -> str:
    top = frame.down(band.high)
    tall = max(frame.down(band.low) - top, 1.0)
    return (
        f'<rect class="band" x="{_LEFT}" y="{top:.1f}" width="{frame.right - _LEFT}" '
        f'height="{tall:.1f}" fill="#56B4E9" fill-opacity="0.25"/>'
    )


def _axes(plot: Plot, frame: _Frame) -> Iterator[str]:
    ticks = frame.y_axis.ticks(6)
    for tick, label in zip(ticks, tick_texts(ticks), strict=True):
        y = frame.down(tick)
        yield _line((_LEFT, y), (frame.right, y), "#e0e0e0")
        yield _text(_LEFT - 8, y + 4, label, anchor="end")
    below = frame.bottom + 20
    if plot.names:
        yield _text(_LEFT, below, plot.names[0])
        yield _text(frame.right, below, plot.names[-1], anchor="end")
        return
    for tick in frame.x_axis.seconds(12):
        yield _text(frame.across(tick), below, seconds_text(tick), anchor="middle")


def _piece(piece: Sequence[tuple[float, float]], colour: str, frame: _Frame) -> str:
    """A part of a line without a gap; one point alone is a dot."""
    if len(piece) == 1:
        x, y = frame.across(piece[0][0]), frame.down(piece[0][1])
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
    points = " ".join(f"{frame.across(x):.1f},{frame.down(y):.1f}" for x, y in piece)
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" '
        'stroke-width="1.6" stroke-linejoin="round"/>'
    )


def _legend(plot: Plot) -> Iterator[str]:
    place = float(_LEFT)
    for number, line in enumerate(plot.series):
        text = f"{line.name} {figure(line.current)} {plot.unit}"
        colour = _COLOURS[number % len(_COLOURS)]
        yield _line((place, 38), (place + 18, 38), colour, ' stroke-width="3"')
        yield _text(place + 24, 42, text)
        place += 40 + 7.5 * len(text)
    if plot.band is not None:
        text = f"{plot.band.name} {figure(plot.band.low)}–{figure(plot.band.high)} {plot.unit}"
        yield f'<rect x="{place}" y="31" width="18" height="12" fill="#56B4E9" opacity="0.35"/>'
        yield _text(place + 24, 42, text)


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222"{more}>'
        f"{escape(text)}</text>"
    )


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, more: str = "") -> str:
    (x, y), (to_x, to_y) = start, end
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"{more}/>'
    )
