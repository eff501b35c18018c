"""Running workloads: one child process each, its messages turned into events and results."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

import msgspec

from devstack_tui.bench import child, durations, steadiness
from devstack_tui.bench.catalogue import Entry
from devstack_tui.bench.events import (
    BenchDone,
    BenchEvent,
    BenchPlanned,
    LatencyMs,
    RunEnded,
    RunResult,
    RunStarted,
    WorkloadSummary,
)
from devstack_tui.contracts.workload import Tick
from devstack_tui.core.children import Child
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import to_end
from devstack_tui.core.fingerprint import Fingerprint
from devstack_tui.core.histogram import Buckets, Histogram
from devstack_tui.core.history import History
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.stack import basis
from devstack_tui.stack.busy import require_none
from devstack_tui.stack.stack import Stack

END_S = 15.0
"""How long a child may take to remove its data when it must stop."""
CLIENT_BOUND = 0.85
PROGRAM = (sys.executable, "-m", "devstack_tui.bench.child")
NO_LATENCY = LatencyMs(0.0, 0.0, 0.0, 0.0)

Events = AsyncGenerator[BenchEvent, None]


class Runner:
    """Runs workloads on one stack, and keeps every run in its history unless `keep` is False.

    `prints` are the fingerprints by workload. One bench at a time holds the stack's bench lock.
    """

    def __init__(
        self,
        stack: Stack,
        prints: dict[str, Fingerprint],
        *,
        keep: bool = True,
    ) -> None:
        self._stack = stack
        self._prints = prints
        self._keeps = keep
        self._history = History(stack.paths.root / "history.db")
        self._journal = Journal(stack.paths.bench_journal)
        self._basis: basis.Basis | None = None

    async def run(self, entries: Sequence[Entry], size: str, runs: int) -> Events:
        """Every workload `runs` times. Closing the generator stops the child and its data go.

        Raises `DevstackError` when another benchmark, a drill or a tuning runs on this stack.
        """
        started = time.monotonic()
        lock = StackLock(self._stack.paths.root / "bench.lock", "bench")
        if owner := lock.try_acquire():
            raise DevstackError(
                f"another benchmark runs on this stack (pid {owner.pid})",
                "wait for its end: two at once would measure each other",
            )
        with lock:
            # What is not kept is measured by a tuning itself, which holds its own lock.
            require_none(self._stack.paths, "drill", *(("tune",) if self._keeps else ()))
            yield BenchPlanned(
                tuple(entry.name for entry in entries),
                size,
                runs,
                self.expected(entries, size, runs),
            )
            self._basis = await asyncio.to_thread(basis.look, self._stack)
            summaries = []
            for entry in entries:
                results: list[RunResult] = []
                async with contextlib.aclosing(self._one(entry, size, runs)) as events:
                    async for event in events:
                        if isinstance(event, RunEnded):
                            results.append(event.result)
                        yield event
                summaries.append(summarise(results))
        problems = [f"{s.workload}: {s.problem}" for s in summaries if s.problem]
        yield BenchDone(
            tuple(summaries),
            1 if problems else 0,
            time.monotonic() - started,
            problems[0] if problems else "",
        )

    async def _one(self, entry: Entry, size: str, runs: int) -> Events:
        params = entry.sizes.params(size)
        order = child.RunOrder(self._stack.name, entry.service.name, entry.name, dict(params), runs)
        intent = self._journal.begin("bench", entry.name)
        run = _Run(entry, size, runs, self._prints[entry.name])
        process: Child | None = None
        try:
            async with _child(order) as process:
                async for lines in process.batches():
                    for event in run.events(lines):
                        if isinstance(event, RunEnded) and self._keeps:
                            self._keep(event.result)
                        yield event
                died = await process.ended()
        finally:
            # Also when interrupted it has removed its data, unless it was killed or says otherwise.
            if process is None or not process.exit_code:
                self._journal.end(intent)
        for event in run.close(died.message):
            yield event

    def expected(self, entries: Sequence[Entry], size: str, runs: int) -> float:
        """About how long it will take, seconds: as it took here, where it ran here before."""
        return sum(
            durations.workload_s(
                entry, size, runs, durations.past(self._history, entry, size, self._prints)
            )
            for entry in entries
        )

    def _keep(self, result: RunResult) -> None:
        self._history.add(
            "bench",
            result.id,
            result.workload,
            result.size,
            result.started,
            result.fingerprint,
            basis.stamped(msgspec.json.encode(result), self._basis),
        )


class _Run:
    """Folds the child's messages about one workload into events."""

    def __init__(self, entry: Entry, size: str, runs: int, depends: Fingerprint) -> None:
        self._entry = entry
        self._size = size
        self._runs = runs
        self._depends = depends
        self._fingerprint = depends.digest()
        self._ticks: list[Tick] = []
        self._started = time.time()
        self._phase_began = time.monotonic()
        self._setup_s = 0.0
        self._ended = 0
        self._failed = False

    def events(self, lines: Iterable[bytes]) -> Iterator[BenchEvent]:
        """The events of some lines; one that is no message is left out."""
        for line in lines:
            with contextlib.suppress(ValueError):
                yield from self.take(child.decode(line))

    def take(self, message: child.Message) -> list[BenchEvent]:
        """The events of one message."""
        entry = self._entry
        match message:
            case child.Phase():
                self._ticks = []
                self._started = time.time()
                lasted = self._lasted()
                self._setup_s = lasted if message.phase == child.RUNNING else 0.0
                title, unit = entry.sizes.title, entry.workload.unit
                of, phase = self._runs, message.phase
                return [RunStarted(entry.name, title, unit, phase, message.run, of)]
            case Tick():
                self._ticks.append(message)
                return [message]
            case child.RunMeasured():
                self._ended = message.run
                return [RunEnded(self._result(message), self._runs)]
            case child.Failed():
                self._failed = True
                why = " → ".join(filter(None, [message.message, message.remedy]))
                return [RunEnded(self._problem(message.run or self._ended, why), self._runs)]

    def _lasted(self) -> float:
        """Seconds since the phase before began."""
        began, self._phase_began = self._phase_began, time.monotonic()
        return self._phase_began - began

    def close(self, died: str) -> list[BenchEvent]:
        """The event of a child that ended early; `died` is the last sentence of its stderr."""
        if self._failed or self._ended == self._runs:
            return []
        why = f"its process ended before the run did: {died}"
        return [RunEnded(self._problem(self._ended + 1, why), self._runs)]

    def _result(self, found: child.RunMeasured) -> RunResult:
        latency = Histogram.read(found.latency)
        measured = found.operations > 0 and latency.count > 0 and found.seconds > 0
        mean = latency.mean if latency.count else 0.0
        rate = found.requests / found.seconds if found.seconds else 0.0
        # Waiting for a server that is gone is no latency: only a run without errors must fit.
        law = found.clients / (mean / 1000) / rate if mean and rate and not found.errors else None
        problem = "" if measured else "nothing was measured"
        if found.errors and sum(found.errors.values()) > found.requests / 100:
            counts = ", ".join(f"{n} × {name}" for name, n in found.errors.items())
            problem = f"more than 1 % of the requests failed: {counts}"
        even = steadiness.steadiness([tick.throughput for tick in self._ticks])
        return RunResult(
            id=uuid.uuid4().hex[:12],
            workload=self._entry.name,
            size=self._size,
            run=found.run,
            started=self._started,
            seconds=found.seconds,
            operations=found.operations,
            requests=found.requests,
            throughput=found.operations / found.seconds if found.seconds else 0.0,
            unit=self._entry.workload.unit,
            clients=found.clients,
            latency_ms=percentiles(latency),
            histogram=found.latency,
            errors=found.errors,
            client_cpu=found.client_cpu,
            server_cpu=found.server_cpu,
            client_bound=found.client_cpu > max(found.server_cpu, CLIENT_BOUND),
            littles_law=law,
            engine=found.engine[0],
            engine_version=found.engine[1],
            settings=found.settings,
            fingerprint=self._fingerprint,
            ticks=tuple(self._ticks),
            problem=problem,
            depends=self._depends,
            dispersion=even.dispersion,
            drift=even.drift,
            drift_interval=even.interval,
            steady=even.steady,
            setup_s=self._setup_s,
            elapsed_s=self._lasted(),
        )

    def _problem(self, run: int, why: str) -> RunResult:
        """A run that is no measurement: nothing but why."""
        nothing = child.RunMeasured(run, 0, 0, 0.0, 0, Buckets(), {}, 0.0, 0.0, ("", ""), {})
        return msgspec.structs.replace(self._result(nothing), problem=why)


