"""What the Drill pane shows of a drill: its lanes, its map, its markers, its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from devstack_tui.contracts.drill import Cells, ClusterMap, DrillResult, Marker, total
from devstack_tui.core.check import Result, Status
from devstack_tui.drill.events import DrillReport

LONGEST_MS = 600_000.0
"""Cells further away than this are a fault of the sender, and would cost memory."""
SILENT = "."


class DrillChoice(msgspec.Struct, frozen=True):
    """One drill of `drill list`; `reason` is why it cannot run."""

    name: str
    title: str
    service: str
    faults: tuple[str, ...]
    refused: dict[str, str] = {}
    """The faults that this stack does not allow, with the reason."""
    victims: tuple[str, ...] = ()
    core: bool = False
    """Whether a run of it can decide core checks."""
    available: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrillListing:
    """What there is: the drills, and those that were run, newest first, without their timelines;
    `notes` are what is wrong with the history."""

    drills: tuple[DrillChoice, ...] = ()
    history: tuple[DrillReport, ...] = ()
    notes: tuple[str, ...] = ()


NOT_CORE = "not core"
"""Of a drill that decides core checks, when only other runs of it passed."""
_WORST = (Status.ERROR, Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)
_BAD = _WORST[:2]


def standing(
    drill: DrillChoice, history: tuple[DrillReport, ...]
) -> tuple[str, DrillReport | None]:
    """How a drill stands, and by which run; `history` is newest first. The newest core result is
    the drill's, and failures of other faults or victims stand beside it; without one, it is the
    worst of the newest of each fault and victim."""
    newest: dict[tuple[str, str], DrillReport] = {}
    own = [past for past in history if past.drill == drill.name]
    for past in own:
        newest.setdefault((past.fault, past.victim), past)
    core = next((past for past in own if past.core), None)
    if core is not None:
        beside = sum(past.verdict in _BAD for past in newest.values() if past is not core)
        failed = f"{Status.PASS}, {beside} {Status.FAIL}"
        return (failed if beside and core.verdict == Status.PASS else core.outcome), core
    if not newest:
        return "", None
    worst = min(newest.values(), key=_place)
    passed = worst.verdict in (Status.PASS, Status.WARN)
    return (NOT_CORE if drill.core and passed else worst.outcome), worst


def _place(past: DrillReport) -> tuple[int, bool]:
    """The worst first; a pass with warnings before one without. Unknown words come last."""
    words = [str(status) for status in _WORST]
    place = words.index(past.verdict) if past.verdict in words else len(words)
    return place, past.outcome == past.verdict


@dataclass(slots=True)
class RepeatTimeline:
    """The lanes of one repeat: a character for each cell, from `from_ms` after the fault on."""

    repeat: int
    cell_ms: int = 50
    from_ms: float = 0.0
    lanes: dict[str, str] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    map: ClusterMap | None = None
    steps: dict[str, Result] = field(default_factory=dict)
    acknowledged: int | None = None
    failed: int | None = None
    indeterminate: int | None = None
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

    def add(self, cells: Cells) -> None:
        """Append a stretch."""
        if abs(cells.from_ms) > LONGEST_MS or cells.cell_ms <= 0:
            return
        self.acknowledged = cells.acknowledged
        self.failed = cells.failed
        self.indeterminate = cells.indeterminate
        if not self.lanes:
            self.cell_ms, self.from_ms = cells.cell_ms, cells.from_ms
        elif self.moved:
            self.from_ms = cells.from_ms - self.cells * self.cell_ms
        self.moved = False
        for name, text in cells.lanes.items():
            self._put(name, round((cells.from_ms - self.from_ms) / self.cell_ms), text)

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
    def of(cls, result: DrillResult) -> RepeatTimeline:
        """The whole timeline of a repeat that is over."""
        timeline = cls(result.repeat, max(result.cell_ms, 1), result.lanes_from_ms)
        timeline.lanes = dict(result.lanes)
        timeline.markers = list(result.markers)
        timeline.steps = {step.id: step for step in result.steps}
        timeline.acknowledged = total(shard.acknowledged for shard in result.shards)
        timeline.indeterminate = total(shard.indeterminate for shard in result.shards)
        timeline.failed = total(sum(shard.errors.values()) for shard in result.shards)
        return timeline
