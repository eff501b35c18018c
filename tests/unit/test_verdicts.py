"""What paired runs say, and how often that is wrong."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from devstack_tui.core import stats
from devstack_tui.tuning import verdicts
from devstack_tui.tuning.verdicts import (
    EXIT,
    IMPROVED,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    REGRESSED,
    PairsVerdict,
    judge,
)

MARGIN = 0.05
TRIALS = 500


def pairs(noise: random.Random, *, ratio: float, spread: float, count: int) -> list[float]:
    return [ratio * math.exp(noise.gauss(0, spread)) for _ in range(count)]


def outcome(ratios: Sequence[float], planned: int) -> tuple[str, bool]:
    """The verdict as an A/B comes to it, ended early where it is settled; and whether it was."""
    for count in range(1, planned):
        if verdict := verdicts.settled(ratios[:count], planned, MARGIN):
            return verdict, True
    return judge(ratios, MARGIN).verdict, False


def test_six_pairs_that_all_gain_more_than_the_margin_are_an_improvement() -> None:
    found = judge([1.38, 1.40, 1.41, 1.42, 1.44, 1.46], MARGIN)
    assert found.verdict == IMPROVED
    assert (found.estimate.low, found.estimate.high) == pytest.approx((1.38, 1.46))


def test_six_pairs_that_all_lose_more_than_the_margin_are_a_regression() -> None:
    assert judge([0.80, 0.82, 0.79, 0.85, 0.81, 0.83], MARGIN).verdict == REGRESSED


def test_ratios_close_to_one_are_no_difference() -> None:
    assert judge([0.99, 1.01, 1.0, 1.02, 0.98, 1.0], MARGIN).verdict == NO_DIFFERENCE


def test_a_gain_within_the_margin_is_never_called_an_improvement() -> None:
    assert judge([1.04] * 20, MARGIN).verdict == NO_DIFFERENCE


def test_scattered_ratios_are_inconclusive_and_say_how_many_pairs_would_decide() -> None:
    found = judge([1.05, 1.35, 1.1, 1.3, 1.0, 1.2], MARGIN)
    assert found.verdict == INCONCLUSIVE
    assert found.needed is not None
    assert found.needed > 6


def test_five_pairs_cannot_be_an_improvement_however_large() -> None:
    assert judge([2.0, 2.1, 2.2, 2.3, 2.4], MARGIN).verdict == INCONCLUSIVE


def test_a_ratio_on_the_bound_is_decided_by_no_number_of_pairs() -> None:
    assert verdicts.needed_pairs(1.05, 0.05, MARGIN) is None


def test_each_verdict_has_the_exit_code_of_the_contract() -> None:
    assert EXIT == {IMPROVED: 0, NO_DIFFERENCE: 0, REGRESSED: 1, INCONCLUSIVE: 4}


@pytest.mark.parametrize("spread", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("count", [6, 10])
def test_the_same_against_itself_is_called_different_less_than_once_in_twenty(
    spread: float, count: int
) -> None:
    noise = random.Random(1)
    found = Counter(
        outcome(pairs(noise, ratio=1.0, spread=spread, count=count), count)[0]
        for _ in range(TRIALS)
    )
    assert found[IMPROVED] + found[REGRESSED] <= 0.05 * TRIALS


@pytest.mark.parametrize(("ratio", "wrong"), [(1.05, IMPROVED), (0.95, REGRESSED)])
def test_a_ratio_on_the_margin_is_called_beyond_it_at_most_once_in_forty(
    ratio: float, wrong: str
) -> None:
    noise = random.Random(2)
    found = Counter(
        outcome(pairs(noise, ratio=ratio, spread=0.03, count=8), 8)[0] for _ in range(TRIALS)
    )
    assert found[wrong] <= 0.025 * TRIALS + 8


def test_a_ratio_on_the_margin_is_called_no_difference_at_most_once_in_twenty() -> None:
    noise = random.Random(3)
    found = Counter(
        outcome(pairs(noise, ratio=1.05, spread=0.03, count=8), 8)[0] for _ in range(TRIALS)
    )
    assert found[NO_DIFFERENCE] <= 0.05 * TRIALS + 15


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.05, 1.1, 1.3])
def test_ending_early_never_changes_the_verdict(ratio: float) -> None:
    noise = random.Random(4)
    early = 0
    for _ in range(100):
        ratios = pairs(noise, ratio=ratio, spread=0.08, count=7)
        verdict, ended = outcome(ratios, 7)
        early += ended
        assert verdict == judge(ratios, MARGIN).verdict
    assert early or ratio == 1.3


def test_two_pairs_are_both_run_although_they_can_decide_nothing() -> None:
    assert not verdicts.settled([1.5], 2, MARGIN)


def test_what_is_said_to_be_detectable_is_detected_four_times_out_of_five() -> None:
    spread, count = 0.04, 8
    gain = verdicts.detectable(spread, count, MARGIN)
    assert gain is not None
    noise = random.Random(5)
    found = Counter(
        judge(pairs(noise, ratio=1 + gain, spread=spread, count=count), MARGIN).verdict
        for _ in range(TRIALS)
    )
    assert found[IMPROVED] / TRIALS == pytest.approx(0.8, abs=0.05)


def test_without_a_spread_or_with_too_few_pairs_nothing_is_said_to_be_detectable() -> None:
    assert verdicts.detectable(None, 8, MARGIN) is None
    assert verdicts.detectable(0.04, 5, MARGIN) is None


def test_more_pairs_reach_further() -> None:
    reaches = [stats.reach(count) for count in (6, 8, 12, 24, 48)]
    assert reaches == sorted(reaches, key=lambda one: -(one or 0))
    assert stats.reach(5) is None


def test_the_sentence_has_ratio_interval_pairs_and_verdict() -> None:
    found = judge([1.38, 1.40, 1.41, 1.42, 1.44, 1.46], MARGIN)
    told = verdicts.sentence("baseline", "optimized", found, 6)
    assert told == "optimized is 1.42 × baseline, 95 % 1.38 … 1.46, 6 pairs: IMPROVED"


def test_the_sentence_of_too_few_pairs_says_that_there_is_no_interval() -> None:
    found: PairsVerdict = judge([1.5], MARGIN)
    told = verdicts.sentence("a", "b", found, 1)
    assert "no interval from 1 pair (6 bound it at 95 %): INCONCLUSIVE" in told
