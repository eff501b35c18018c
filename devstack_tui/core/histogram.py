"""A latency histogram that can be merged: percentiles are never averaged, and off by 1 % at most.

Buckets grow geometrically, so that the error is relative: the estimate of a bucket is its middle,
at most 1 % from every value in it. Counts of two histograms are added bucket by bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

ERROR = 0.01
_GAMMA = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA = math.log(_GAMMA)
SMALLEST_MS = 1e-6
"""One nanosecond: what is faster counts as this."""


class Buckets(msgspec.Struct, frozen=True):
    """A histogram as it is written down. Milliseconds; `counts` by bucket number."""

    counts: dict[int, int] = {}
    total: float = 0.0
    smallest: float = 0.0
    largest: float = 0.0


class Histogram:
    """Latencies in milliseconds. `total` is their exact sum, `largest` the exact maximum."""

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.smallest = math.inf
        self.largest = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Histogram:
        """The histogram of some values."""
        made = cls()
        for value in values:
            made.add(value)
        return made

    def add(self, ms: float, times: int = 1) -> None:
        """Count a latency `times` times. Raises `ValueError` for one that is no latency."""
        if not 0 <= ms < math.inf:
            raise ValueError(f"{ms} is no latency")
        bucket = math.ceil(math.log(max(ms, SMALLEST_MS)) / _LOG_GAMMA)
        self._counts[bucket] = self._counts.get(bucket, 0) + times
        self.count += times
        self.total += ms * times
        self.smallest = min(self.smallest, ms)
        self.largest = max(self.largest, ms)

    def merge(self, other: Histogram) -> None:
        """Add all of `other`."""
        for bucket, times in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + times
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)

    @property
    def mean(self) -> float:
        """The exact mean. Raises `ValueError` for an empty histogram."""
        if not self.count:
            raise ValueError("an empty histogram has no mean")
        return self.total / self.count

    def quantile(self, share: float) -> float:
        """The value below which `share` (0 to 1) of the latencies lie, by nearest rank.

        Raises `ValueError` for an empty histogram.
        """
        if not self.count:
            raise ValueError("an empty histogram has no quantiles")
        rank = max(1, math.ceil(share * self.count))
        if rank >= self.count:
            return self.largest
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                middle = 2 * _GAMMA**bucket / (_GAMMA + 1)
                return min(max(middle, self.smallest), self.largest)
        return self.largest

    def buckets(self) -> Buckets:
        """For writing down."""
        smallest = self.smallest if self.count else 0.0
        return Buckets(dict(sorted(self._counts.items())), self.total, smallest, self.largest)

    @classmethod
    def read(cls, written: Buckets) -> Histogram:
        """What `buckets` wrote."""
        made = cls()
        made._counts = dict(written.counts)
        made.count = sum(written.counts.values())
        made.total = written.total
        made.smallest = written.smallest if made.count else math.inf
        made.largest = written.largest
        return made
