"""What the Bench pane knows: the workloads, the runs of the history, and a run's live seconds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from devstack_tui.bench.events import RunResult
from devstack_tui.bench.steadiness import of_runs
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.contracts.workload import Tick
from devstack_tui.core import codec
from devstack_tui.core.histogram import Histogram


class Workload(msgspec.Struct, frozen=True):
    """One workload of `bench list`; `reason` is why it is not available."""

    name: str
    title: str = ""
    service: str = ""
    unit: str = ""
    available: bool = True
    reason: str = ""
    sizes: tuple[str, ...] = tuple(SIZES)


class Baseline(msgspec.Struct, frozen=True):
    """What a workload's throughput was when the baseline was recorded."""

    median: float
    low: float
    high: float
    size: str = ""
    """Of its runs; those of another size are not compared with it."""


class Listing(msgspec.Struct, frozen=True):
    """The document of `bench list --json`. `runs` come newest first, without their ticks."""

    workloads: tuple[Workload, ...] = ()
    runs: tuple[msgspec.Raw, ...] = ()
    baseline: dict[str, Baseline] = {}
    notes: tuple[str, ...] = ()
    """What had to be done to read the history."""

    def results(self) -> list[RunResult]:
        """The runs, newest first; one that another version wrote otherwise is left out."""
        found = []
        for raw in self.runs:
            try:
                found.append(codec.decode(raw, RunResult))
            except ValueError:
                continue
        return found


class Comparison(msgspec.Struct, frozen=True):
    """One workload of `bench compare`: `ratio` is b ÷ a, `interval` its 95 % bounds."""

    workload: str
    a: float | None = None
    b: float | None = None
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    verdict: str = ""
    warning: str = ""


class Comparisons(msgspec.Struct, frozen=True):
    """The document of `bench compare --json`."""

    rows: tuple[Comparison, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of one workload that were made together: the run is the sample."""

    runs: tuple[RunResult, ...]
    _latency: dict[float, float | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def first(self) -> RunResult:
        """The earliest of them."""
        return self.runs[0]

    @property
    def good(self) -> tuple[RunResult, ...]:
        """Those that are measurements."""
        return tuple(run for run in self.runs if not run.problem)

    @property
    def median(self) -> float | None:
        """The median throughput."""
        return statistics.median(run.throughput for run in self.good) if self.good else None

    @property
    def spread(self) -> float | None:
        """(max - min) ÷ median, from two runs on."""
        samples = [run.throughput for run in self.good]
        middle = self.median
        return (max(samples) - min(samples)) / middle if middle and len(samples) > 1 else None

    @property
    def problem(self) -> str:
        """Why a run of them is no measurement."""
        return next((run.problem for run in self.runs if run.problem), "")

    @property
    def client_bound(self) -> bool:
        """Whether the client was the limit in any of them."""
        return any(run.client_bound for run in self.good)

    @property
    def steady(self) -> bool | None:
        """What most of them say."""
        return of_runs(run.steady for run in self.good)

    @property
    def errors(self) -> dict[str, int]:
        """Errors of all of them, by class."""
        return summed(run.errors for run in self.runs)

    def latency(self, share: float) -> float | None:
        """A percentile of all requests in ms, from the merged histograms."""
        if share not in self._latency:
            self._latency[share] = self._percentile(share)
        return self._latency[share]

    def _percentile(self, share: float) -> float | None:
        if len(self.good) == 1:
            one = self.good[0].latency_ms
            known = {0.5: one.p50, 0.95: one.p95, 0.99: one.p99}
            if share in known:
                return known[share]
        merged = Histogram()
        for run in self.good:
            merged.merge(Histogram.read(run.histogram))
        return merged.quantile(share) if merged.count else None


def summed(errors: Iterable[dict[str, int]]) -> dict[str, int]:
    """Counts by class, added up."""
    total: dict[str, int] = {}
    for counts in errors:
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def groups(runs: Iterable[RunResult], workload: str, size: str = "") -> list[Group]:
    """The runs of `workload`, oldest first; where the number does not rise, a group begins."""
    made: list[list[RunResult]] = []
    for run in sorted(runs, key=lambda r: r.started):
        if run.workload != workload or (size and run.size != size):
            continue
        last = made[-1][-1] if made else None
        if last is not None and last.size == run.size and run.run > last.run:
            made[-1].append(run)
        else:
            made.append([run])
    return [Group(tuple(group)) for group in made]


@dataclass(slots=True)
class RunSeries:
    """The seconds of a workload's runs, one after the other."""

    workload: str
    title: str = ""
    unit: str = ""
    ticks: list[tuple[float, Tick]] = field(default_factory=list)
    starts: list[tuple[float, int]] = field(default_factory=list)
    """Where each run begins, and its number."""
    _offset: float | None = None

    def begin(self, run: int) -> None:
        """A run begins after everything so far."""
        edge = self.ticks[-1][0] + 1.0 if self.ticks else 0.0
        if self.starts and self.starts[-1][0] == edge:
            self.starts.pop()
        self.starts.append((edge, run))
        self._offset = None

    def add(self, tick: Tick) -> None:
        """One second of the run that began last; of another run: that one begins here."""
        if not self.starts or self.starts[-1][1] != tick.run:
            self.begin(tick.run)
        if self._offset is None:
            # The first second of a run may be called 0 or 1: the runs follow without a gap.
            self._offset = self.starts[-1][0] - tick.second if self.ticks else 0.0
        self.ticks.append((self._offset + tick.second, tick))

    @property
    def errors(self) -> dict[str, int]:
        """Errors of the run that began last, by class."""
        start = self.starts[-1][0] if self.starts else 0.0
        return summed(tick.errors for x, tick in self.ticks if x >= start)

    @classmethod
    def of(cls, result: RunResult) -> RunSeries:
        """The series of one run of the history."""
        made = cls(result.workload, result.workload, result.unit)
        made.begin(result.run)
        for tick in result.ticks:
            made.add(tick)
        return made
