"""`<service>.restart`: a whole service ends or is held still under a stream of writes, comes back,
and what it had acknowledged is counted.

No technology is named here: every service that keeps something, and is not restarted node by node,
has this drill.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from devstack_tui.contracts.acks import Acks
from devstack_tui.contracts.drill import Context, Drill, DrillEvent, Plan, PlannedStep, Thresholds
from devstack_tui.contracts.drill_repeat import Repeat
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.check import Result, Status
from devstack_tui.core.cpu_pressure import CpuPressure
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.event_stream import Emit, task_events
from devstack_tui.core.redact import redact
from devstack_tui.drill import restart_steps as steps
from devstack_tui.drill.restart_steps import Outcome
from devstack_tui.drill.write_timeline import LANE, WriteTimeline, first_cell, lane
from devstack_tui.loadgen.ack_stream import Stream, Writes
from devstack_tui.loadgen.acknowledged_writes import errors, shard, stream_outage
from devstack_tui.loadgen.lane_cells import CELL_MS
from devstack_tui.stack.probing import probe_once

T = TypeVar("T")
KILL, TERM, STOP = "sigkill", "sigterm", "sigstop"
FAULTS = (KILL, TERM, STOP)
WARM_S = 1.0
WARM_WITHIN_S = 10.0
AFTER_S = 0.5
FROZEN_S = 2.0
ENDED_WITHIN_S = 20.0
TIMEOUT_S = 1.0
"""Of each write: shorter than a freeze, so that a client sees it."""
PROBE_S = 2.0
_DOES = {
    KILL: "SIGKILL to every process of it at once",
    TERM: "its stop signal (as `down` sends it) to it, and wait for its end",
    STOP: f"SIGSTOP to every process of it, SIGCONT after {FROZEN_S:g} s",
}


def restart_drills() -> tuple[Drill, ...]:
    """One for each service that has acknowledged writes and is not restarted node by node."""
    return tuple(
        RestartDrill(found)
        for found in services()
        if found.acks() is not None and found.rolling() is None
    )


class RestartDrill:
    """See `devstack_tui.contracts.drill.Drill`. The victim is always the whole service."""

    def __init__(self, found: Service) -> None:
        self.name = f"{found.name}.restart"
        self.title = f"{found.title} ends under writes and comes back"
        self.faults: tuple[str, ...] = FAULTS
        self._service = found

    def victims(self, target: Target) -> tuple[str, ...]:
        """The service."""
        return (target.service,)

    def plan(
        self,
        target: Target,
        files: ServiceFiles,  # noqa: ARG002
        fault: str,
        victim: str,
        thresholds: Thresholds,
    ) -> Plan:
        """Its steps, and whether the service is well enough to begin."""
        refusal, remedy = unhealthy(self._service, target)
        details = steps.details(thresholds)
        back = "let it go on" if fault == STOP else "start it again as `up` does"
        return Plan(
            drill=self.name,
            fault=fault,
            victim=victim,
            actions=(
                f"write to {self._service.title} until {steps.WARM_WRITES} writes and "
                f"{WARM_S:g} s are over",
                _DOES[fault],
                back,
                f"write on until {AFTER_S:g} s after the first success",
                "read everything back, count what is missing, remove it",
            ),
            steps=tuple(
                PlannedStep(f"{self.name}.{number}", title, details.get(number, ""))
                for number, title in steps.titles(thresholds).items()
            ),
            touches=(
                f"{self._service.title}: {'held still' if fault == STOP else 'ended'}, and brought "
                "back by the drill, or by whatever verb comes next",
            ),
            expected_s=WARM_S + AFTER_S + (FROZEN_S if fault == STOP else thresholds.restart_s / 2),
            thresholds={"restart_s": thresholds.restart_s, "lost": float(thresholds.lost)},
            refusal=refusal,
            remedy=remedy,
            only_reports=bool(refusal),
        )

    def cleanup(self, target: Target, run: str) -> None:
        """See `contracts.drill.Cleanable`."""
        _acks(self._service).cleanup(target, run)

    def run(self, context: Context) -> AsyncGenerator[DrillEvent, None]:
        """One repeat. It cleans before it ends."""
        return task_events(lambda emit: _Repeat(self.name, context, emit).perform())


class _Repeat(Repeat):
    """One repeat from its preconditions to its result."""

    def __init__(self, drill: str, context: Context, emit: Emit[DrillEvent]) -> None:
        super().__init__(drill, context, emit)
        self._service = service(context.service)
        self._acks = _acks(self._service)
        self._declared = False
        """Whether a setting declares the loss that a crash may bring."""
        self._pressure = CpuPressure()
        self._broken = False
        """Whether the fault is in force: nothing can be asked of the service then."""

    async def perform(self) -> None:
        """All of it. Raises `DevstackError` when it cannot begin, or is broken off."""
        try:
            await self._perform()
        except DevstackError as error:
            self.broken_off(steps.titles(self.context.thresholds), error)
            raise

    async def _perform(self) -> None:
        context = self.context
        self.phase("preconditions")
        if not await self._healthy():
            return
        allowance = await self._ask(lambda: self._acks.allowance(context.target))
        self._declared = allowance.declared
        outcome = Outcome(context.thresholds, context.fault, allowance)
        try:
            await self._ask(lambda: self._acks.prepare(context.target, context.run))
            timeline = await self._measure(outcome)
            self.phase("verifying", f"reading {len(outcome.writes)} writes back")
            await self._read_back(outcome)
            for number in ("05", "06", "07"):
                self._decide(steps.JUDGES[number](outcome))
        finally:
            # Broken off in the middle of the fault: whoever heals the service cleans up after.
            if not self._broken:
                self.phase("cleaning")
                await self._clean(outcome)
        self._decide(steps.nothing_left(outcome))
        self._conclude(outcome, timeline)

    async def _healthy(self) -> bool:
        """Step 1. A service that is not well is not broken on purpose: that is the result."""
        problem, remedy = await asyncio.to_thread(unhealthy, self._service, self.context.target)
        if not problem:
            self._decide(steps.healthy_before())
            return True
        for decided in steps.not_begun(problem):
            self._decide(decided, remedy if decided[1] is Status.FAIL else "")
        self.ended(self.context.victim, (), "", split_brain=None, begun=False)
        return False

    async def _ask(self, work: Callable[[], T]) -> T:
        """Do what must be possible before anything is touched. Raises `DevstackError` alone."""
        try:
            return await asyncio.to_thread(work)
        except DevstackError:
            raise
        except Exception as error:  # each driver has its own
            why = redact(str(error).partition("\n")[0])
            raise UnreachableError(f"{self._service.title} cannot keep writes: {why}") from None

    async def _measure(self, outcome: Outcome) -> WriteTimeline:
        """The stream, the fault in it, and the way back."""
        context = self.context
        self.phase("warming")
        timeline = WriteTimeline(
            Stream(
                self._acks,
                context.target,
                context.run,
                timeout=TIMEOUT_S,
                rate_hz=context.rate_hz,
            ),
            context.repeat,
            self.emit,
        )
        watch = asyncio.create_task(timeline.watch())
        try:
            await self._warm(timeline)
            await self._strike(timeline, outcome)
            await self._bring_back(timeline, outcome)
            outcome.writes = await timeline.stop()
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            # A service that is gone answers nobody; a living one has its last write out before
            # anything is cleaned.
            await timeline.stop(within=0.0 if self._broken else None)
        return timeline

    async def _warm(self, timeline: WriteTimeline) -> None:
        since = time.monotonic() + WARM_S

        def warm(writes: Writes) -> bool:
            done = sum(write.ok for write in writes)
            return time.monotonic() >= since and done >= steps.WARM_WRITES

        if not await timeline.until(warm, WARM_WITHIN_S):
            raise UnreachableError(
                f"{self._service.title} acknowledged fewer than {steps.WARM_WRITES} writes in "
                f"{WARM_WITHIN_S:g} s: {steps.counted(errors(timeline.stream.snapshot()))}"
            )

    async def _strike(self, timeline: WriteTimeline, outcome: Outcome) -> None:
        """The fault; over when the service is gone, or was held still for its time."""
        context = self.context
        injector, units = context.injector, tuple(reversed(context.injector.units(context.service)))
        act = {KILL: injector.kill, TERM: injector.terminate, STOP: injector.freeze}[context.fault]
        self.phase("fault", _DOES[context.fault])
        self._broken = True
        try:
            times = await asyncio.to_thread(lambda: [act(unit) for unit in units])
        except DevstackError:
            self._broken = not all(injector.alive(unit) for unit in units)
            raise
        timeline.fault = outcome.fault = times[0]
        self._pressure = CpuPressure()
        timeline.mark(
            "fault", timeline.fault, context.service, f"{context.fault}: {', '.join(units)}"
        )
        self._decide(steps.warmed(outcome, timeline.stream.snapshot()))
        if context.fault == STOP:
            await asyncio.sleep(FROZEN_S)
            outcome.resumed = await asyncio.to_thread(lambda: [injector.thaw(u) for u in units][-1])
            self._decide(steps.silent_while_paused(outcome, timeline.stream.snapshot()))
            return

        def ended(_: Writes) -> bool:
            return not any(injector.alive(unit) for unit in units)

        gone = await timeline.until(ended, ENDED_WITHIN_S)
        outcome.starved = self._starved(timeline)
        self._decide(steps.ended(outcome, gone, timeline.after, units))

    async def _bring_back(self, timeline: WriteTimeline, outcome: Outcome) -> None:
        """Start it again if it ended, and wait for its health and for a success."""
        context = self.context
        self.phase("healing")
        if context.fault != STOP:
            try:
                await context.injector.start(context.service)
            except DevstackError as error:
                outcome.failure = error.message
            outcome.resumed = time.monotonic()
        self._broken = bool(outcome.failure)
        outcome.restart_s = timeline.after
        if not outcome.failure:
            timeline.mark("healed", outcome.resumed, context.service, "it is whole again")
            await self._await_health(outcome)
        outcome.starved = self._starved(timeline)
        self._decide(steps.came_back(outcome))
        if outcome.failure:
            return
        self.phase("waiting", "for the first success")
        limit = max(context.thresholds.restart_s, WARM_WITHIN_S)

        def back(writes: Writes) -> bool:
            return any(write.ok and write.sent_s >= outcome.resumed for write in writes)

        if await timeline.until(back, limit):
            found = stream_outage(timeline.stream.snapshot(), outcome.fault)
            at = found.end / 1e6 if found else outcome.resumed
            timeline.mark("back", at, context.service, "the first success")
            await asyncio.sleep(AFTER_S)
        outcome.starved = self._starved(timeline)

    def _starved(self, timeline: WriteTimeline) -> str:
        return steps.starved(timeline.late_s, self._pressure.share())

    async def _await_health(self, outcome: Outcome) -> None:
        """Probe until it passes, up to the threshold."""
        target = self.context.target
        while True:
            try:
                seen = await asyncio.to_thread(probe_once, self._service, target, PROBE_S)
                outcome.unhealthy = "; ".join(seen.problems)
            except DevstackError as error:
                outcome.unhealthy = error.message
            outcome.healthy_s = time.monotonic() - outcome.fault
            if not outcome.unhealthy or outcome.healthy_s > self.context.thresholds.restart_s:
                return
            await asyncio.sleep(0.05)

    async def _read_back(self, outcome: Outcome) -> None:
        if outcome.failure:
            return
        context = self.context
        numbers = [write.number for write in outcome.writes]
        try:
            outcome.present = await asyncio.to_thread(
                self._acks.present, context.target, context.run, numbers
            )
        except Exception as error:  # whatever a driver raises: the step says that it was not read
            outcome.unread = redact(str(error).partition("\n")[0])

    async def _clean(self, outcome: Outcome) -> None:
        """Remove the run, and look whether it is gone."""
        context = self.context
        numbers = [write.number for write in outcome.writes]

        def clean() -> None:
            self._acks.cleanup(context.target, context.run)
            outcome.left = len(self._acks.present(context.target, context.run, numbers))
            outcome.uncleaned = ""

        try:
            await asyncio.to_thread(clean)
        except Exception as error:
            outcome.uncleaned = redact(str(error).partition("\n")[0])

    def _conclude(self, outcome: Outcome, timeline: WriteTimeline) -> None:
        writes, fault = outcome.writes, outcome.fault
        first = first_cell(writes, fault)
        last = int((max(write.done_s for write in writes) - fault) * 1000 / CELL_MS) + 1
        self.ended(
            self.context.victim,
            (shard(self.context.service, outcome.verdict, outcome.window),),
            steps.late(timeline.late_s),
            timings=steps.timings(outcome),
            markers=tuple(timeline.markers),
            lanes={LANE: lane(writes, fault, first, last)},
            lanes_from_ms=float(first * CELL_MS),
            instrument_cpu=timeline.cpu_s / timeline.seconds if timeline.seconds else 0.0,
            late_ms=round(timeline.late_s * 1000, 1),
        )

    def _decide(self, decided: steps.Decided, remedy: str = "") -> None:
        number, status, evidence = decided
        title = steps.titles(self.context.thresholds)[number]
        self.decide(
            Result(
                f"{self.drill}.{number}", title, status, evidence, remedy,
                declared=status is Status.WARN and self._declared,
            )
        )  # fmt: skip


def unhealthy(found: Service, target: Target) -> tuple[str, str]:
    """Why the service cannot be drilled, and what helps; empty when it is healthy. Blocks."""
    up = f"`devstack-tui up {target.service}`"
    try:
        problems = probe_once(found, target, PROBE_S).problems
    except DevstackError as error:
        return f"{found.title} is not healthy: {error.message}", error.remedy or up
    return (f"{found.title} is not healthy: {'; '.join(problems)}", up) if problems else ("", "")


def _acks(found: Service) -> Acks:
    acks = found.acks()
    if acks is None:
        raise UnreachableError(f"{found.title} keeps nothing that could be counted")
    return acks
