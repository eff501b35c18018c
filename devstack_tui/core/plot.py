"""What a chart shows, and the scales it is drawn on. Nothing here knows of a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float | None]
"""x and y; without a y there is nothing, and the line has a gap."""

LINEAR, ZOOM, LOG = SCALES = ("linear", "zoom", "log")
"""From zero; from the least to the greatest value; logarithmic."""
LEAST_SPAN = 10.0
_HIGHS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LOWS = (1.0, 2.0, 5.0)
_STEPS = {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0}
_SECONDS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Series:
    """A line: `look` is its component class, `points` ascend in x."""

    name: str
    look: str
    points: tuple[Point, ...]

    @property
    def current(self) -> float | None:
        """The last value."""
        return next((y for _, y in reversed(self.points) if y is not None), None)


@dataclass(frozen=True, slots=True)
class Band:
    """A horizontal band, such as the baseline from its lowest to its highest run."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line at `x` with a short text; a line of values does not cross a `breaks` one."""

    x: float
    text: str = ""
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart. `gap` is the step in x beyond which a line is broken; `scale` that of y.

    x is in seconds, or counts `names` (from 0), which then stand below the axis.
    """

    title: str = ""
    unit: str = ""
    series: tuple[Series, ...] = ()
    band: Band | None = None
    marks: tuple[Mark, ...] = ()
    scale: str = LINEAR
    gap: float = 1.5
    names: tuple[str, ...] = ()
    empty: str = ""

    @property
    def values(self) -> list[float]:
        """Every value that can be drawn."""
        found = [y for line in self.series for _, y in line.points if y is not None]
        return [y for y in found if math.isfinite(y) and (y > 0 or self.scale != LOG)]

    def x_axis(self) -> Axis:
        """From the start to the last value, at least `LEAST_SPAN` seconds."""
        places = [line.points[-1][0] for line in self.series if line.points]
        if self.names:
            return Axis(0.0, max(len(self.names) - 1.0, 1.0))
        return Axis(0.0, max([LEAST_SPAN, *places, *(mark.x for mark in self.marks)]))

    def y_axis(self) -> Axis:
        """All values and the band fit on it."""
        values = self.values
        if self.band is not None:
            values += [y for y in (self.band.low, self.band.high) if y > 0]
        least, most = min(values, default=1.0), max(values, default=1.0)
        if self.scale == LINEAR:
            return Axis(0.0, nice(most * 1.02) if most > 0 else 1.0)
        if self.scale == ZOOM:
            step = nice(max((most - least) / 4, most * 1e-3, 1e-6))
            return Axis(math.floor(least / step) * step, (math.floor(most / step) + 1) * step)
        low, high = nice(least, up=False), nice(most)
        return Axis(low, high if high > low else low * 10, log=True)

    def segments(self, line: Series) -> Iterator[list[tuple[float, float]]]:
        """The pieces of `line` between its gaps and the marks that break it."""
        breaks = [mark.x for mark in self.marks if mark.breaks]
        piece: list[tuple[float, float]] = []
        for x, y in line.points:
            drawn = y is not None and math.isfinite(y) and (y > 0 or self.scale != LOG)
            if piece and (not drawn or self._apart(piece[-1][0], x, breaks)):
                yield piece
                piece = []
            if drawn and y is not None:
                piece.append((x, y))
        if piece:
            yield piece

    def _apart(self, before: float, x: float, breaks: list[float]) -> bool:
        wide = not self.names and x - before > self.gap
        return wide or any(before < edge <= x for edge in breaks)


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from `low` to `high`."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` is, 0 at `low` and 1 at `high`; what lies outside is put on the edge."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            value = math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self, most: int) -> list[float]:
        """At most `most` round values, ascending."""
        if most < 1:
            return []
        if self.log:
            return self._log_ticks(most)
        # Equal parts of the whole, as many as make a round step.
        for parts in range(max(most - 1, 1), 0, -1):
            step = (self.high - self.low) / parts
            if parts == 1 or _mantissa(step) in _STEPS:
                return [self.low + step * number for number in range(parts + 1)]
        return []

    def seconds(self, most: int) -> list[float]:
        """At most `most` round times, ascending, the start first."""
        span = self.high - self.low
        step = next((s for s in _SECONDS if span / s <= most - 1), math.ceil(span))
        return [self.low + step * number for number in range(int(span / step + 1e-9) + 1)]

    def _log_ticks(self, most: int) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            made = [s * 10.0**power for power in range(first, last + 1) for s in steps]
            inside = [v for v in made if self.low * 0.999 <= v <= self.high * 1.001]
            if len(inside) <= most:
                return inside
        every = math.ceil(len(inside) / most)
        return inside[::every]


def nice(value: float, up: bool = True) -> float:
    """The next round value above `value`, or of the row 1, 2, 5 below it."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value) + 1e-12)
    share = value / power
    if up:
        return next((step for step in _HIGHS if step >= share - 1e-9), 10.0) * power
    return next(step for step in reversed(_LOWS) if step <= share + 1e-9) * power


def _mantissa(value: float) -> float:
    return round(value / 10.0 ** math.floor(math.log10(value) + 1e-12), 6)


def figure(value: float | None) -> str:
    """At most three digits and a unit: `0.42`, `48.1`, `4.81k`, `120k`, `1.20M`."""
    if value is None:
        return "–"
    size, unit = _unit(value)
    return f"{_three(value / size)}{unit}"


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Round values without needless zeros: `0 0.5 1`, `0 2.5k 5k`; ticks differ in their texts."""
    return [_tick_text(tick, _decimals(ticks, tick)) for tick in ticks]


def _decimals(ticks: Sequence[float], tick: float) -> int:
    size = _unit(tick)[0]
    step = min((b - a for a, b in pairwise(ticks) if b > a), default=1.0) / size
    return next((n for n in range(6) if abs(round(step, n) - step) < step * 0.01), 6)


def _tick_text(value: float, decimals: int) -> str:
    size, unit = _unit(value)
    text = f"{value / size:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit


def _unit(value: float) -> tuple[float, str]:
    units = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    return next(((size, unit) for size, unit in units if abs(value) >= size * 0.9995), (1.0, ""))


def seconds_text(value: float) -> str:
    """`45 s`, `2:30`."""
    whole = round(value)
    return f"{whole} s" if whole < 120 else f"{whole // 60}:{whole % 60:02}"


def _three(value: float) -> str:
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.0995 else f"{value:.3f}"
