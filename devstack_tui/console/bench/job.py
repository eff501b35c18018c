"""Benchmarks and the regression gate as jobs: one runs, the others wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from devstack_tui.bench.events import (
    BenchDone,
    BenchEvent,
    BenchPlanned,
    RegressDone,
    RunEnded,
    RunResult,
    RunStarted,
)
from devstack_tui.console.bench.model import Comparisons, Listing, RunSeries
from devstack_tui.console.pane_jobs import Jobs, PaneJob, ask
from devstack_tui.contracts import sizes
from devstack_tui.contracts.workload import Tick
from devstack_tui.jobs.files import JobStarted

RECORD = "bench record"


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What is to be run; without workloads it is the regression gate. With `record` what is
    measured is kept as this host's baseline, in as many runs as that takes."""

    workloads: tuple[str, ...]
    size: str
    runs: int = 1
    record: bool = False
    outlives: ClassVar[bool] = False

    @classmethod
    def of(cls, started: JobStarted) -> BenchRequest:
        """The benchmark that a job was started with."""
        words = started.words
        if started.verb == "regress":
            return cls((), sizes.of_words(words))
        if started.verb == RECORD:
            *workloads, _, size = words
            return cls(tuple(workloads), size, record=True)
        *workloads, _, size, _, runs = words
        return cls(tuple(workloads), size, int(runs))

    @property
    def gate(self) -> bool:
        """Whether it is the regression gate."""
        return not self.workloads

    @property
    def verb(self) -> str:
        """`regress`, `bench record` or `bench run`."""
        return "regress" if self.gate else RECORD if self.record else "bench run"

    @property
    def words(self) -> tuple[str, ...]:
        """The command line behind the verb."""
        if self.gate:
            return sizes.words(self.size)
        if self.record:
            return (*self.workloads, "--size", self.size)
        return (*self.workloads, "--size", self.size, "--runs", str(self.runs))

    @property
    def title(self) -> str:
        """`regression gate, quick` or `4 workloads, quick, 3 runs each`."""
        if self.gate:
            return f"regression gate, {self.size}"
        count = len(self.workloads)
        what = self.workloads[0] if count == 1 else f"{count} workloads"
        if self.record:
            return f"baseline of {what}, {self.size}"
        each = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{what}, {self.size}, {each}{' each' if count > 1 else ''}"


@dataclass(slots=True)
class BenchJob(PaneJob[BenchRequest]):
    """One benchmark: what its events so far amount to."""

    planned: BenchPlanned | None = None
    current: RunStarted | None = None
    phase_since: float = 0.0
    all_series: dict[str, RunSeries] = field(default_factory=dict)
    results: list[RunResult] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    """Workloads that have no result, and why."""
    EVENTS: ClassVar[Any] = BenchEvent | RegressDone

    @property
    def gate(self) -> RegressDone | None:
        """The end of a regression gate."""
        return self.done if isinstance(self.done, RegressDone) else None

    @property
    def series(self) -> RunSeries | None:
        """The seconds of the workload that runs, or ran last."""
        return self.all_series.get(self.current.workload) if self.current else None

    @property
    def errors(self) -> dict[str, int]:
        """Errors of the current run, by class."""
        return self.series.errors if self.series else {}

    def fold(self, event: BenchEvent | RegressDone, now: float) -> bool:
        """Fold one event in; another second of the same run need not be shown at once."""
        match event:
            case BenchPlanned():
                self.planned = event
            case RunStarted():
                self.current, self.phase_since = event, now
                series = self.all_series.setdefault(event.workload, RunSeries(event.workload))
                series.title, series.unit = event.title, event.unit
                if event.phase == "running":
                    series.begin(event.run)
            case Tick():
                series = self.all_series.setdefault(event.workload, RunSeries(event.workload))
                series.add(event)
                return len(series.ticks) == 1
            case RunEnded():
                self.results.append(event.result)
            case BenchDone() | RegressDone():
                self.done = event
                self._find_problems()
        return True

    def _find_problems(self) -> None:
        if isinstance(self.done, BenchDone):
            measured = {result.workload for result in self.results}
            for summary in self.done.summaries:
                if summary.problem and summary.workload not in measured:
                    self.problems[summary.workload] = summary.problem


class BenchJobs(Jobs[BenchRequest, BenchJob]):
    """The benchmarks of this console, and what is known of others."""

    REQUEST, JOB = BenchRequest, BenchJob
    VERBS = frozenset({"bench run", RECORD, "regress"})
    QUEUES = True
    all_series: dict[str, RunSeries]
    """The last seconds of every workload since the console opened."""
    results: dict[str, RunResult]
    """Every run that is known, by its id: of the history and of this session."""
    listing = Listing()

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.all_series, self.results = {}, {}

    def keep(self, job: BenchJob) -> None:
        """Keep its seconds and results."""
        self.all_series.update(job.all_series)
        self.results.update({result.id: result for result in job.results})

    def forget(self) -> None:
        """No run of it, and no workload that it allows."""
        super().forget()
        self.all_series, self.results, self.listing = {}, {}, Listing()

    async def load(self) -> None:
        """Read the workloads, the history and the baseline. Errors: `DevstackError`."""
        self.listing = await ask(self.cli, Listing, "bench", "list")
        for result in self.listing.results():
            self.results.setdefault(result.id, result)

    async def show(self, run: str) -> RunResult:
        """A run with its seconds. Errors: `DevstackError`."""
        return await ask(self.cli, RunResult, "bench", "show", run)

    async def compare(self, a: str, b: str, force: bool = False) -> Comparisons:
        """Two runs, or a run and a baseline; of another machine only with `force`.

        Errors: `DevstackError` with what differs.
        """
        forced = ("--force",) if force else ()
        return await ask(self.cli, Comparisons, "bench", "compare", a, b, *forced)

    async def export(self, run: str, form: str) -> bytes:
        """A run as `json` or `csv`. Errors: `DevstackError`."""
        return await self.cli.ask("bench", "export", run, "--format", form) + b"\n"
