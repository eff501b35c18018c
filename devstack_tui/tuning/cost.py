"""What a crash costs: acknowledged writes, a SIGKILL of every process of the service, and a count.

A few sessions write numbers, one each, and rely on the server's acknowledgement as a client would.
Then all processes of the service are killed at once, it is started again, and what was
acknowledged is looked for. A SIGKILL takes what the process had not yet handed to the kernel; a
power cut would also take what only the page cache had, and this does not show it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from devstack_tui.contracts.acks import Acks
from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.event_stream import task_events
from devstack_tui.core.events import Done
from devstack_tui.core.history import History
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.loadgen.ack_stream import Stream
from devstack_tui.loadgen.acknowledged_writes import Operation, Verdict, verdict
from devstack_tui.stack import parameter_apply, recovery
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning import reports
from devstack_tui.tuning.ab_arms import Settings
from devstack_tui.tuning.ab_sides import relaxed_of, require_possible, settings_of
from devstack_tui.tuning.catalogue import tunable, tunable_services
from devstack_tui.tuning.events import CostDone, CostPhase, CostReport, Emit, Events, Note
from devstack_tui.tuning.lease import ServiceApplier, leased
from devstack_tui.tuning.show import look

VERB = "tune cost"
WRITE_S = 2.0
CLIENTS = 4
KILL = f"{parameter_apply.ACTION}.kill"
ENDED_WITHIN_S = 10.0
RUN = "cost"
"""Kill n writes as run `costn`: always the same names, so that nothing can pile up."""
APART_S = 6.0
"""What each service takes beside its kills, about: putting its values into effect and back."""
KILL_S = WRITE_S + 4.0
POWER_CUT = (
    "a SIGKILL leaves the page cache alone: a power cut would also lose what was acknowledged "
    "without a sync to the disk"
)


@dataclass(frozen=True)
class KillResult:
    """One kill: `at` and `back` are monotonic seconds, `present` what was found afterwards."""

    writes: tuple[Operation, ...]
    at: float
    back: float
    present: set[int]


def cost(
    stack: Stack, names: Sequence[str], profile: str, kills: int, *, force: bool = False
) -> Events:
    """Measure it for the named services, or for all that run and can be tuned.

    The last event is `CostDone`. Raises `UsageError` for wrong names and `UnreachableError` for a
    service that is down, before anything is changed.
    """
    return task_events(lambda emit: _cost(stack, names, profile, kills, force, emit))


async def _cost(  # noqa: PLR0917 - as `cost`
    stack: Stack, names: Sequence[str], profile: str, kills: int, force: bool, emit: Emit
) -> None:
    chosen = _chosen(stack, names)
    wanted = {s.name: settings_of(stack, s.name, profile) for s, _ in chosen}
    for name, values in wanted.items():
        await asyncio.to_thread(require_possible, stack, name, [values], force=force)
    found: list[CostReport] = []
    history = History.of(stack.paths)
    seconds = sum(expected_s(reports.costs(history, s.name), kills) for s, _ in chosen)
    emit(Note(f"{kills * len(chosen)} kills, about {seconds:.0f} s"))
    try:
        for service, acks in chosen:
            started = time.time()
            async with leased(stack, VERB, service.name, wanted[service.name], emit):
                emit(CostPhase(service.name, "applying", profile))
                applier = ServiceApplier(stack, service.name, VERB, force=force)
                await applier.apply(wanted[service.name], restart=False)
                one = _ServiceKills(stack, service, acks, emit)
                report = await one.measure(profile, wanted[service.name], kills)
                emit(CostPhase(service.name, "returning"))
            report = msgspec.structs.replace(report, seconds=time.time() - started)
            reports.keep(history, report, started)
            found.append(report)
    except DevstackError as error:
        emit(CostDone(tuple(found), error.exit_code, error.message, error.remedy))
    else:
        emit(Note(POWER_CUT))
        idle = [one.service for one in found if not one.acknowledged]
        problem = (
            f"no write was acknowledged by {', '.join(idle)}: nothing was shown" if idle else ""
        )
        emit(CostDone(tuple(found), 4 if idle else 0, problem))


def expected_s(earlier: Sequence[CostReport], kills: int) -> float:
    """How long so many kills of one service will take, about; seconds. As the last time, where the
    reports of `earlier` ones, newest first, say how long they took."""
    timed = [one for one in earlier if one.seconds and one.kills]
    if not timed:
        return APART_S + kills * KILL_S
    last = timed[0]
    return APART_S + kills * max(last.seconds - APART_S, WRITE_S) / last.kills


def _chosen(stack: Stack, names: Sequence[str]) -> list[tuple[Service, Acks]]:
    chosen = []
    if names:
        wanted = [tunable(name) for name in names]
    else:
        engine = stack.engine()
        wanted = [s for s in tunable_services() if engine.units(s)]
    for service in dict.fromkeys(wanted):
        acks = service.acks()
        if acks is not None:
            chosen.append((service, acks))
        elif names:
            raise UsageError(f"{service.name} keeps nothing that could be lost")
    if not chosen:
        raise UsageError("no service that could lose something runs", "devstack-tui up")
    return chosen


class _ServiceKills:
    """The kills of one service that has the values to be judged already."""

    def __init__(self, stack: Stack, service: Service, acks: Acks, emit: Emit) -> None:
        self._stack = stack
        self._service = service
        self._acks = acks
        self._emit = emit

    async def measure(self, profile: str, overlay: Settings, kills: int) -> CostReport:
        """Kill it so often; what is left of the writes goes at the end."""
        name = self._service.name
        show = await asyncio.to_thread(look, self._stack, [name])
        runs = [f"{RUN}{number}" for number in range(1, kills + 1)]
        journal = Journal(self._stack.paths.journal)
        intent = journal.begin(recovery.COST, name, runs=",".join(runs))
        try:
            found = [await self._kill(run, kills) for run in runs]
        finally:
            await asyncio.to_thread(self._clean, runs)
            journal.end(intent)
        relaxed = relaxed_of(show, name, overlay)
        report = judged(name, profile, found)
        return msgspec.structs.replace(report, relaxed=relaxed)

    async def _kill(self, run: str, kills: int) -> KillResult:
        engine, name = self._stack.engine(), self._service.name
        target = engine.target(self._service)
        number = run.removeprefix(RUN)
        self._emit(CostPhase(name, "writing", f"kill {number} of {kills}"))
        await asyncio.to_thread(self._acks.cleanup, target, run)
        await asyncio.to_thread(self._acks.prepare, target, run)
        stream = Stream(self._acks, target, run, CLIENTS)
        stream.start()
        try:
            await asyncio.sleep(WRITE_S)
            self._emit(CostPhase(name, "killing"))
            intent, killed = await asyncio.to_thread(kill, self._stack, self._service)
        finally:
            writes = await asyncio.to_thread(stream.stop)
        self._emit(CostPhase(name, "restarting"))
        await self._start()
        Journal(self._stack.paths.journal).end(intent)
        back = time.monotonic()
        self._emit(CostPhase(name, "counting"))
        asked = [write.number for write in writes if write.ok]
        present = await asyncio.to_thread(self._acks.present, target, run, asked)
        return KillResult(writes, killed, back, present)

    async def _start(self) -> None:
        """Bring the service up again, until its probe passes."""
        async with contextlib.aclosing(self._stack.up([self._service.name])) as events:
            async for event in events:
                if isinstance(event, Done) and event.exit_code:
                    name = self._service.name
                    text = f"{name} did not come back after the SIGKILL: {event.message}"
                    raise DevstackError(text, f"look at `devstack-tui logs {name}`")

    def _clean(self, runs: Sequence[str]) -> None:
        target = self._stack.engine().target(self._service)
        for run in runs:
            # A server that is gone keeps them; the next cost begins by removing them.
            with contextlib.suppress(Exception):
                self._acks.cleanup(target, run)


def kill(stack: Stack, service: Service) -> tuple[Intent, float]:
    """Kill every unit of the service at once: the entry of the journal, to be ended once it is
    back, and the monotonic time of the kill. Blocks.

    The entry is of the kind that the caller's lock of tuning protects: while that is held nobody
    else heals, and after a `kill -9` the service comes back together with its parameters. Raises
    `DevstackError` when no unit runs.
    """
    engine = stack.engine()
    running = [unit.unit for unit in engine.units(service) if unit.running]
    if not running:
        raise DevstackError(f"no unit of {service.name} runs that could be killed")
    handle = engine.aim(service, running, Fault.KILL)
    intent = Journal(stack.paths.journal).begin(KILL, service.name, **handle.undo)
    at = engine.inject(handle)
    engine.gone(handle, ENDED_WITHIN_S)
    return intent, at


def judged(service: str, profile: str, found: Sequence[KillResult]) -> CostReport:
    """The counts of all kills together, and the worst of them in seconds."""
    verdicts = [verdict(one.writes, {"": sorted(one.present)}, 0) for one in found]
    report = CostReport(
        service=service,
        profile=profile,
        at=time.time(),
        acknowledged=sum(one.acknowledged for one in verdicts),
        lost=sum(len(one.lost) for one in verdicts),
        lost_s=max(map(_seconds, found, verdicts)),
        indeterminate=sum(one.indeterminate for one in verdicts),
        rate=sum(map(_rate, found)) / len(found),
        recovery_s=max(one.back - one.at for one in found),
        kills=len(found),
    )
    return msgspec.structs.replace(
        report, sentence=sentence(report, max(len(one.lost) for one in verdicts))
    )


def sentence(report: CostReport, worst: int) -> str:
    """`lost 187 acknowledged writes (0.4 s) on SIGKILL`; of several kills the worst as well."""
    if not report.acknowledged:
        return "no write was acknowledged before the SIGKILL: nothing was measured"
    if not report.lost:
        times = "" if report.kills == 1 else f" of {report.kills} kills"
        return f"lost none of {report.acknowledged:,} acknowledged writes on SIGKILL{times}"
    many = f" of {report.kills} kills, {worst:,} at worst" if report.kills > 1 else ""
    return f"lost {report.lost:,} acknowledged writes ({report.lost_s:.2g} s) on SIGKILL{many}"


def _seconds(one: KillResult, found: Verdict) -> float:
    """From the oldest write that is missing to the kill."""
    lost = set(found.lost)
    times = [write.done_s for write in one.writes if write.number in lost]
    return max(0.0, one.at - min(times)) if times else 0.0


def _rate(one: KillResult) -> float:
    times = [write.done_s for write in one.writes if write.ok]
    first = min((write.sent_s for write in one.writes), default=one.at)
    return len(times) / max(one.at - first, 1e-9)
