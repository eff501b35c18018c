"""The timeline of one stream of writes around a fault, emitted while it runs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from devstack_tui.contracts.drill import Cells, DrillEvent, Marker
from devstack_tui.core.event_stream import Emit
from devstack_tui.loadgen.ack_stream import Stream
from devstack_tui.loadgen.acknowledged_writes import INDETERMINATE, Operation
from devstack_tui.loadgen.lane_cells import CELL_MS, LaneCells

TICK_S = 0.1
LANE = "write"


class WriteTimeline:
    """Emits cells and markers of a running stream. Those from before the fault follow once it is
    there: only then do they have a time."""

    def __init__(self, stream: Stream, repeat: int, emit: Emit[DrillEvent]) -> None:
        self.stream = stream
        self.markers: list[Marker] = []
        self.fault: float | None = None
        """Monotonic seconds."""
        self.late_s = 0.0
        """The worst delay of our own clock."""
        self.cpu_s = 0.0
        """What the whole process used while the stream ran."""
        self.seconds = 0.0
        self._repeat = repeat
        self._emit = emit
        self._cell: int | None = None
        self._begun = (time.monotonic(), time.process_time())
        stream.start()

    @property
    def after(self) -> float:
        """Seconds since the fault."""
        return time.monotonic() - (self.fault or time.monotonic())

    def mark(self, kind: str, at: float, node: str, text: str) -> None:
        """Emit that something happened at `at` (monotonic seconds)."""
        marker = Marker(self._repeat, round((at - (self.fault or at)) * 1000, 1), kind, node, text)
        self.markers.append(marker)
        self._emit(marker)

    async def watch(self) -> None:
        """Emit the cells as they become final, until cancelled."""
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self.late_s = max(self.late_s, time.monotonic() - due)
            self._emit_cells(self.stream.snapshot(), time.monotonic())

    async def until(self, holds: Callable[[Sequence[Operation]], bool], seconds: float) -> bool:
        """Wait until the writes so far are as wanted; False when that takes longer."""
        deadline = time.monotonic() + seconds
        while not holds(self.stream.snapshot()):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(TICK_S / 4)
        return True

    async def stop(self, within: float | None = None) -> tuple[Operation, ...]:
        """End the stream, and emit the cells that are left. Idempotent."""
        writes = await asyncio.to_thread(self.stream.stop, within)
        if self.seconds:
            return writes
        began, used = self._begun
        self.seconds = time.monotonic() - began
        self.cpu_s = time.process_time() - used
        # The last cell is not over, and nothing more will come into it.
        self._emit_cells(writes, time.monotonic() + CELL_MS / 1000)
        return writes

    def _emit_cells(self, writes: Sequence[Operation], until: float) -> None:
        if self.fault is None or not writes:
            return
        first = first_cell(writes, self.fault) if self._cell is None else self._cell
        last = math.floor((until - self.fault) * 1000 / CELL_MS)
        if last <= first:
            return
        self._cell = last
        acknowledged = sum(write.ok for write in writes)
        unknown = sum(write.outcome == INDETERMINATE for write in writes)
        self._emit(
            Cells(
                repeat=self._repeat,
                from_ms=float(first * CELL_MS),
                cell_ms=CELL_MS,
                lanes={LANE: lane(writes, self.fault, first, last)},
                acknowledged=acknowledged,
                failed=len(writes) - acknowledged - unknown,
                indeterminate=unknown,
            )
        )


def first_cell(writes: Sequence[Operation], fault: float) -> int:
    """The cell of the first write; the fault begins cell 0."""
    return math.floor((min(write.done_s for write in writes) - fault) * 1000 / CELL_MS)


def lane(writes: Sequence[Operation], fault: float, first: int, last: int) -> str:
    """The cells from `first` up to but without `last`."""
    cells = LaneCells(fault + first * CELL_MS / 1000)
    for write in writes:
        cells.put(write.done_s, write.ok)
    return cells.take(last - first)
