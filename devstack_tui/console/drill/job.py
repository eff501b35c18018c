"""Drills as jobs: one at a time, and each heals the stack when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from devstack_tui.console.drill.model import DrillChoice, DrillListing, RepeatTimeline
from devstack_tui.console.pane_jobs import Jobs, PaneJob, ask
from devstack_tui.contracts.drill import (
    Cells,
    ClusterMap,
    DrillPhase,
    DrillResult,
    Marker,
    Plan,
    RepeatEnded,
    Step,
    total,
)
from devstack_tui.core.errors import DevstackError
from devstack_tui.drill.compare import Comparison
from devstack_tui.drill.events import AnyDrillEvent, DrillDone, DrillNote, DrillPlanned, DrillReport
from devstack_tui.jobs.files import JobStarted


class _Drills(msgspec.Struct, frozen=True):
    drills: tuple[DrillChoice, ...] = ()


class _Reports(msgspec.Struct, frozen=True):
    drills: tuple[DrillReport, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What is to be run."""

    drill: str
    fault: str
    victim: str
    repeats: int = 1
    verb: ClassVar[str] = "drill run"
    outlives: ClassVar[bool] = False

    @classmethod
    def of(cls, started: JobStarted) -> DrillRequest:
        """The drill that a job was started with."""
        words = started.words
        options = dict(zip(words[1::2], words[2::2], strict=False))
        victim, repeats = options.get("--victim", ""), options.get("--repeat", "1")
        return cls(words[0], options["--fault"], victim, int(repeats))

    @property
    def planned(self) -> tuple[str, ...]:
        """The command line behind `drill plan`."""
        victim = ("--victim", self.victim) if self.victim else ()
        repeats = ("--repeat", str(self.repeats)) if self.repeats > 1 else ()
        return (self.drill, "--fault", self.fault, *victim, *repeats)

    @property
    def words(self) -> tuple[str, ...]:
        """The command line behind `drill run`."""
        return (*self.planned, "--yes")

    @property
    def title(self) -> str:
        """`redis.failover · sigkill · master-1 · 3 times`."""
        times = f"{self.repeats} times" if self.repeats > 1 else ""
        return " · ".join(filter(None, [self.drill, self.fault, self.victim, times]))


@dataclass(slots=True)
class DrillJob(PaneJob[DrillRequest]):
    """One drill: what its events so far amount to."""

    plan: Plan | None = None
    phase: DrillPhase | None = None
    timeline: RepeatTimeline | None = None
    results: list[DrillResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    EVENTS: ClassVar[Any] = AnyDrillEvent

    @property
    def lost(self) -> int | None:
        """Acknowledged writes that were lost; known once a repeat was read back."""
        if not self.results:
            return None
        return total(result.lost for result in self.results)

    def fold(self, event: AnyDrillEvent, now: float) -> bool:  # noqa: ARG002
        """Fold one event in; True when it should be shown at once."""
        match event:
            case DrillPlanned():
                self.plan = event.plan
            case DrillNote():
                self.notes.append(event.text)
            case DrillPhase():
                self.phase = event
                self._timeline(event.repeat)
            case ClusterMap():
                self._timeline(event.repeat).map = event
            case Cells():
                self._timeline(event.repeat).add(event)
                return False
            case Marker():
                self._timeline(event.repeat).mark(event)
            case Step():
                self._timeline(event.repeat).steps[event.result.id] = event.result
            case RepeatEnded():
                self._end_repeat(event.result)
            case DrillDone():
                self.done = event
            case _:
                return False
        return True

    def _timeline(self, repeat: int) -> RepeatTimeline:
        if self.timeline is None or self.timeline.repeat != repeat:
            self.timeline = RepeatTimeline(repeat)
        return self.timeline

    def _end_repeat(self, result: DrillResult) -> None:
        self.results.append(result)
        seen = self.timeline.map if self.timeline is not None else None
        self.timeline = RepeatTimeline.of(result)
        self.timeline.map = seen


class DrillJobs(Jobs[DrillRequest, DrillJob]):
    """The drills of this console, and the history of the stack."""

    REQUEST, JOB = DrillRequest, DrillJob
    VERBS = frozenset({"drill run"})
    GRACE_S = 90.0
    listing = DrillListing()

    def forget(self) -> None:
        """No drill of it, and none that it allows."""
        super().forget()
        self.listing = DrillListing()

    async def load(self) -> None:
        """Read the drills and their history. Errors: `DevstackError`."""
        drills = await ask(self.cli, _Drills, "drill", "list")
        reports = await ask(self.cli, _Reports, "drill", "history")
        self.listing = DrillListing(drills.drills, reports.drills, reports.notes)

    async def plan(self, request: DrillRequest) -> Plan:
        """What would be done. Errors: `DevstackError`, also when the drill is refused."""
        plan = await ask(self.cli, Plan, "drill", "plan", *request.planned)
        if plan.refusal and not plan.only_reports:
            raise DevstackError(plan.refusal, plan.remedy)
        return plan

    async def report(self, name: str) -> DrillReport:
        """A drill of the history with all of its repeats. Errors: `DevstackError`."""
        return await ask(self.cli, DrillReport, "drill", "show", name)

    async def compare(self, a: str, b: str) -> Comparison:
        """Two drills of the history. Errors: `DevstackError`."""
        return await ask(self.cli, Comparison, "drill", "compare", a, b)
