"""Exact rank statistics: what few runs can say, and what they cannot."""

from __future__ import annotations

import itertools
import random

import pytest

from devstack_tui.core import stats


def test_three_against_three_cannot_bound_a_ratio_at_95_percent() -> None:
    found = stats.compare([100, 101, 102], [50, 51, 52])
    assert found.ratio == pytest.approx(0.505, abs=0.01)
    assert (found.low, found.high) == (None, None)


def test_four_against_four_bound_it_by_the_extremes() -> None:
    before, after = [100.0, 102, 104, 106], [90.0, 92, 94, 96]
    found = stats.compare(before, after)
    assert found.low == pytest.approx(90 / 106)
    assert found.high == pytest.approx(96 / 100)


def test_the_counts_are_those_of_all_orders() -> None:
    counts: dict[int, int] = {}
    for first in itertools.combinations(range(7), 3):
        second = [n for n in range(7) if n not in first]
        u = sum(a > b for a in first for b in second)
        counts[u] = counts.get(u, 0) + 1
    assert stats._rank_sum_counts(3, 4) == tuple(counts[u] for u in sorted(counts))


def test_the_signed_rank_counts_are_those_of_all_signs() -> None:
    counts: dict[int, int] = {}
    for signs in itertools.product((0, 1), repeat=5):
        w = sum(rank * sign for rank, sign in enumerate(signs, 1))
        counts[w] = counts.get(w, 0) + 1
    assert stats._signed_rank_counts(5) == tuple(counts[w] for w in sorted(counts))


def test_six_pairs_are_bounded_by_their_extremes_and_five_by_nothing() -> None:
    six = [1.10, 1.12, 1.14, 1.16, 1.18, 1.20]
    found = stats.paired(six)
    assert found.low == pytest.approx(1.10)
    assert found.high == pytest.approx(1.20)
    assert stats.paired(six[:5]).low is None


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(7)
    covered = 0
    for _ in range(1000):
        before = [chance.lognormvariate(0, 0.1) for _ in range(5)]
        after = [chance.lognormvariate(0, 0.1) for _ in range(5)]
        found = stats.compare(before, after)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1 <= found.high
    assert covered >= 950


@pytest.mark.parametrize(("share", "needed"), [(0.95, 59), (0.99, 299)])
def test_how_many_samples_a_bound_on_a_quantile_needs(share: float, needed: int) -> None:
    assert stats.samples_for_upper_bound(share) == needed
    assert 1 - share**needed >= 0.95 > 1 - share ** (needed - 1)


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        stats.compare([], [])
    with pytest.raises(ValueError):
        stats.compare([0.0], [1.0])
