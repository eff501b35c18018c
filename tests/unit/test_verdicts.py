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
def test_ending_early_never_changes_the_verdict_and_is_for_a_decided_one(ratio: float) -> None:
    noise = random.Random(4)
    for _ in range(100):
        ratios = pairs(noise, ratio=ratio, spread=0.04, count=20)
        verdict, ended = outcome(ratios, 20)
        assert verdict == judge(ratios, MARGIN).verdict
        assert not ended or verdict != INCONCLUSIVE


def test_no_difference_is_settled_by_its_own_interval() -> None:
    assert [verdicts.settled([1.0] * count, 20, MARGIN) for count in (16, 17)] == [
        "",
        NO_DIFFERENCE,
    ]


@pytest.mark.parametrize(
    ("count", "of", "verdict"), [(17, 20, ""), (18, 20, IMPROVED), (20, 20, ""), (5, 6, "")]
)
def test_it_is_settled_from_the_pair_on_that_no_other_can_outvote(
    count: int, of: int, verdict: str
) -> None:
    assert verdicts.settled([1.2] * count, of, MARGIN) == verdict
    worse = {IMPROVED: REGRESSED, "": ""}[verdict]
    assert verdicts.settled([0.8] * count, of, MARGIN) == worse


@pytest.mark.parametrize(
    ("edge", "verdict"),
    [
        (1.0499, NO_DIFFERENCE),
        (1.05, INCONCLUSIVE),
        (1.0501, IMPROVED),
        (0.9501, NO_DIFFERENCE),
        (0.95, INCONCLUSIVE),
        (0.9499, REGRESSED),
    ],
)
def test_a_ratio_at_the_margin_is_neither_beyond_it_nor_within(edge: float, verdict: str) -> None:
    for count in (6, 7, 18):
        assert judge([edge] * count, MARGIN).verdict == verdict


@pytest.mark.parametrize(("count", "verdict"), [(4, INCONCLUSIVE), (5, NO_DIFFERENCE)])
def test_no_difference_takes_the_pairs_of_its_own_interval(count: int, verdict: str) -> None:
    assert judge([1.0] * count, MARGIN).verdict == verdict


@pytest.mark.parametrize(("count", "verdict"), [(5, INCONCLUSIVE), (6, IMPROVED), (7, IMPROVED)])
def test_an_improvement_takes_six_pairs(count: int, verdict: str) -> None:
    assert judge([1.4] * count, MARGIN).verdict == verdict


def test_the_lower_end_of_six_pairs_is_the_least_of_them() -> None:
    gains = [1.2, 1.3, 1.25, 1.22, 1.28]
    assert judge([1.0499, *gains], MARGIN).verdict == INCONCLUSIVE
    assert judge([1.0501, *gains], MARGIN).verdict == IMPROVED


def test_runs_too_short_for_a_verdict_have_none_whatever_they_show() -> None:
    found = judge([2.0] * 6, MARGIN, "smoke: too short for a verdict")
    assert (found.verdict, found.needed) == (INCONCLUSIVE, None)
    told = verdicts.sentence("a", "b", found, 6, "redis.get (smoke)")
    assert told == (
        "b is 2.00 × a on redis.get (smoke), 95 % 2.00 … 2.00, 6 pairs: "
        "INCONCLUSIVE (smoke: too short for a verdict)"
    )


# Six ratios with a spread of 6 %: of these six pairs say too little, and 18 would mostly do.
RECORDED = (0.92, 1.06, 0.95, 1.08, 1.0, 1.03)


@pytest.mark.parametrize(
    ("ratios", "most", "pairs"),
    [
        (RECORDED, 18, 18),
        (RECORDED, 8, 8),
        (RECORDED, 6, 6),
        ([1.0] * 6, 18, 6),
        ([1.4] * 6, 18, 6),
        ([0.5, 2.0, 1.0, 0.7, 1.6, 1.1], 18, 18),
    ],
)
def test_there_are_more_pairs_once_where_the_first_do_not_decide(
    ratios: Sequence[float], most: int, pairs: int
) -> None:
    assert verdicts.pairs_in_all(ratios, most, MARGIN) == pairs


def two_looks(noise: random.Random, *, ratio: float, spread: float) -> str:
    """The verdict of an A/B whose number of pairs nobody has fixed."""
    ratios = pairs(noise, ratio=ratio, spread=spread, count=6)
    more = verdicts.pairs_in_all(ratios, 18, MARGIN) - 6
    return judge([*ratios, *pairs(noise, ratio=ratio, spread=spread, count=more)], MARGIN).verdict


@pytest.mark.parametrize("spread", [0.01, 0.02, 0.03, 0.04])
def test_the_same_against_itself_is_no_difference_fifteen_times_out_of_twenty(
    spread: float,
) -> None:
    noise = random.Random(6)
    found = Counter(two_looks(noise, ratio=1.0, spread=spread) for _ in range(TRIALS))
    assert found[IMPROVED] + found[REGRESSED] == 0
    # In 20 A/Bs at least 15 of them, in 99 of 100 twenties.
    assert found[NO_DIFFERENCE] >= 0.9 * TRIALS


@pytest.mark.parametrize("spread", [0.02, 0.04, 0.06])
def test_a_second_look_keeps_the_error_at_the_margin_as_small_as_is_said(spread: float) -> None:
    noise = random.Random(8)
    for ratio, wrong in ((1.05, IMPROVED), (0.95, REGRESSED)):
        found = Counter(two_looks(noise, ratio=ratio, spread=spread) for _ in range(TRIALS))
        sigma = math.sqrt(TRIALS)
        assert found[wrong] <= 0.04 * TRIALS + 0.6 * sigma
        assert found[NO_DIFFERENCE] <= 0.08 * TRIALS + 0.6 * sigma


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
