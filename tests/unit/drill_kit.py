"""A service of one sleeping process, an engine that runs it, and a drill that does nothing."""

# ruff: noqa: ARG001, ARG002 - they have the arguments of the Protocols that they stand for

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.contracts.drill import (
    Context,
    DrillEvent,
    DrillPhase,
    DrillResult,
    Marker,
    NodeTraffic,
    Plan,
    PlannedStep,
    RepeatEnded,
    Shard,
    Thresholds,
)
from devstack_tui.contracts.engine import Feature
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.model import Credentials, Endpoint, Observation, Target, UnitUsage
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core import process
from devstack_tui.core.check import Result, Status
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.process import ProcessId
from devstack_tui.engines.embedded import faults, firewall
from tests.engines.memory import MemoryFiles

INSTANCE = "0123456789abcdef0123456789abcdef"
UNIT = "sleeper-1"


@dataclass
class SleeperService:
    """Healthy as long as its process is there and not held still."""

    engine: SleeperEngine
    name: str = "sleeper"
    title: str = "Sleeper"

    def probe(self) -> Callable[[Target, float], Observation]:
        def ask(target: Target, timeout: float) -> Observation:
            found = self.engine.processes(self).get(UNIT)
            if found is None or process.frozen(found.pid):
                raise DevstackError("it does not answer")
            return Observation(0.1)

        return ask


@dataclass
class SleeperEngine:
    """Starts `sleep` with the mark of an instance."""

    name: str = "fake"
    broken: str = ""
    child: subprocess.Popen[bytes] | None = None
    starts: int = 0
    instance: str = INSTANCE
    asks: signal.Signals = signal.SIGTERM

    def start(self, service: Any, run: Any) -> None:
        if self.broken:
            raise DevstackError(self.broken, "mend it")
        self.starts += 1
        self.child = subprocess.Popen(
            ["sleep", "600"], env={process.INSTANCE_VARIABLE: self.instance}, start_new_session=True
        )
        # For a moment after its exec the kernel shows no environment of a process yet.
        while process.INSTANCE_VARIABLE not in process.environment(self.child.pid):
            os.sched_yield()

    def processes(self, service: Any) -> Mapping[str, ProcessId]:
        if self.child is None or self.child.poll() is not None:
            return {}
        found = process.identify(self.child.pid)
        return {UNIT: found} if found else {}

    def units(self, service: Any) -> Sequence[UnitUsage]:
        found = self.processes(service).get(UNIT)
        return [UnitUsage(UNIT, found.pid if found else None, running=found is not None)]

    def cycle(self, service: Any, run: Any, before: Callable[[str], None]) -> None:
        before(UNIT)
        self.end()
        self.start(service, run)

    def target(self, service: Any) -> Target:
        here = Path("/nowhere")
        return Target("sleeper", Endpoint("x", "127.0.0.1", 1), {}, Credentials(), here, here)

    def files(self, service: Any) -> MemoryFiles:
        return MemoryFiles({})

    def prove_owned(self, service: Any) -> None:
        main = self.processes(service).get(UNIT)
        faults.prove({UNIT: main}, INSTANCE, "t", "`devstack-tui --stack t up sleeper`")

    def require(self, feature: Feature) -> None:
        if feature is Feature.PARTITION:
            firewall.require(INSTANCE)

    def aim(
        self, service: Any, units: Sequence[str], fault: Fault, cut: NodeTraffic | None = None
    ) -> Handle:
        self.require(Feature(fault.value))
        if cut is not None:
            return faults.of_network(units[0], firewall.table_of(INSTANCE), cut)
        found = self.processes(service)
        if not found:
            raise UnreachableError(f"{units[0]} does not run")
        return faults.of_processes(fault, units, list(found.values()), self.asks)

    def inject(self, handle: Handle) -> float:
        return faults.inject(handle)

    def undo(self, handle: Handle) -> float:
        return faults.undo(handle)

    def gone(self, handle: Handle, within: float) -> None:
        faults.await_gone(handle, within)

    def locate(self, service: Any) -> Any:
        raise DevstackError("not installed")

    def exit_reason(self, service: Any) -> str:
        return "" if self.processes(service) else f"{UNIT} has ended"

    def end(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()


@dataclass
class IdleDrill:
    """Freezes the victim, and thaws it unless it is asked to stop in between."""

    name: str = "sleeper.idle"
    title: str = "nothing"
    faults: tuple[str, ...] = ("sigstop", "sigkill")
    refusal: str = ""
    only_reports: bool = False
    error: str = ""
    stay: Callable[[], Any] | None = None
    contexts: list[Context] = field(default_factory=list)

    def victims(self, target: Target) -> tuple[str, ...]:
        return ("one", "two")

    def plan(
        self, target: Target, files: ServiceFiles, fault: str, victim: str, thresholds: Thresholds
    ) -> Plan:
        return Plan(
            drill=self.name,
            fault=fault,
            victim=victim,
            actions=("break it",),
            steps=(PlannedStep("sleeper.idle.01", "it comes back"),),
            touches=("it",),
            expected_s=1.0,
            refusal=self.refusal,
            remedy="wait" if self.refusal else "",
            only_reports=self.only_reports,
        )

    async def run(self, context: Context) -> AsyncGenerator[DrillEvent, None]:
        self.contexts.append(context)
        yield DrillPhase(context.repeat, "preconditions")
        if self.only_reports:
            failed = result_of(context.repeat, status=Status.FAIL)
            yield RepeatEnded(msgspec.structs.replace(failed, begun=False, shards=()))
            return
        if self.error and context.repeat > 1:
            raise DevstackError(self.error, "wait")
        if context.fault == "sigkill":
            context.injector.kill(UNIT)
        else:
            context.injector.freeze(UNIT)
        yield DrillPhase(context.repeat, "fault")
        if self.stay is not None:
            await self.stay()
        if context.fault == "sigkill":
            await context.injector.start(context.service)
        else:
            context.injector.thaw(UNIT)
        yield RepeatEnded(result_of(context.repeat, victim=context.victim))


def result_of(
    repeat: int = 1,
    *,
    victim: str = "one",
    window: float = 0.5,
    status: Status = Status.PASS,
    void: str = "",
    lost: int = 0,
    step: str = "sleeper.idle.01",
) -> DrillResult:
    return DrillResult(
        drill="sleeper.idle",
        fault="sigstop",
        victim=victim,
        repeat=repeat,
        started=1_700_000_000.0,
        seconds=2.0,
        verdict=status,
        steps=(Result(step, "it comes back", status, f"after {window} s"),),
        shards=(
            Shard(
                name="shard 1",
                write_window_s=window,
                read_window_s=window / 2,
                acknowledged=100,
                lost=lost,
            ),
        ),
        timings={"detect": window / 2},
        expected=(0.1, 0.9),
        theory="half a second",
        markers=(Marker(repeat, 0.0, "fault", "one", "<sigstop>"), Marker(repeat, 200.0, "back")),
        lanes={"shard 1 write": "oooxx.ooo", "shard 1 read": "oooooxxoo"},
        lanes_from_ms=-150.0,
        void=void,
    )
