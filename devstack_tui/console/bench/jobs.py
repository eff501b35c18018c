"""Benchmarks and the regression gate as children of the console: one runs, the others wait.

Every child ends with our end of its standard input, and takes its data away first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack_tui.bench.events import BenchDone, BenchPlanned, RunEnded, RunResult, RunStarted
from devstack_tui.bench.events import Tick as Second
from devstack_tui.bench.events import decode as decode_event
from devstack_tui.console.bench.model import Comparisons, Course, Listing, RegressDone
from devstack_tui.core import codec
from devstack_tui.core.children import Child, Cli, refusal
from devstack_tui.core.errors import DevstackError

GRACE_S = 10.0
"""How long a benchmark may take to remove its data before it is asked, then made, to end."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run; without workloads it is the regression gate."""

    workloads: tuple[str, ...]
    size: str
    runs: int = 1

    @property
    def gate(self) -> bool:
        """Whether it is the regression gate."""
        return not self.workloads

    @property
    def words(self) -> tuple[str, ...]:
        """The command line."""
        control = ("--jsonl", "--controlled")
        if self.gate:
            return ("regress", *(("--quick",) if self.size == "quick" else ()), *control)
        sizes = ("--size", self.size, "--runs", str(self.runs))
        return ("bench", "run", *self.workloads, *sizes, *control)

    @property
    def title(self) -> str:
        """`regression gate, quick` or `4 workloads, quick, 3 runs each`."""
        if self.gate:
            return f"regression gate, {self.size}"
        count = len(self.workloads)
        what = self.workloads[0] if count == 1 else f"{count} workloads"
        each = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{what}, {self.size}, {each}{' each' if count > 1 else ''}"


