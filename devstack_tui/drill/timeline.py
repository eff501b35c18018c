"""The course of a drill as a picture: an SVG file with nothing outside of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from html import escape

from devstack_tui.contracts.drill import DrillResult, Marker
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
STYLE = (
    "text{font-family:DejaVu Sans,Verdana,sans-serif;font-size:11px;fill:#222}"
    ".t{font-size:15px;font-weight:bold}.s{fill:#555}.m{stroke:#333;stroke-width:1}"
    ".f{stroke:#a01818;stroke-width:2}.g{stroke:#bbb;stroke-width:1}"
)


def svg(report: DrillReport) -> str:
    """Every repeat below the other: a lane for each shard, markers, a legend."""
    parts: list[str] = []
    top = 16.0
    for result in report.repeats:
        height, drawn = _repeat(result, top)
        parts += drawn
        top += height
    parts += _legend(top, report.repeats)
    height = math.ceil(top + LEGEND)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}">',
            f"<title>{escape(report.drill)} {escape(report.fault)} {escape(report.id)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


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
        f"write window {result.write_window_s:.3f} s, read window {result.read_window_s:.3f} s, "
        f"lost {sum(shard.lost for shard in result.shards)}"
    )
    if result.expected is not None:
        facts += f", expected {result.expected[0]:.2f} to {result.expected[1]:.2f} s"
    out = [_text(12, top + 12, title, "t"), _text(12, top + 30, facts, "s")]
    placed = list(_place(result.markers, x))
    labels = (max((level for _, level, _ in placed), default=0) + 1) * LABEL
    lanes_top = top + TITLE + labels
    bottom = lanes_top + len(result.lanes) * (LANE + GAP)
    for number, (name, lane) in enumerate(result.lanes.items()):
        y = lanes_top + number * (LANE + GAP)
        out.append(_text(12, y + 14, name))
        at = 0
        for kind, run in itertools.groupby(lane):
            length = len(list(run))
            left = x(begin + at * result.cell_ms)
            right = x(begin + (at + length) * result.cell_ms)
            out.append(
                f'<rect x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{LANE}" '
                f'fill="{COLOURS.get(kind, COLOURS["."])}"/>'
            )
            at += length
    for marker, level, text in placed:
        at_x, y = x(marker.ms), top + TITLE + (level + 0.6) * LABEL
        look = "f" if marker.kind == "fault" else "m"
        out.append(
            f'<line class="{look}" x1="{at_x:.1f}" y1="{y - 8:.1f}" x2="{at_x:.1f}" '
            f'y2="{bottom:.1f}"/>'
        )
        ends = at_x + 3 + len(text) * CHARACTER > WIDTH
        out.append(_text(at_x - 3 if ends else at_x + 3, y, text, end=ends))
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
    out = [f'<line class="g" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>']
    for number in range(math.ceil(begin / step), math.floor((begin + span) / step) + 1):
        at = left + (number * step - begin) * (right - left) / span
        out.append(f'<line class="g" x1="{at:.1f}" y1="{y:.1f}" x2="{at:.1f}" y2="{y + 4:.1f}"/>')
        out.append(_text(at - 8, y + 16, f"{number * step / 1000:g} s", "s"))
    return out


def _legend(y: float, results: Sequence[DrillResult]) -> list[str]:
    cell = results[0].cell_ms if results else 0
    out = []
    at = 12.0
    for kind, name in NAMES.items():
        out.append(
            f'<rect x="{at:.1f}" y="{y:.1f}" width="14" height="14" fill="{COLOURS[kind]}"/>'
        )
        out.append(_text(at + 20, y + 11, name))
        at += 110
    out.append(_text(at, y + 11, f"a cell is {cell} ms; times are after the fault", "s"))
    return out


def _text(x: float, y: float, text: str, look: str = "", end: bool = False) -> str:
    kind = f' class="{look}"' if look else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text{kind}{anchor} x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
