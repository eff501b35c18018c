"""What a drill has told so far, folded: its lanes, its map, its markers, its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from devstack_tui.contracts.drill import (
    Cells,
    ClusterMap,
    DrillPhase,
    DrillResult,
    Marker,
    Plan,
    RepeatEnded,
    Step,
)
from devstack_tui.core.check import Result
from devstack_tui.core.errors import DevstackError
from devstack_tui.drill.events import (
    AnyDrillEvent,
    DrillDone,
    DrillNote,
    DrillPlanned,
    DrillReport,
)

LONGEST_MS = 600_000.0
"""Cells further away than this are a fault of the sender, and would cost memory."""
SILENT = "."


class DrillChoice(msgspec.Struct, frozen=True):
    """One drill of `drill list`; `reason` says why it cannot run."""

    name: str
    title: str
    service: str
    faults: tuple[str, ...]
    victims: tuple[str, ...] = ()
    available: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrillListing:
    """What there is: the drills, and those that were run, newest first, without their courses."""

    drills: tuple[DrillChoice, ...] = ()
    history: tuple[DrillReport, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What is to be run."""

    drill: str
    fault: str
    victim: str
    repeats: int = 1

    def words(self, what: str) -> tuple[str, ...]:
        """The command line of `drill plan` or `drill run` without its switches."""
        victim = ("--victim", self.victim) if self.victim else ()
        repeats = ("--repeat", str(self.repeats)) if self.repeats > 1 else ()
        return ("drill", what, self.drill, "--fault", self.fault, *victim, *repeats)

    @property
    def title(self) -> str:
        """`redis.failover · sigkill · master-1 · 3 times`."""
        times = f"{self.repeats} times" if self.repeats > 1 else ""
        return " · ".join(filter(None, [self.drill, self.fault, self.victim, times]))


@dataclass(slots=True)
class Course:
    """The lanes of one repeat: a character for each cell, from `from_ms` after the fault on."""

    repeat: int
    cell_ms: int = 50
    from_ms: float = 0.0
    lanes: dict[str, str] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    map: ClusterMap | None = None
    steps: dict[str, Result] = field(default_factory=dict)
    acknowledged: int = 0
    failed: int = 0
    indeterminate: int = 0
    moved: bool = False
    """The next stretch counts from the fault, and those before did not: they join without a gap."""

    @property
    def cells(self) -> int:
        """How many cells the longest lane has."""
        return max((len(lane) for lane in self.lanes.values()), default=0)

    @property
    def zero(self) -> int:
        """The cell of the fault; beyond the lanes, or negative, when it is not in them."""
        return round(-self.from_ms / self.cell_ms)

    def take(self, told: Cells) -> None:
        """Append a stretch."""
        if abs(told.from_ms) > LONGEST_MS or told.cell_ms <= 0:
            return
        self.acknowledged = told.acknowledged
        self.failed = told.failed
        self.indeterminate = told.indeterminate
        if not self.lanes:
            self.cell_ms, self.from_ms = told.cell_ms, told.from_ms
        elif self.moved:
            self.from_ms = told.from_ms - self.cells * self.cell_ms
        self.moved = False
        for name, text in told.lanes.items():
            self._put(name, round((told.from_ms - self.from_ms) / self.cell_ms), text)

    def mark(self, marker: Marker) -> None:
        """Add a marker. The first fault is the zero of all that follows."""
        if marker.kind == "fault" and not any(known.kind == "fault" for known in self.markers):
            self.moved = True
        self.markers.append(marker)

    def _put(self, name: str, at: int, text: str) -> None:
        lane = self.lanes.get(name, "")
        if at < 0 or at > len(lane) + LONGEST_MS / self.cell_ms:
            return
        lane = lane.ljust(at, SILENT)
        self.lanes[name] = lane[:at] + text + lane[at + len(text) :]

    @classmethod
    def of(cls, result: DrillResult) -> Course:
        """The whole course of a repeat that is over."""
        course = cls(result.repeat, max(result.cell_ms, 1), result.lanes_from_ms)
        course.lanes = dict(result.lanes)
        course.markers = list(result.markers)
        course.steps = {step.id: step for step in result.steps}
        course.acknowledged = sum(shard.acknowledged for shard in result.shards)
        course.indeterminate = sum(shard.indeterminate for shard in result.shards)
        course.failed = sum(sum(shard.errors.values()) for shard in result.shards)
        return course


@dataclass(slots=True)
class DrillJob:
    """One `drill run`: what its events have told so far."""

    request: DrillRequest
    started_at: float
    plan: Plan | None = None
    phase: DrillPhase | None = None
    course: Course | None = None
    results: list[DrillResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: DrillDone | None = None
    error: DevstackError | None = None
    stopping: bool = False
    ended_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether its end is still to come."""
        return self.ended_at is None

    def elapsed(self, now: float) -> float:
        """Seconds since it began, until it ended."""
        return max((self.ended_at or now) - self.started_at, 0.0)

    @property
    def verdict(self) -> str:
        """Of the whole, once there is one."""
        return self.done.report.verdict if self.done and self.done.report else ""

    @property
    def lost(self) -> int | None:
        """Acknowledged writes that were lost; known once a repeat was read back."""
        if not self.results:
            return None
        return sum(shard.lost for result in self.results for shard in result.shards)

    def take(self, event: AnyDrillEvent) -> bool:
        """Fold one event in; True when it should be shown at once."""
        match event:
            case DrillPlanned():
                self.plan = event.plan
            case DrillNote():
                self.notes.append(event.text)
            case DrillPhase():
                self.phase = event
                self._course(event.repeat)
            case ClusterMap():
                self._course(event.repeat).map = event
            case Cells():
                self._course(event.repeat).take(event)
                return False
            case Marker():
                self._course(event.repeat).mark(event)
            case Step():
                self._course(event.repeat).steps[event.result.id] = event.result
            case RepeatEnded():
                self._end_repeat(event.result)
            case DrillDone():
                self.done = event
            case _:
                return False
        return True

    def _course(self, repeat: int) -> Course:
        if self.course is None or self.course.repeat != repeat:
            self.course = Course(repeat)
        return self.course

    def _end_repeat(self, result: DrillResult) -> None:
        self.results.append(result)
        seen = self.course.map if self.course is not None else None
        self.course = Course.of(result)
        self.course.map = seen
