"""The report's charts: SVG elements to stand inside a page, coloured by the page's variables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from devstack_tui.report.model import Counts, Interval, Series

WIDTH = 720.0
LEFT = 64.0
RIGHT = 84.0
ROW = 22.0
LABEL = 190.0
SPACE = 13.0
BARS = 110.0
"""Heights in pixels."""
LINES = 90.0
PERCENTILES = ("p50", "p95", "p99")


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    """`title` is what a reader hears who does not see it."""
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH:.0f} {math.ceil(height)}" '
        f'width="{WIDTH:.0f}" height="{math.ceil(height)}"><title>{escape(title)}</title>'
        + "".join(parts)
        + "</svg>"
    )


def series_chart(name: str, series: Series) -> str:
    """Throughput as a bar for each second, its percentiles of latency as lines below."""
    count = max(len(series.throughput), 1)
    step = (WIDTH - LEFT - RIGHT) / count
    top = max(series.throughput, default=0.0) or 1.0
    parts = [_text(0, 12, f"throughput ({series.unit})")]
    base = 20 + BARS
    for second, value in enumerate(series.throughput):
        height = BARS * max(value, 0.0) / top
        parts.append(
            f'<rect class="bar" x="{LEFT + second * step:.1f}" y="{base - height:.1f}" '
            f'width="{max(step - 1, 0.5):.1f}" height="{height:.1f}">'
            f"<title>second {second + 1}: {value:,.0f} {escape(series.unit)}</title></rect>"
        )
    parts += _scale(20, base, 0.0, top)
    parts += _lines(series, step, base + 30)
    end = base + 30 + LINES
    for second in _ticks(count):
        parts.append(_text(LEFT + (second - 0.5) * step, end + 16, f"{second} s", "middle"))
    return _svg(end + 22, f"{name}, second by second", parts)


def _lines(series: Series, step: float, top: float) -> Iterator[str]:
    found = {name: getattr(series, name) for name in PERCENTILES}
    values = [value for line in found.values() for value in line if value is not None]
    if not values:
        return
    highest = max(values) or 1.0
    base = top + LINES
    yield _text(0, top - 6, "latency (ms)")
    labels: list[float] = []
    for name, line in found.items():
        y = base
        for run in _runs(line):
            points = []
            for second, value in run:
                y = base - LINES * value / highest
                points.append(f"{LEFT + (second + 0.5) * step:.1f},{y:.1f}")
            if len(points) == 1:
                x, _, height = points[0].partition(",")
                yield f'<circle class="dot {name}" cx="{x}" cy="{height}" r="2"/>'
            yield f'<polyline class="line {name}" points="{" ".join(points)}"/>'
        if any(value is not None for value in line):
            # Lines that end close together have their names one above the other.
            while any(abs(y - other) < SPACE for other in labels):
                y -= SPACE
            labels.append(y)
            yield _text(WIDTH - RIGHT + 8, y + 4, name)
    yield from _scale(top, base, 0.0, highest)


def _runs(line: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Stretches without a gap: a second in which nothing was answered is not bridged."""
    run: list[tuple[int, float]] = []
    for second, value in enumerate(line):
        if value is not None:
            run.append((second, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _scale(top: float, base: float, low: float, high: float) -> list[str]:
    return [
        f'<line class="axis" x1="{LEFT:.0f}" y1="{base:.1f}" x2="{WIDTH - RIGHT:.0f}" '
        f'y2="{base:.1f}"/>',
        _text(LEFT - 6, top + 8, _figure(high), "end"),
        _text(LEFT - 6, base, _figure(low), "end"),
    ]


def _ticks(count: int) -> list[int]:
    step = next((size for size in (1, 2, 5, 10, 20, 30, 60) if count / size <= 12), 300)
    return [second for second in range(1, count + 1) if second == 1 or second % step == 0]


def interval_chart(rows: Sequence[tuple[str, str, Interval]]) -> str:
    """A row for each A/B (name, verdict, interval): the ratio, its bounds, every pair, the margin.

    Equal sides are the middle line; the scale is logarithmic, so that × 2 and × ½ are as far.
    """
    values = [
        value
        for _, _, one in rows
        for value in (one.ratio, one.low, one.high, *one.pairs, 1 + one.margin)
        if value is not None and value > 0
    ]
    reach = max((abs(math.log(value)) for value in values), default=0.0) * 1.1 or 0.1
    wide = WIDTH - RIGHT - 12

    def x(ratio: float) -> float:
        return 12 + (wide - 12) * (math.log(ratio) + reach) / (2 * reach)

    equal = x(1.0)
    parts = []
    top = 4.0
    for name, verdict, one in rows:
        middle = top + 34
        parts.append(
            f'<line class="axis" x1="{equal:.1f}" y1="{top + 18:.1f}" x2="{equal:.1f}" '
            f'y2="{top + 52:.1f}"/>'
        )
        parts.append(_text(12, top + 12, f"{name} · {verdict}"))
        if one.margin > 0:
            left, right = x(1 / (1 + one.margin)), x(1 + one.margin)
            parts.append(
                f'<rect class="margin" x="{left:.1f}" y="{top + 20:.1f}" '
                f'width="{right - left:.1f}" height="28"/>'
            )
        parts += [
            f'<line class="pair" x1="{x(ratio):.1f}" y1="{middle + 6:.1f}" x2="{x(ratio):.1f}" '
            f'y2="{middle + 13:.1f}"/>'
            for ratio in one.pairs
            if ratio > 0
        ]
        if one.low and one.high and one.low > 0:
            low, high = x(one.low), x(one.high)
            parts.append(
                f'<path class="bounds" d="M{low:.1f} {middle - 5:.1f}V{middle + 5:.1f}'
                f"M{low:.1f} {middle:.1f}H{high:.1f}"
                f'M{high:.1f} {middle - 5:.1f}V{middle + 5:.1f}"/>'
            )
        if one.ratio > 0:
            parts.append(f'<circle class="dot" cx="{x(one.ratio):.1f}" cy="{middle:.1f}" r="4"/>')
            parts.append(_text(wide + 12, middle + 4, f"× {one.ratio:.3f}"))
        top += 56
    parts.append(_text(equal, top + 14, "equal", "middle"))
    low, high = math.exp(-reach), math.exp(reach)
    parts.append(_text(12, top + 14, f"× {low:.2f} (B is slower)"))
    parts.append(_text(wide, top + 14, f"× {high:.2f} (B is faster)", "end"))
    return _svg(top + 20, "A/B: ratios with their intervals", parts)


def status_chart(rows: Sequence[Counts]) -> str:
    """A bar for each suite, its parts by the status of its checks; the proven ones as a line."""
    most = max((row.total for row in rows), default=0) or 1
    wide = WIDTH - LABEL - RIGHT
    parts = []
    for place, row in enumerate(rows):
        y = place * ROW + 2
        parts.append(_text(LABEL - 8, y + 13, row.suite, "end"))
        at = LABEL
        for status, count in row.by_status.items():
            width = wide * count / most
            parts.append(
                f'<rect class="status {status_class(status)}" x="{at:.1f}" y="{y:.1f}" '
                f'width="{max(width - 1, 0.5):.1f}" height="16">'
                f"<title>{escape(row.suite)}: {count:,} {escape(status)}</title></rect>"
            )
            at += width
        if row.proven:
            parts.append(
                f'<rect class="proven" x="{LABEL:.1f}" y="{y + 14:.1f}" '
                f'width="{wide * row.proven / most:.1f}" height="3">'
                f"<title>{row.proven:,} proven</title></rect>"
            )
        parts.append(_text(at + 6, y + 13, f"{row.total:,}"))
    return _svg(len(rows) * ROW + 4, "Checks by suite and status", parts)


def status_class(status: str) -> str:
    """`status-not-run`: letters, digits and dashes only, whatever the status is."""
    return "status-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in status.lower())


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{end}>{escape(text)}</text>'
