"""The paired chart of an A/B: a line for each pair with both values, their ratio on an axis, and
the interval of all pairs so far as it narrows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.ink import ink
from devstack_tui.console.widgets.time_chart import signs_only
from devstack_tui.core.plot import figure
from devstack_tui.present.looks import BAD, GOOD, KEY, LOOKS, QUIET, WARN
from devstack_tui.present.text import BLANK, plain
from devstack_tui.tuning.events import AbPair

_LEFT = 32
"""The cells of pair, A, B and ratio."""
_LEAST_AXIS = 16
_LEGEND = "● this pair   ├─◆─┤ all pairs so far, 95 %   ░ no difference"


@dataclass(frozen=True, slots=True)
class PairsChartData:
    """What the chart shows; `count` says of the pairs how many are to come, or were made."""

    title: str
    a: str
    b: str
    unit: str
    margin: float
    pairs: tuple[AbPair, ...] = ()
    count: str = ""
    empty: str = ""


@dataclass(frozen=True, slots=True)
class RatioAxis:
    """Ratios on a logarithmic axis, so that ×2 and ×0.5 are equally far from 1."""

    low: float
    high: float
    width: int

    def column(self, ratio: float) -> int:
        """Where `ratio` is; what lies outside is put on the edge."""
        low, high = math.log(self.low), math.log(self.high)
        share = (math.log(max(ratio, 1e-6)) - low) / (high - low)
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)


def axis_of(pairs: Sequence[AbPair], margin: float, width: int) -> RatioAxis:
    """All that is drawn fits on it, 1 and the margin included; the first pairs' intervals, which
    are very wide, may reach beyond."""
    values = [pair.ratio for pair in pairs] + [1 - 2 * margin, 1 + 2 * margin]
    if pairs:
        values += [end for end in (pairs[-1].low, pairs[-1].high) if end is not None]
    positive = [value for value in values if value > 0]
    low, high = min(positive), max(positive)
    room = (high / low) ** 0.04
    return RatioAxis(low / room, high * room, width)


class PairChart(VerticalScroll):
    """Equal content is not drawn again."""

    def __init__(self, plain_signs: bool | None = None) -> None:
        super().__init__(id="tuning-pairs", classes="chart")
        self.plain = signs_only() if plain_signs is None else plain_signs
        self.frames = 0
        self._shown: PairsChartData | None = None

    def compose(self) -> ComposeResult:
        yield _Sheet()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._recolour)

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def show(self, paired: PairsChartData) -> None:
        """Show `paired` from now on."""
        if paired == self._shown:
            return
        grown = self._shown is not None and len(paired.pairs) > len(self._shown.pairs)
        self._shown = paired
        self.border_title = Content(plain(paired.title)).markup
        self._draw()
        if grown:
            self.scroll_end(animate=False)

    def _recolour(self, _theme: object) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if self._shown is None or not width:
            return
        self.frames += 1
        sheet = self.query_one(_Sheet)
        looks = {look: ink(sheet, look) for look in (GOOD, WARN, BAD, KEY, QUIET)} | {"": Style()}
        lines = chart_lines(self._shown, width)
        if self.plain:
            lines = [[(_ascii(text), look) for text, look in line] for line in lines]
        made = [Text.assemble(*((text, looks[look]) for text, look in line)) for line in lines]
        sheet.update(Text("\n", no_wrap=True).join(made))


class _Sheet(Static):
    COMPONENT_CLASSES = LOOKS


Line = list[tuple[str, str]]


def chart_lines(paired: PairsChartData, width: int) -> list[Line]:
    """The chart as texts and their looks."""
    room = max(width - _LEFT, _LEAST_AXIS)
    axis = axis_of(paired.pairs, paired.margin, room)
    lines: list[Line] = [
        [(f"A {plain(paired.a)} · B {plain(paired.b)} · {plain(paired.unit)}", KEY)],
        [(f"{'PAIR':<6}{'A':>8}{'B':>8}{'B ÷ A':>8}  ", QUIET), (_scale(axis), QUIET)],
    ]
    for pair in paired.pairs:
        head = f"{pair.pair:<6}{figure(pair.a):>8}{figure(pair.b):>8}{f'×{pair.ratio:.2f}':>8}  "
        lines.append([(head, ""), *_marks(pair, axis, paired.margin)])
    if not paired.pairs:
        lines.append([(paired.empty, QUIET)])
    else:
        lines.append(_total(paired.pairs[-1], paired.margin))
    if paired.pairs and (count := paired.count):
        lines.append([(count, QUIET)])
    lines.append([(_LEGEND, QUIET)])
    return lines


def bounds_text(pair: AbPair) -> str:
    """`1.38 to 1.44`; an end that so few pairs do not bound is left open."""
    low = f"{pair.low:.2f}" if pair.low is not None else "?"
    high = f"{pair.high:.2f}" if pair.high is not None else "?"
    return f"{low} to {high}" if pair.low is not None or pair.high is not None else BLANK


def _total(last: AbPair, margin: float) -> Line:
    look = ""
    if last.low is not None and last.low > 1 + margin:
        look = GOOD
    elif last.high is not None and last.high < 1 - margin:
        look = BAD
    text = f"{'all':<6}{'':>16}{f'×{last.estimate:.2f}':>8}  95 % interval {bounds_text(last)}"
    if last.low is None or last.high is None:
        text += " · six pairs bound it"
    return [(text, look or KEY)]


def _marks(pair: AbPair, axis: RatioAxis, margin: float) -> Line:
    """One row of the axis: the margin, the interval so far, this pair's own ratio."""
    cells = [(" ", QUIET)] * axis.width
    for column in range(axis.column(1 - margin), axis.column(1 + margin) + 1):
        cells[column] = ("░", QUIET)
    cells[axis.column(1.0)] = ("┊", QUIET)
    if pair.low is not None and pair.high is not None:
        left, right = axis.column(pair.low), axis.column(pair.high)
        for column in range(left, right + 1):
            cells[column] = ("─", WARN)
        cells[left] = ("├" if pair.low >= axis.low else "◂", WARN)
        cells[right] = ("┤" if pair.high <= axis.high else "▸", WARN)
    cells[axis.column(pair.estimate)] = ("◆", WARN)
    cells[axis.column(pair.ratio)] = ("●", KEY)
    return cells


def _scale(axis: RatioAxis) -> str:
    """Round ratios where they are."""
    text = [" "] * axis.width
    span = axis.high / axis.low
    step = next((s for s in (0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0) if span - 1 < s * 7), 10.0)
    end = 0
    value = math.ceil(axis.low / step) * step
    while value <= axis.high:
        label = f"{value:.2f}"
        start = min(max(axis.column(value) - len(label) // 2, 0), axis.width - len(label))
        if start >= end:
            text[start : start + len(label)] = label
            end = start + len(label) + 1
        value += step
    return "".join(text)


def _ascii(text: str) -> str:
    return text.translate(_SIGNS)


_SIGNS = str.maketrans("●├─◆┤░┊◂▸×÷·", "o|-#|.|<>x/-")
