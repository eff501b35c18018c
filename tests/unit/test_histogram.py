"""The latency histogram: off by 1 % at most, and the whole is the sum of its parts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec
import pytest

from devstack_tui.core.histogram import ERROR, Buckets, Histogram

SHARES = (0.0, 0.001, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
SHAPES: dict[str, Callable[[random.Random], float]] = {
    "exponential": lambda rng: rng.expovariate(1 / 3),
    "log-normal": lambda rng: rng.lognormvariate(0, 2),
    "two humps": lambda rng: rng.gauss(1, 0.05) if rng.random() < 0.9 else rng.gauss(80, 4),
    "even": lambda rng: rng.uniform(0.001, 50),
    "nanoseconds to hours": lambda rng: 10 ** rng.uniform(-6, 7),
}


def data(shape: str, count: int, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [abs(SHAPES[shape](rng)) for _ in range(count)]


def exact(values: list[float], share: float) -> float:
    """By nearest rank, as the field defines it."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 2, 59, 5000])
def test_every_percentile_is_within_one_percent_of_the_exact_one(shape: str, count: int) -> None:
    values = data(shape, count, seed=count)
    histogram = Histogram.of(values)
    for share in SHARES:
        assert histogram.quantile(share) == pytest.approx(
            exact(values, share), rel=ERROR + 1e-9, abs=1e-6
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_merged_parts_equal_the_whole(shape: str) -> None:
    values = data(shape, 3000, seed=7)
    whole = Histogram.of(values)
    merged = Histogram()
    for start in range(0, len(values), 170):
        merged.merge(Histogram.of(values[start : start + 170]))
    assert merged.count == whole.count == 3000
    assert merged.total == pytest.approx(whole.total)
    assert merged.buckets().counts == whole.buckets().counts
    assert [merged.quantile(share) for share in SHARES] == [
        whole.quantile(share) for share in SHARES
    ]


def test_merging_an_empty_histogram_changes_nothing() -> None:
    histogram = Histogram.of([1.0, 2.0])
    before = histogram.buckets()
    histogram.merge(Histogram())
    assert histogram.buckets() == before


def test_merging_into_an_empty_histogram_copies_it() -> None:
    source, made = Histogram.of([1.0, 2.0]), Histogram()
    made.merge(source)
    made.add(3.0)
    assert (source.count, made.count) == (2, 3)


@pytest.mark.parametrize("values", [[], [0.0], [0.4], data("log-normal", 500, seed=1)])
def test_what_is_written_down_reads_the_same(values: list[float]) -> None:
    histogram = Histogram.of(values)
    wire = msgspec.json.encode(histogram.buckets())
    again = Histogram.read(msgspec.json.decode(wire, type=Buckets))
    assert again.buckets() == histogram.buckets()
    assert again.count == histogram.count
    if values:
        assert [again.quantile(share) for share in SHARES] == [
            histogram.quantile(share) for share in SHARES
        ]


def test_a_histogram_that_was_read_goes_on_counting() -> None:
    again = Histogram.read(Histogram().buckets())
    again.add(5.0)
    assert (again.smallest, again.largest, again.quantile(0.5)) == (5.0, 5.0, 5.0)


def test_the_maximum_the_mean_and_the_sum_are_exact() -> None:
    values = data("exponential", 1000, seed=3)
    histogram = Histogram.of(values)
    assert histogram.largest == histogram.quantile(1.0) == max(values)
    assert histogram.smallest == min(values)
    assert histogram.mean == pytest.approx(sum(values) / 1000)


def test_the_highest_rank_is_the_maximum_also_when_its_bucket_is_wider() -> None:
    """Of 10 values the p95 and the p99 are the largest one."""
    histogram = Histogram.of([1.0] * 9 + [77.7])
    assert histogram.quantile(0.95) == histogram.quantile(0.99) == 77.7


def test_a_latency_can_be_counted_many_times_at_once() -> None:
    once, often = Histogram(), Histogram()
    once.add(2.5, 1000)
    for _ in range(1000):
        often.add(2.5)
    assert once.buckets() == often.buckets()


@pytest.mark.parametrize("value", [-0.001, math.nan, math.inf, -math.inf])
def test_what_is_no_latency_is_refused_and_not_counted(value: float) -> None:
    histogram = Histogram()
    with pytest.raises(ValueError, match="no latency"):
        histogram.add(value)
    assert histogram.count == 0


def test_an_empty_histogram_has_no_percentile_and_no_mean() -> None:
    with pytest.raises(ValueError, match="no quantiles"):
        Histogram().quantile(0.5)
    with pytest.raises(ValueError, match="no mean"):
        _ = Histogram().mean


def test_millions_of_latencies_need_few_buckets() -> None:
    """A day from a microsecond to an hour fits into a thousand or so numbers."""
    histogram = Histogram.of(data("nanoseconds to hours", 20000, seed=2))
    assert len(histogram.buckets().counts) < 1600