def percentiles(latency: Histogram) -> LatencyMs:
    """What is reported of a histogram."""
    if not latency.count:
        return NO_LATENCY
    return LatencyMs(
        latency.quantile(0.5), latency.quantile(0.95), latency.quantile(0.99), latency.largest
    )


def summarise(results: Sequence[RunResult]) -> WorkloadSummary:
    """All runs of one workload: medians over runs, percentiles of the merged histogram."""
    good = [result for result in results if not result.problem]
    last = results[-1]
    merged = Histogram()
    errors: dict[str, int] = {}
    for result in results:
        merged.merge(Histogram.read(result.histogram))
        for name, count in result.errors.items():
            errors[name] = errors.get(name, 0) + count
    samples = tuple(result.throughput for result in good)
    median = statistics.median(samples) if samples else 0.0
    spread = [result.dispersion for result in good if result.dispersion is not None]
    return WorkloadSummary(
        workload=last.workload,
        size=last.size,
        unit=last.unit,
        engine=" ".join(filter(None, [last.engine, last.engine_version])),
        throughput=median,
        samples=samples,
        spread=(max(samples) - min(samples)) / median if median and len(samples) > 1 else None,
        latency_ms=percentiles(merged),
        errors=errors,
        client_bound=any(result.client_bound for result in good),
        fingerprint=last.fingerprint,
        problem=next((result.problem for result in results if result.problem), ""),
        dispersion=statistics.median(spread) if spread else None,
        steady=steadiness.of_runs(result.steady for result in good),
        seconds=min((result.seconds for result in good), default=0.0),
    )


@contextlib.asynccontextmanager
async def _child(order: child.RunOrder) -> AsyncGenerator[Child, None]:
    """A child at work. Its input is closed at the end: it stops and cleans up."""
    process = await Child.start(PROGRAM, "the benchmark", END_S, own_session=True)
    try:
        process.say(msgspec.json.encode(order).decode())
        yield process
    finally:
        await to_end(process.close())
