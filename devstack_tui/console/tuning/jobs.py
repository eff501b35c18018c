"""The tuning as children of the console: one job at a time, and the parameters that they change.

An apply or a revert runs in a session of its own and outlives us; an A/B, a cost or a search ends
with our end of its standard input, and first gives back what it changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from devstack_tui.console.bench.model import Listing, Workload
from devstack_tui.console.tuning.argv import Order, dropping, planning, saving, setting
from devstack_tui.contracts.tunable import DEFAULT
from devstack_tui.core import codec
from devstack_tui.core.children import Child, Cli, refusal
from devstack_tui.core.detached import Detached
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.jobs import BusyError
from devstack_tui.tuning.events import (
    AbDone,
    AbPair,
    AbPlanned,
    AbReport,
    AbRun,
    AbTick,
    AutoDone,
    CostDone,
    CostReport,
    Show,
    TuneDone,
    TuneEvent,
    TunePlanned,
)

GRACE_S = 30.0
"""How long an A/B may take to give back what it changed before it is asked, then made, to end."""
SHOW_S = 30.0
_LAST: dict[str, type] = {
    "apply": TuneDone,
    "revert": TuneDone,
    "ab": AbDone,
    "cost": CostDone,
    "auto": AutoDone,
}
_Told = TypeVar("_Told", bound=msgspec.Struct)
Done = TuneDone | AbDone | CostDone | AutoDone


@dataclass(slots=True)
class TuningJob:
    """One child: what its events have told so far."""

    order: Order
    started_at: float
    pid: int = 0
    events: list[TuneEvent] = field(default_factory=list)
    """All of them but the seconds of the runs."""
    ab: AbPlanned | None = None
    """The A/B that runs, or ran last."""
    run: AbRun | None = None
    phase_since: float = 0.0
    pairs: list[AbPair] = field(default_factory=list)
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """The last run of arm `a` and of arm `b`: second and throughput."""
    report: AbReport | None = None
    done: Done | None = None
    error: DevstackError | None = None
    stopping: bool = False
    ended_at: float | None = None

    @property
    def verb(self) -> str:
        """`tune apply`."""
        return f"tune {self.order.verb}"

    @property
    def running(self) -> bool:
        """Whether its child still runs."""
        return self.ended_at is None

    @property
    def failed(self) -> bool:
        """Whether it ended without doing what it was for; an open verdict is no failure."""
        if self.error is not None or self.done is None:
            return not self.running and not self.stopping
        report = self.report if self.order.verb == "ab" else None
        return self.done.exit_code != 0 and report is None and not self.stopping

    def elapsed(self, now: float) -> float:
        """Seconds since it was started, until `now` or until its end."""
        return max((self.ended_at or now) - self.started_at, 0.0)

    def take(self, line: bytes, now: float) -> bool:
        """Fold one line in. Returns whether it is more than another second of the same run."""
        if (refused := refusal(line)) is not None:
            self.error = refused
            return True
        try:
            event = codec.decode(line, TuneEvent)
        except ValueError:
            return False
        if isinstance(event, AbTick):
            line_of_arm = self.seconds.setdefault(event.arm, [])
            line_of_arm.append((float(event.second), event.throughput))
            return len(line_of_arm) == 1
        self.events.append(event)
        self._fold(event, now)
        return True

    def _fold(self, event: TuneEvent, now: float) -> None:
        match event:
            case AbPlanned():
                self.ab, self.report = event, None
                self.pairs, self.seconds = [], {}
            case AbRun():
                self.run, self.phase_since = event, now
                self.seconds[event.arm] = []
            case AbPair():
                self.pairs.append(event)
            case AbDone():
                self.report = event.report
        if isinstance(event, _LAST[self.order.verb]):
            self.done = event  # type: ignore[assignment]


class TuningJobs:
    """The one place that changes parameters. `on_change` is called in the loop after each news."""

    def __init__(self, cli: Cli, now: Callable[[], float] = time.time) -> None:
        self.on_change: Callable[[TuningJob | None, bool], None] = lambda job, urgent: None
        self.current: TuningJob | None = None
        self.last_ab: TuningJob | None = None
        """The last A/B or search since the console opened."""
        self.show: Show | None = None
        self.trouble: DevstackError | None = None
        """Why the parameters could not be read the last time."""
        self.costs: dict[str, CostReport] = {}
        """The last cost of each service since the console opened."""
        self.putting = 0
        """How many times values are on their way into pending."""
        self._cli = cli
        self._now = now
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._waiting = False
        """Whether somebody waits to read the parameters: who comes then need not."""

    @property
    def running(self) -> TuningJob | None:
        """The job that runs, or None."""
        return self.current if self.current is not None and self.current.running else None

    # --- the parameters ------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the parameters; what is asked while one reading waits for another is one more."""
        if self._waiting:
            return
        self._waiting = True
        async with self._reading:
            self._waiting = False
            try:
                answer = await self._cli.ask("tune", "show", "--json", timeout=SHOW_S)
                self.show, self.trouble = _decoded(answer, Show, "tune show"), None
            except DevstackError as error:
                self.trouble = error
        self.on_change(None, True)

    async def put(self, service: str, values: Mapping[str, str]) -> None:
        """Put values of one service into pending; `load` then tells them.

        Errors: `DevstackError`, which names the value; nothing is pending then that was not.
        """
        async with self.together():
            await self._cli.ask(*setting(service, values))
            self._expect(service, values)

    @contextlib.asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Values are on their way into pending: nothing is to be applied before the last one."""
        self.putting += 1
        self.on_change(None, True)
        try:
            yield
        finally:
            self.putting -= 1
            self.on_change(None, True)

    async def drop_all(self) -> None:
        """Take all that is pending away. Errors: `DevstackError`."""
        await self._cli.ask(*dropping())

    async def save(self, name: str, source: str) -> None:
        """Save what is `current` or `pending` as profile `name`. Errors: `DevstackError`."""
        await self._cli.ask(*saving(name, source))

    def _expect(self, service: str, values: Mapping[str, str]) -> None:
        """What is pending now, before it is read again: the screen need not wait for that."""
        if self.show is None:
            return
        rows = []
        for row in self.show.parameters:
            if row.service != service or row.name not in values:
                rows.append(row)
                continue
            text = values[row.name]
            pending = None if text == (row.tuned or DEFAULT) else text
            real = row.default if pending == DEFAULT else pending
            restart = row.apply == "restart" and real not in (None, row.effective)
            rows.append(msgspec.structs.replace(row, pending=pending, restart=restart))
        self.show = msgspec.structs.replace(self.show, parameters=tuple(rows))
        self.on_change(None, True)

    async def plan(self, order: Order) -> TunePlanned:
        """The dry run of an apply or a revert. Errors: `DevstackError`."""
        answer = await self._cli.ask(*planning(order))
        for line in answer.splitlines():
            with contextlib.suppress(ValueError):
                event = codec.decode(line, TuneEvent)
                if isinstance(event, TunePlanned):
                    return event
                if isinstance(event, TuneDone) and event.message:
                    raise DevstackError(event.message, event.remedy)
        raise DevstackError(f"{order.title} gave no plan")

    async def workloads(self) -> tuple[Workload, ...]:
        """What an A/B can be measured with. Errors: `DevstackError`."""
        answer = await self._cli.ask("bench", "list", "--json")
        return _decoded(answer, Listing, "bench list").workloads

    # --- jobs ----------------------------------------------------------------------------------

    def start(self, order: Order) -> TuningJob:
        """Run it. Errors: `BusyError` while another one runs."""
        if (busy := self.running) is not None:
            raise BusyError(f"{busy.order.title} is running", "wait for its end, or x stops it")
        job = TuningJob(order, self._now())
        self.current = job
        if order.verb in ("ab", "auto"):
            self.last_ab = job
        self._task = asyncio.create_task(self._work(job))
        self.on_change(job, True)
        return job

    def stop(self) -> str:
        """End what runs; it gives back what it changed. Returns why it cannot be ended."""
        job = self.running
        if job is None:
            return "Nothing is running"
        if job.order.detached:
            return f"{job.order.title} is not stopped half-way; u takes it back afterwards"
        if not job.stopping:
            job.stopping = True
            if self._child is not None:
                self._ends = asyncio.create_task(self._child.close())
            self.on_change(job, True)
        return ""

    async def leave(self) -> TuningJob | None:
        """The console closes. Returns the apply that goes on without us, if there is one."""
        job = self.running
        self.on_change = lambda job, urgent: None
        for task in (self._task, self._ends):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        return job if job is not None and job.order.detached and job.pid else None

    async def _work(self, job: TuningJob) -> None:
        try:
            await (self._follow(job) if job.order.detached else self._control(job))
        except DevstackError as error:
            job.error = error
        except asyncio.CancelledError:
            # An apply lives on: for whoever asks, it is not at its end.
            if not job.order.detached:
                job.ended_at = self._now()
            raise
        job.ended_at = self._now()
        if isinstance(job.done, CostDone):
            self.costs |= {report.service: report for report in job.done.reports}
        self.on_change(job, True)
        await self.load()

    async def _follow(self, job: TuningJob) -> None:
        """An apply or a revert, in a session of its own."""
        process = Detached(self._cli.argv(*job.order.command), job.verb)
        job.pid = process.pid
        try:
            async with contextlib.aclosing(process.batches()) as batches:
                await self._take(job, batches)
            if job.done is None and job.error is None:
                job.error = process.error()
        finally:
            process.leave()

    async def _control(self, job: TuningJob) -> None:
        """A child that ends with us."""
        self._child = child = await self._cli.start(*job.order.command, grace_s=GRACE_S)
        try:
            if job.stopping:
                return
            await self._take(job, child.batches())
            error = await child.ended()
            if job.done is None and job.error is None and not job.stopping:
                job.error = error
        finally:
            self._child = None
            await child.close()

    async def _take(self, job: TuningJob, batches: AsyncIterator[list[bytes]]) -> None:
        async for batch in batches:
            urgent = False
            for line in batch:
                urgent |= job.take(line, self._now())
            self.on_change(job, urgent)


def _decoded(answer: bytes, kind: type[_Told], what: str) -> _Told:
    try:
        return codec.decode(answer, kind)
    except ValueError as error:
        raise DevstackError(f"{what} printed what cannot be read: {error}") from None
