"""What paired runs say: IMPROVED, REGRESSED, NO DIFFERENCE, or INCONCLUSIVE.

With the margin m: IMPROVED if the 95 % interval of the ratio lies above 1 + m, REGRESSED if it
lies below 1 - m, NO DIFFERENCE if the 90 % interval lies between the two (two one-sided tests at
5 %), else INCONCLUSIVE. So m is the bound of NO DIFFERENCE: what it says is that the ratio is
nearer to 1 than m, which is wrong once in twenty times where the ratio is m itself.

How many pairs there are is fixed before the first run, never below what an interval takes, and is
raised at most once, where those do not decide: to the number with which their spread would show NO
DIFFERENCE nine times out of ten (`pairs_in_all`). The ratio itself has no part in that number. The
second look adds its error to the first one's: a ratio on the margin is called beyond it in 4 % at
most, not in 2.5 %, and NO DIFFERENCE in 8 %; one of 1 was called neither IMPROVED nor REGRESSED in
thousands of trials.

A comparison ends early only when it is decided, and no outcome of the pairs to come could change
that: so looking after each pair adds no error.
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
    do or when no reasonable number would. `reason` is why no number of such runs could."""

    verdict: str
    estimate: Estimate
    needed: int | None = None
    reason: str = ""


def judge(ratios: Sequence[float], margin: float, too_short: str = "") -> PairsVerdict:
    """The verdict on the ratios B ÷ A of one or more pairs; none whatever they are where the runs
    were `too_short` for one, in words."""
    wide, narrow = stats.paired(ratios), stats.paired(ratios, NARROW)
    if too_short:
        return PairsVerdict(INCONCLUSIVE, wide, reason=too_short)
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
    """The verdict that `pairs` pairs will surely have, whatever those to come show, once so many
    have come that they have an interval of their own; empty while it is open."""
    left = pairs - len(ratios)
    if left <= 0 or len(ratios) < stats.fewest_pairs():
        return ""
    # The ends of an interval grow with every one of its values: these are their extremes.
    best, worst = [*ratios, *[_FAR] * left], [*ratios, *[1 / _FAR] * left]
    if _above(stats.paired(worst).low, 1 + margin):
        return IMPROVED
    if _below(stats.paired(best).high, 1 - margin):
        return REGRESSED
    least, most = stats.paired(worst, NARROW).low, stats.paired(best, NARROW).high
    same = _above(least, 1 - margin) and _below(most, 1 + margin)
    return NO_DIFFERENCE if same else ""


def pairs_in_all(ratios: Sequence[float], most: int, margin: float) -> int:
    """How many pairs there shall be, of `most` at most, once those that were fixed are there: as
    many, where they decide. An even number, so that A is as often the first as B."""
    if len(ratios) >= most or judge(ratios, margin).verdict != INCONCLUSIVE:
        return len(ratios)
    wanted = needed_pairs(1.0, stats.spread(ratios), margin) or most
    wanted = max(wanted, len(ratios) + 2)
    return min(wanted + wanted % 2, most)


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


def sentence(a: str, b: str, judged: PairsVerdict, pairs: int, workload: str = "") -> str:
    """`optimized is 1.42 × baseline on redis.get, 95 % 1.38 … 1.46, 6 pairs: IMPROVED`: of no
    other workload anything is said."""
    found = judged.estimate
    head = f"{b} is {found.ratio:.2f} × {a}" + (f" on {workload}" if workload else "")
    count = f"{pairs} pair" + ("" if pairs == 1 else "s")
    if found.low is None or found.high is None:
        least = stats.fewest_pairs(found.confidence)
        middle = f"no interval from {count} ({least} bound it at 95 %)"
    else:
        middle = f"95 % {found.low:.2f} … {found.high:.2f}, {count}"
    tail = judged.verdict
    if judged.reason:
        tail += f" ({judged.reason})"
    elif judged.verdict == INCONCLUSIVE:
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