@dataclass(slots=True)
class BenchJob:
    """One child: what its events have told so far."""

    request: Request
    started_at: float
    planned: BenchPlanned | None = None
    current: RunStarted | None = None
    phase_since: float = 0.0
    courses: dict[str, Course] = field(default_factory=dict)
    results: list[RunResult] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    """Workloads that have no result, and why."""
    done: BenchDone | None = None
    gate: RegressDone | None = None
    error: DevstackError | None = None
    stopping: bool = False
    ended_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether its child still runs."""
        return self.ended_at is None

    @property
    def course(self) -> Course | None:
        """The course of the workload that runs, or ran last."""
        return self.courses.get(self.current.workload) if self.current else None

    @property
    def errors(self) -> dict[str, int]:
        """Errors of the current run, by class."""
        return self.course.errors if self.course else {}

    def elapsed(self, now: float) -> float:
        """Seconds since it was started, until `now` or until its end."""
        return max((self.ended_at or now) - self.started_at, 0.0)

    def take(self, line: bytes, now: float) -> bool:
        """Fold one line in. Returns whether it is more than another second of the same run."""
        if (refused := refusal(line)) is not None:
            self.error = refused
            return True
        try:
            event = decode_event(line)
        except ValueError:
            return self._take_gate(line)
        match event:
            case BenchPlanned():
                self.planned = event
            case RunStarted():
                self.current, self.phase_since = event, now
                course = self.courses.setdefault(event.workload, Course(event.workload))
                course.title, course.unit = event.title, event.unit
                if event.phase == "running":
                    course.begin(event.run)
            case Second():
                course = self.courses.setdefault(event.workload, Course(event.workload))
                course.add(event)
                return len(course.ticks) == 1
            case RunEnded():
                self.results.append(event.result)
            case BenchDone():
                self.done = event
                self._take_done(event)
        return True

    def _take_done(self, done: BenchDone) -> None:
        measured = {result.workload for result in self.results}
        for summary in done.summaries:
            if summary.problem and summary.workload not in measured:
                self.problems[summary.workload] = summary.problem

    def _take_gate(self, line: bytes) -> bool:
        try:
            self.gate = codec.decode(line, RegressDone)
        except ValueError:
            return False
        return True


class BenchJobs:
    """The one place that runs benchmarks. `on_change` is called in the loop after each news."""

    def __init__(self, cli: Cli, now: Callable[[], float] = time.time) -> None:
        self.on_change: Callable[[BenchJob | None, bool], None] = lambda job, urgent: None
        self.current: BenchJob | None = None
        self.queue: list[Request] = []
        self.courses: dict[str, Course] = {}
        """The last course of every workload since the console opened."""
        self.results: dict[str, RunResult] = {}
        """Every run that is known, by its id: of the history and of this session."""
        self.listing = Listing()
        self._cli = cli
        self._now = now
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends: asyncio.Task[None] | None = None

    @property
    def running(self) -> BenchJob | None:
        """The job that runs, or None."""
        return self.current if self.current is not None and self.current.running else None

    def start(self, request: Request) -> bool:
        """Run it, or put it into the queue while another one runs. Returns whether it began."""
        self.queue.append(request)
        idle = self._task is None or self._task.done()
        if idle:
            self._task = asyncio.create_task(self._work())
        else:
            self.on_change(self.current, True)
        return idle

    def stop(self) -> int:
        """End what runs and forget what waits; its data goes. Returns how many were waiting."""
        waiting = len(self.queue)
        self.queue.clear()
        job = self.running
        if job is not None and not job.stopping:
            job.stopping = True
            if self._child is not None:
                self._ends = asyncio.create_task(self._child.close())
            self.on_change(job, True)
        return waiting

    async def leave(self) -> None:
        """The console closes: no more work is begun, and the child that runs is ended."""
        self.queue.clear()
        for task in (self._task, self._ends):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def load(self) -> None:
        """Read the workloads, the history and the baseline. Errors: `DevstackError`."""
        answer = await self._cli.ask("bench", "list", "--json")
        try:
            self.listing = codec.decode(answer, Listing)
        except ValueError as error:
            raise DevstackError(f"bench list printed what cannot be read: {error}") from None
        for result in self.listing.results():
            self.results.setdefault(result.id, result)

    async def show(self, run: str) -> RunResult:
        """A run with its seconds. Errors: `DevstackError`."""
        answer = await self._cli.ask("bench", "show", run, "--json")
        try:
            return codec.decode(answer, RunResult)
        except ValueError as error:
            raise DevstackError(f"bench show printed what cannot be read: {error}") from None

    async def compare(self, a: str, b: str, force: bool = False) -> Comparisons:
        """Two runs, or a run and a baseline; of another machine only with `force`.

        Errors: `DevstackError`, which says what differs.
        """
        forced = ("--force",) if force else ()
        answer = await self._cli.ask("bench", "compare", a, b, *forced, "--json")
        try:
            return codec.decode(answer, Comparisons)
        except ValueError as error:
            raise DevstackError(f"bench compare printed what cannot be read: {error}") from None

    async def export(self, run: str, form: str) -> bytes:
        """A run as `json` or `csv`. Errors: `DevstackError`."""
        return await self._cli.ask("bench", "export", run, "--format", form) + b"\n"

    async def _work(self) -> None:
        while self.queue:
            job = BenchJob(self.queue.pop(0), self._now())
            self.current = job
            self.on_change(job, True)
            try:
                await self._run(job)
            except DevstackError as error:
                job.error = error
            finally:
                job.ended_at = self._now()
            self.on_change(job, True)
            with contextlib.suppress(DevstackError):
                await self.load()
                self.on_change(None, True)

    async def _run(self, job: BenchJob) -> None:
        words = job.request.words
        self._child = child = await self._cli.start(*words, grace_s=GRACE_S)
        try:
            if job.stopping:
                return
            async for batch in child.batches():
                urgent = False
                for line in batch:
                    urgent |= job.take(line, self._now())
                self._keep(job)
                self.on_change(job, urgent)
            error = await child.ended()
            told = job.gate if job.request.gate else job.done
            if told is None and job.error is None and not job.stopping:
                job.error = error
        finally:
            self._child = None
            await child.close()

    def _keep(self, job: BenchJob) -> None:
        self.courses.update(job.courses)
        for result in job.results:
            self.results[result.id] = result
