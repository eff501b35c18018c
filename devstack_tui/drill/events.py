"""The events of the drill engine, besides the events of the drill itself (`contracts.drill`)."""

from __future__ import annotations

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
from devstack_tui.core.check import Result, Status
from devstack_tui.core.events import Now, Timed


class DrillPlanned(Timed, frozen=True, tag="drill_planned"):
    """The plan, before anything is touched."""

    stack: str
    plan: Plan
    repeats: int


class DrillNote(Timed, frozen=True, tag="drill_note"):
    """A sentence for the user: a repair that was made, a measurement that is void."""

    text: str


class Spread(msgspec.Struct, frozen=True):
    """One figure over the repeats."""

    median: float
    low: float
    high: float
    p95: float
    count: int


class DrillReport(msgspec.Struct, frozen=True, kw_only=True):
    """`drill run --json`. The windows and counts are the worst of all repeats, None where nothing
    was measured or could be read back; `spread` by name (`write_window_s`, `detect`, …). `core`:
    this very run decides the core checks."""

    id: str
    drill: str
    fault: str
    victim: str
    verdict: str
    write_window_s: float | None
    read_window_s: float | None
    lost: int | None
    resurrected: int | None
    indeterminate: int | None
    split_brain: int | None
    steps: tuple[Result, ...]
    """Of every repeat, its worst status."""
    repeats: tuple[DrillResult, ...]
    spread: dict[str, Spread] = {}
    seconds: float = 0.0
    started: Now = 0.0
    fingerprint: str = ""
    command: str = ""
    core: bool = False

    @property
    def outcome(self) -> str:
        """The verdict and what it does not say: `PASS, 1 WARN`."""
        warned = sum(step.status is Status.WARN for step in self.steps)
        return f"{self.verdict}, {warned} WARN" if warned else self.verdict


class DrillDone(Timed, frozen=True, tag="drill_done"):
    """The last event. Without a report it was refused or failed: `message` is why."""

    report: DrillReport | None
    exit_code: int
    healed: bool = True
    message: str = ""
    remedy: str = ""


class SweepRow(msgspec.Struct, frozen=True, tag_field="event", tag="sweep_row"):
    """One value of the setting: the windows of its drills in seconds, and the false alarms of a
    stretch of `watched_s` seconds under CPU load. `report` is the drill's id in the history."""

    value: int
    verdict: str
    write_window_s: tuple[float, ...]
    expected: tuple[float, float] | None
    watched_s: float
    suspected: int
    failed: int
    failovers: int
    reports: tuple[str, ...] = ()


class SweepDone(Timed, frozen=True, tag="sweep_done"):
    """The last event of a sweep. `advice` is a value, or None when none of them is good."""

    drill: str
    setting: str
    before: int
    rows: tuple[SweepRow, ...]
    advice: int | None
    reason: str
    exit_code: int
    healed: bool = True
    message: str = ""
    remedy: str = ""


AnyDrillEvent = (
    DrillPlanned
    | DrillNote
    | DrillPhase
    | ClusterMap
    | Cells
    | Marker
    | Step
    | RepeatEnded
    | DrillDone
    | SweepRow
    | SweepDone
)
