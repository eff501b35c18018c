"""Charts as an SVG file: one polyline for each piece of a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from devstack_tui.core.plot import Plot, figure, seconds_text, tick_texts

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


def _chart(plot: Plot) -> Iterator[str]:
    x_axis, y_axis = plot.x_axis(), plot.y_axis()

    def across(x: float) -> float:
        return _LEFT + x_axis.place(x) * (WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return HEIGHT - _BOTTOM - y_axis.place(y) * (HEIGHT - _TOP - _BOTTOM)

    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    yield _text(_LEFT, 22, plot.title, more=' font-weight="bold"')
    if plot.band is not None:
        top = down(plot.band.high)
        tall = max(down(plot.band.low) - top, 1.0)
        yield (
            f'<rect class="band" x="{_LEFT}" y="{top:.1f}" width="{right - _LEFT}" '
            f'height="{tall:.1f}" fill="#56B4E9" fill-opacity="0.25"/>'
        )
    ticks = y_axis.ticks(6)
    for tick, label in zip(ticks, tick_texts(ticks), strict=True):
        y = down(tick)
        yield _line((_LEFT, y), (right, y), "#e0e0e0")
        yield _text(_LEFT - 8, y + 4, label, anchor="end")
    if plot.names:
        yield _text(_LEFT, bottom + 20, plot.names[0])
        yield _text(right, bottom + 20, plot.names[-1], anchor="end")
    else:
        for tick in x_axis.seconds(12):
            yield _text(across(tick), bottom + 20, seconds_text(tick), anchor="middle")
    for mark in plot.marks:
        x = across(mark.x)
        yield _line((x, _TOP), (x, bottom), "#888888", ' stroke-dasharray="4 3"')
        yield _text(x + 4, _TOP + 12, mark.text, more=' opacity="0.7"')
    yield _line((_LEFT, bottom), (right, bottom), "#444444")
    place = float(_LEFT)
    for number, line in enumerate(plot.series):
        colour = _COLOURS[number % len(_COLOURS)]
        for piece in plot.segments(line):
            points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in piece)
            if len(piece) == 1:
                x, y = across(piece[0][0]), down(piece[0][1])
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
            else:
                yield (
                    f'<polyline points="{points}" fill="none" stroke="{colour}" '
                    'stroke-width="1.6" stroke-linejoin="round"/>'
                )
        text = f"{line.name} {figure(line.current)} {plot.unit}"
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
