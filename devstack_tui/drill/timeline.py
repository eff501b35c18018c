"""The course of a drill as a picture: an SVG file with nothing outside of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from devstack_tui.contracts.drill import DrillResult, Marker
from devstack_tui.core import svg as draw
from devstack_tui.core.units import counted, measured
from devstack_tui.drill.events import DrillReport

WIDTH = 1200
LEFT = 150
RIGHT = 30
LANE = 20
GAP = 6
TITLE = 52
LABEL = 15
LEVELS = 8
"""How many rows the labels of markers may use."""
AXIS = 34
LEGEND = 30
CHARACTER = 6.6
"""Of the labels' font, pixels: wide enough that no two labels touch."""
COLOURS = {"o": "#4c9f70", "x": "#c8553d", ".": "#d9d9d9"}
NAMES = {"o": "answered", "x": "error", ".": "silent"}
FONT: dict[str, draw.Value] = {"font_family": "DejaVu Sans,Verdana,sans-serif", "font_size": 11}
TITLES: dict[str, draw.Value] = {"font_size": 15, "font_weight": "bold"}
QUIET = "#555"
GREY = "#bbb"


def svg(report: DrillReport) -> str:
    """Every repeat below the other: a lane for each shard, markers, a legend."""
    parts: list[str] = []
    top = 16.0
    for result in report.repeats:
        height, drawn = _repeat(result, top)
        parts += drawn
        top += height
    parts += _legend(top, report.repeats)
    ground = draw.rect(0, 0, WIDTH, top + LEGEND, fill="#fff")
    title = f"{report.drill} {report.fault} {report.id}"
    return draw.document(WIDTH, top + LEGEND, [ground, *parts], title, fill="#222", **FONT) + "\n"


def _repeat(result: DrillResult, top: float) -> tuple[float, list[str]]:
    """One repeat from `top` on: its height in pixels and its elements."""
    cells = max((len(lane) for lane in result.lanes.values()), default=0)
    begin = result.lanes_from_ms
    span = max(cells * result.cell_ms, 1.0)
    wide = (WIDTH - LEFT - RIGHT) / span

    def x(ms: float) -> float:
        return LEFT + (min(max(ms, begin), begin + span) - begin) * wide

    title = (
        f"{result.drill} · {result.fault} · {result.victim} · repeat {result.repeat} · "
        f"{result.verdict}"
    )
    facts = (
        f"write window {measured(result.write_window_s)}, read window "
        f"{measured(result.read_window_s)}, lost {counted(result.lost)}"
    )
    if result.expected is not None:
        facts += f", expected {result.expected[0]:.2f} to {result.expected[1]:.2f} s"
    out = [draw.text(12, top + 12, title, **TITLES), draw.text(12, top + 30, facts, fill=QUIET)]
    placed = list(_place(result.markers, x))
    labels = (max((level for _, level, _ in placed), default=0) + 1) * LABEL
    lanes_top = top + TITLE + labels
    bottom = lanes_top + len(result.lanes) * (LANE + GAP)
    for number, (name, lane) in enumerate(result.lanes.items()):
        y = lanes_top + number * (LANE + GAP)
        out.append(draw.text(12, y + 14, name))
        at = 0
        for kind, run in itertools.groupby(lane):
            length = len(list(run))
            left = x(begin + at * result.cell_ms)
            right = x(begin + (at + length) * result.cell_ms)
            colour = COLOURS.get(kind, COLOURS["."])
            out.append(draw.rect(left, y, right - left, LANE, fill=colour))
            at += length
    for marker, level, text in placed:
        at_x, y = x(marker.ms), top + TITLE + (level + 0.6) * LABEL
        colour, width = ("#a01818", 2) if marker.kind == "fault" else ("#333", 1)
        out.append(draw.line((at_x, y - 8), (at_x, bottom), stroke=colour, stroke_width=width))
        ends = at_x + 3 + len(text) * CHARACTER > WIDTH
        anchor = "end" if ends else "start"
        out.append(draw.text(at_x - 3 if ends else at_x + 3, y, text, text_anchor=anchor))
    out += _axis(begin, span, x(begin), x(begin + span), bottom)
    return bottom + AXIS - top, out


def _place(markers: Sequence[Marker], x: object) -> Iterator[tuple[Marker, int, str]]:
    """Each marker with a row for its label in which no other label is in the way."""
    assert callable(x)
    ends = [0.0] * LEVELS
    for marker in sorted(markers, key=lambda one: one.ms):
        text = f"{marker.kind} {marker.node}".strip() + f" {marker.ms / 1000:+.2f} s"
        left = x(marker.ms)
        level = next((n for n, end in enumerate(ends) if end <= left), LEVELS - 1)
        ends[level] = left + 8 + len(text) * CHARACTER
        yield marker, level, text


def _axis(begin: float, span: float, left: float, right: float, y: float) -> list[str]:
    step = next((s for s in (100, 200, 500, 1000, 2000, 5000, 10000) if span / s <= 16), 30000)
    out = [draw.line((left, y), (right, y), stroke=GREY)]
    for number in range(math.ceil(begin / step), math.floor((begin + span) / step) + 1):
        at = left + (number * step - begin) * (right - left) / span
        out.append(draw.line((at, y), (at, y + 4), stroke=GREY))
        out.append(draw.text(at - 8, y + 16, f"{number * step / 1000:g} s", fill=QUIET))
    return out


def _legend(y: float, results: Sequence[DrillResult]) -> list[str]:
    cell = results[0].cell_ms if results else 0
    out = []
    at = 12.0
    for kind, name in NAMES.items():
        out.append(draw.rect(at, y, 14, 14, fill=COLOURS[kind]))
        out.append(draw.text(at + 20, y + 11, name))
        at += 110
    text = f"a cell is {cell} ms; times are after the fault"
    out.append(draw.text(at, y + 11, text, fill=QUIET))
    return out
