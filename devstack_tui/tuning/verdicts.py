"""What paired runs say: IMPROVED, REGRESSED, NO DIFFERENCE, or INCONCLUSIVE.

With the margin m: IMPROVED if the 95 % interval of the ratio lies above 1 + m, REGRESSED if it
lies below 1 - m, NO DIFFERENCE if the 90 % interval lies between the two (two one-sided tests at
5 %), else INCONCLUSIVE. The number of pairs is fixed before the first run. A comparison ends early
only when its verdict is settled, which is when no outcome of the pairs to come could change it:
so that looking after each pair adds no error to those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from devstack_tui.core import stats
from devstack_tui.core.stats import Estimate

IMPROVED = "IMPROVED"
REGRESSED = "REGRESSED"
NO_DIFFERENCE = "NO DIFFERENCE"
INCONCLUSIVE = "INCONCLUSIVE"
EXIT = {IMPROVED: 0, NO_DIFFERENCE: 0, REGRESSED: 1, INCONCLUSIVE: 4}
NARROW = 0.90
MOST_PAIRS = 200
_FAR = 1e9
"""A ratio beyond all that a run can give."""


class PairsVerdict(msgspec.Struct, frozen=True):
    """The verdict on some pairs. `needed` is about how many pairs would decide it, None when they
    do or when no reasonable number would."""

    verdict: str
    estimate: Estimate
    needed: int | None = None


def judge(ratios: Sequence[float], margin: float) -> PairsVerdict:
    """The verdict on the ratios B ÷ A of one or more pairs."""
    wide, narrow = stats.paired(ratios), stats.paired(ratios, NARROW)
    if _above(wide.low, 1 + margin):
        verdict = IMPROVED
    elif _below(wide.high, 1 - margin):
        verdict = REGRESSED
    elif _above(narrow.low, 1 - margin) and _below(narrow.high, 1 + margin):
        verdict = NO_DIFFERENCE
    else:
        return PairsVerdict(
            INCONCLUSIVE, wide, needed_pairs(wide.ratio, stats.spread(ratios), margin)
        )
    return PairsVerdict(verdict, wide)


def settled(ratios: Sequence[float], pairs: int, margin: float) -> str:
    """The verdict that `pairs` pairs will surely have, whatever those to come show; empty while
    it is open. Who asks for fewer pairs than can bound anything wants the runs, not a verdict."""
    left = pairs - len(ratios)
    if left <= 0 or not ratios or pairs < stats.fewest_pairs(NARROW):
        return ""
    best, worst = [*ratios, *[_FAR] * left], [*ratios, *[1 / _FAR] * left]
    if _above(stats.paired(worst).low, 1 + margin):
        return IMPROVED
    if _below(stats.paired(best).high, 1 - margin):
        return REGRESSED
    # The ends of an interval grow with every one of its values: these are their extremes.
    improved = _above(stats.paired(best).low, 1 + margin)
    regressed = _below(stats.paired(worst).high, 1 - margin)
    same = _above(stats.paired(best, NARROW).low, 1 - margin) and _below(
        stats.paired(worst, NARROW).high, 1 + margin
    )
    return "" if improved or regressed or same else INCONCLUSIVE


def detectable(spread: float | None, pairs: int, margin: float) -> float | None:
    """The smallest gain (0.12: 12 %) that this many pairs call IMPROVED four times out of five, if
    ratios spread so; None when the spread is unknown or so few pairs bound nothing."""
    reach = stats.reach(pairs)
    if spread is None or reach is None:
        return None
    return (1 + margin) * math.exp(reach * spread) - 1


def needed_pairs(ratio: float, spread: float | None, margin: float) -> int | None:
    """About how many pairs would decide, if ratio and spread stay what they are."""
    if spread is None:
        return stats.fewest_pairs()
    at = math.log(ratio)
    low, high = math.log(1 - margin), math.log(1 + margin)
    outside = max(at - high, low - at)
    for pairs in range(stats.fewest_pairs(), MOST_PAIRS + 1):
        wide = stats.reach(pairs)
        # Both ends of the narrow one must hold at once: each one nine times out of ten.
        narrow = stats.reach(pairs, NARROW, 0.9)
        assert wide is not None
        assert narrow is not None
        if wide * spread <= outside or narrow * spread <= -outside:
            return pairs
    return None


def sentence(a: str, b: str, judged: PairsVerdict, pairs: int) -> str:
    """`optimized is 1.42 × baseline, 95 % 1.38 … 1.46, 6 pairs: IMPROVED`."""
    found = judged.estimate
    head = f"{b} is {found.ratio:.2f} × {a}"
    count = f"{pairs} pair" + ("" if pairs == 1 else "s")
    if found.low is None or found.high is None:
        least = stats.fewest_pairs(found.confidence)
        middle = f"no interval from {count} ({least} bound it at 95 %)"
    else:
        middle = f"95 % {found.low:.2f} … {found.high:.2f}, {count}"
    tail = judged.verdict
    if judged.verdict == INCONCLUSIVE:
        tail += (
            f", about {judged.needed} pairs would decide"
            if judged.needed
            else f", not even {MOST_PAIRS} pairs would decide"
        )
    return f"{head}, {middle}: {tail}"


def _above(low: float | None, bound: float) -> bool:
    return low is not None and low > bound


def _below(high: float | None, bound: float) -> bool:
    return high is not None and high < bound
