"""What the Drill pane shows of a drill: its lanes, its map, its markers, its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from devstack_tui.contracts.drill import Cells, ClusterMap, DrillResult, Marker
from devstack_tui.core.check import Result
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
    available: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrillListing:
    """What there is: the drills, and those that were run, newest first, without their timelines."""

    drills: tuple[DrillChoice, ...] = ()
    history: tuple[DrillReport, ...] = ()


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
        timeline.acknowledged = sum(shard.acknowledged for shard in result.shards)
        timeline.indeterminate = sum(shard.indeterminate for shard in result.shards)
        timeline.failed = sum(sum(shard.errors.values()) for shard in result.shards)
        return timeline
