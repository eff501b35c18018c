"""The report's charts: SVG elements to stand inside a page, coloured by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from devstack_tui.core import plot, plot_svg, svg
from devstack_tui.report.model import Counts, Interval, Series

WIDTH = 720.0
RIGHT = 84.0
ROW = 22.0
LABEL = 190.0
"""Of the page's charts, pixels."""
SERIES = 200
PERCENTILES = ("p50", "p95", "p99")


def _chart(height: float, title: str, parts: Sequence[str]) -> str:
    return svg.document(WIDTH, height, parts, title, look="chart", role="img")


def series_chart(name: str, series: Series) -> str:
    """Throughput second by second, and the percentiles of its latency below."""
    lines = [_line(part, getattr(series, part)) for part in PERCENTILES]
    late = tuple(line for line in lines if line.current is not None)
    plots = [
        plot.Plot("throughput", series.unit, (_line("throughput", series.throughput),)),
        plot.Plot("latency", "ms", late),
    ]
    shown = [one for one in plots if one.series]
    return plot_svg.svg(shown, f"{name}, second by second", "chart", SERIES)


def _line(name: str, values: Sequence[float | None]) -> plot.Series:
    points = tuple((float(second), value) for second, value in enumerate(values, 1))
    return plot.Series(name, name, points)


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
        parts.append(svg.line((equal, top + 18), (equal, top + 52), look="axis"))
        parts.append(svg.text(12, top + 12, f"{name} · {verdict}"))
        if one.margin > 0:
            left, right = x(1 / (1 + one.margin)), x(1 + one.margin)
            parts.append(svg.rect(left, top + 20, right - left, 28, look="margin"))
        for ratio in (x(pair) for pair in one.pairs if pair > 0):
            parts.append(svg.line((ratio, middle + 6), (ratio, middle + 13), look="pair"))
        if one.low and one.high and one.low > 0:
            low, high = x(one.low), x(one.high)
            parts.append(svg.line((low, middle), (high, middle), look="bounds"))
            for end in (low, high):
                parts.append(svg.line((end, middle - 5), (end, middle + 5), look="bounds"))
        if one.ratio > 0:
            parts.append(svg.circle(x(one.ratio), middle, 4, look="dot"))
            parts.append(svg.text(wide + 12, middle + 4, f"× {one.ratio:.3f}"))
        top += 56
    parts.append(svg.text(equal, top + 14, "equal", text_anchor="middle"))
    low, high = math.exp(-reach), math.exp(reach)
    parts.append(svg.text(12, top + 14, f"× {low:.2f} (B is slower)"))
    parts.append(svg.text(wide, top + 14, f"× {high:.2f} (B is faster)", text_anchor="end"))
    return _chart(top + 20, "A/B: ratios with their intervals", parts)


def status_chart(rows: Sequence[Counts]) -> str:
    """A bar for each suite, its parts by the status of its checks; the proven ones as a line."""
    scale = (WIDTH - LABEL - RIGHT) / (max((row.total for row in rows), default=0) or 1)
    parts = []
    for place, row in enumerate(rows):
        y = place * ROW + 2
        parts.append(svg.text(LABEL - 8, y + 13, row.suite, text_anchor="end"))
        at = LABEL
        for status, count in row.by_status.items():
            width, look = max(scale * count - 1, 0.5), f"status {status_class(status)}"
            parts.append(svg.rect(at, y, width, 16, f"{row.suite}: {count:,} {status}", look=look))
            at += scale * count
        if row.proven:
            title = f"{row.proven:,} broken themselves, and seen red"
            parts.append(svg.rect(LABEL, y + 14, scale * row.proven, 3, title, look="proven"))
        parts.append(svg.text(at + 6, y + 13, f"{row.total:,}"))
    return _chart(len(rows) * ROW + 4, "Checks by suite and status", parts)


def status_class(status: str) -> str:
    """`status-not-run`: letters, digits and dashes only, whatever the status is."""
    return "status-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in status.lower())
