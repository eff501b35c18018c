"""Statistics for few, noisy runs: exact, rank-based, and able to say that they cannot tell.

The run is the sample, never the second. Everything works on ratios: the inputs are throughputs.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
import statistics
from collections.abc import Iterable, Sequence

import msgspec

CONFIDENCE = 0.95
POWER = 0.8
"""How often a change that is said to be detectable is detected."""
_TRIALS = 1000
_TRIED_PAIRS = 16
"""Up to here the reach is found by trying; beyond, it falls with the root of the pairs."""


class Estimate(msgspec.Struct, frozen=True):
    """A ratio and its interval. An end that the number of runs cannot bound is None."""

    ratio: float
    low: float | None
    high: float | None
    confidence: float


@functools.cache
def _rank_sum_counts(first: int, second: int) -> tuple[int, ...]:
    """How many of all orders of two samples give each value of the Mann-Whitney U statistic."""
    ways = [[[0] * (first * second + 1) for _ in range(second + 1)] for _ in range(first + 1)]
    for n in range(first + 1):
        for m in range(second + 1):
            if n == 0 or m == 0:
                ways[n][m][0] = 1
                continue
            for u in range(n * m + 1):
                ways[n][m][u] = (ways[n - 1][m][u - m] if u >= m else 0) + (
                    ways[n][m - 1][u] if u <= n * (m - 1) else 0
                )
    return tuple(ways[first][second])


@functools.cache
def _signed_rank_counts(pairs: int) -> tuple[int, ...]:
    """How many of the 2^n signs give each value of the signed-rank statistic."""
    counts = [1]
    for rank in range(1, pairs + 1):
        longer = counts + [0] * rank
        for value, ways in enumerate(counts):
            longer[value + rank] += ways
        counts = longer
    return tuple(counts)


def _cut(counts: Sequence[int], confidence: float) -> int | None:
    """How many values may be cut off each end; None when even cutting none is too much."""
    tail = (1 - confidence) / 2 * sum(counts)
    seen = 0
    for value, ways in enumerate(counts):
        seen += ways
        if seen > tail:
            return value - 1 if value else None
    return None


def compare(
    before: Sequence[float], after: Sequence[float], confidence: float = CONFIDENCE
) -> Estimate:
    """The ratio after ÷ before of two independent sets of runs.

    Hodges-Lehmann on logarithms with the exact Mann-Whitney interval. Fewer than four runs on
    each side cannot bound anything at 95 %. Raises `ValueError` for a run that is not above 0.
    """
    differences = sorted(math.log(a) - math.log(b) for a in after for b in before)
    if not differences:
        raise ValueError("nothing to compare")
    cut = _cut(_rank_sum_counts(len(before), len(after)), confidence)
    return _estimate(differences, cut, confidence)


def paired(ratios: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The typical one of paired ratios: Hodges-Lehmann with the exact signed-rank interval.

    Fewer than six pairs cannot bound anything at 95 %.
    """
    logs = [math.log(ratio) for ratio in ratios]
    walsh = sorted((a + b) / 2 for i, a in enumerate(logs) for b in logs[i:])
    if not walsh:
        raise ValueError("nothing to compare")
    return _estimate(walsh, _cut(_signed_rank_counts(len(logs)), confidence), confidence)


def _estimate(ordered: Sequence[float], cut: int | None, confidence: float) -> Estimate:
    ratio = math.exp(statistics.median(ordered))
    if cut is None:
        return Estimate(ratio, None, None, confidence)
    return Estimate(ratio, math.exp(ordered[cut]), math.exp(ordered[-1 - cut]), confidence)


@functools.cache
def _inversion_counts(points: int) -> tuple[int, ...]:
    """How many orders of so many points give each value of Kendall's statistic."""
    counts = [1]
    for already in range(1, points):
        below = [0, *itertools.accumulate(counts)]
        last = len(counts)
        counts = [
            below[min(value + 1, last)] - below[max(0, value - already)]
            for value in range(last + already)
        ]
    return tuple(counts)


def slope(
    values: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float, float] | None:
    """The slope of a line through evenly spaced values, and its interval; None where so few values
    cannot bound it: five can at 95 %.

    Theil and Sen's median of the slopes of all pairs, with the exact interval by Kendall's rank
    correlation: a single value far off moves neither.
    """
    slopes = sorted(
        (after - before) / (to - at)
        for at, before in enumerate(values)
        for to, after in enumerate(values[at + 1 :], at + 1)
    )
    cut = _cut(_inversion_counts(len(values)), confidence) if slopes else None
    if cut is None:
        return None
    return statistics.median(slopes), slopes[cut], slopes[-1 - cut]


def samples_for_upper_bound(share: float, confidence: float = CONFIDENCE) -> int:
    """How many samples an upper bound on a quantile needs: 59 for p95, 299 for p99, at 95 %."""
    return math.ceil(math.log(1 - confidence) / math.log(share))


def fewest_pairs(confidence: float = CONFIDENCE) -> int:
    """How many pairs can bound a ratio on both sides at all: six at 95 %."""
    return math.ceil(math.log2(2 / (1 - confidence)))


def spread(ratios: Sequence[float]) -> float | None:
    """The standard deviation of the logarithms of ratios, None of fewer than two."""
    if len(ratios) < 2:
        return None
    return statistics.stdev(math.log(ratio) for ratio in ratios)


def pooled_spread(sets: Iterable[Sequence[float]]) -> float | None:
    """The spread of ratios within several sets, each around its own middle; None without one of
    two or more."""
    squares, freedom = 0.0, 0
    for ratios in sets:
        if (found := spread(ratios)) is not None:
            squares += found**2 * (len(ratios) - 1)
            freedom += len(ratios) - 1
    return math.sqrt(squares / freedom) if freedom else None


@functools.cache
def reach(pairs: int, confidence: float = CONFIDENCE, power: float = POWER) -> float | None:
    """How many spreads away from a bound the true ratio must be for the interval of `paired` to
    clear the bound with this power; None where so few pairs bound nothing.

    Found by trying the estimator itself on normal noise, always the same: at six pairs it is far
    from what the normal approximation says.
    """
    if pairs < fewest_pairs(confidence):
        return None
    if pairs > _TRIED_PAIRS:
        tried = reach(_TRIED_PAIRS, confidence, power)
        return tried * math.sqrt(_TRIED_PAIRS / pairs) if tried is not None else None
    noise = random.Random(pairs)  # noqa: S311 - no secret: the same trials every time
    lows = []
    for _ in range(_TRIALS):
        found = paired([math.exp(noise.gauss(0, 1)) for _ in range(pairs)], confidence)
        assert found.low is not None
        lows.append(math.log(found.low))
    return -sorted(lows)[int((1 - power) * _TRIALS)]
