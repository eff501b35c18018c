"""How even a run was: its dispersion second by second, and whether it reached a steady state.

The rule: a straight line through the seconds (Theil and Sen's median of all slopes, with the exact
interval that Kendall's rank correlation gives it) says by how much the throughput changed from the
first second to the last. The run is steady when the 95 % interval of that drift lies within
±10 %, not steady when all of it lies beyond, and undecided otherwise: five noisy seconds
can show a warm-up, but seldom that there was none. Fewer than five cannot bound a drift at all.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from devstack_tui.core import stats

DRIFT = 0.10
MOST_POINTS = 60
"""Longer runs are averaged to at most so many points: all pairs of them are looked at."""


class Steadiness(msgspec.Struct, frozen=True):
    """`dispersion` is the standard deviation of the seconds ÷ their mean; `drift` the change from
    the first to the last second ÷ the median, `interval` its 95 % bounds; None where there are too
    few seconds. `steady` is None while it is undecided."""

    dispersion: float | None = None
    drift: float | None = None
    interval: tuple[float, float] | None = None
    steady: bool | None = None


def steadiness(seconds: Sequence[float]) -> Steadiness:
    """Of the throughput in each whole second of a run."""
    mean = statistics.fmean(seconds) if seconds else 0.0
    if len(seconds) < 2 or mean <= 0:
        return Steadiness()
    dispersion = statistics.stdev(seconds) / mean
    points = _averaged(seconds)
    middle = statistics.median(points)
    slope = stats.slope(points)
    if middle <= 0 or slope is None:
        return Steadiness(dispersion)
    drift, *ends = (one * (len(points) - 1) / middle for one in slope)
    interval = (ends[0], ends[1])
    return Steadiness(dispersion, drift, interval, decide(interval))


def decide(interval: tuple[float, float]) -> bool | None:
    """Whether a run whose drift lies in `interval` was steady; None while that is open."""
    low, high = interval
    if low >= -DRIFT and high <= DRIFT:
        return True
    return False if low > DRIFT or high < -DRIFT else None


def of_runs(runs: Iterable[bool | None]) -> bool | None:
    """Of several runs: what more than half of them say, for then their median says it."""
    found = list(runs)
    for answer in (True, False):
        if found.count(answer) * 2 > len(found):
            return answer
    return None


def _averaged(seconds: Sequence[float]) -> list[float]:
    size = -(-len(seconds) // MOST_POINTS)
    whole = len(seconds) - len(seconds) % size
    return [statistics.fmean(seconds[at : at + size]) for at in range(0, whole, size)]
