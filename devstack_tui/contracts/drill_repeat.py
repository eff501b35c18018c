"""One repeat of a drill while it runs, whatever is drilled: its phases, its steps, its result."""

from __future__ import annotations

import time
from typing import Any

from devstack_tui.contracts.drill import (
    Context,
    DrillEvent,
    DrillPhase,
    DrillResult,
    RepeatEnded,
    Shard,
    Step,
)
from devstack_tui.core.check import Result, Status, verdict
from devstack_tui.core.event_stream import Emit


class Repeat:
    """Emits what happens and keeps what was decided. It begins when it is made."""

    def __init__(self, drill: str, context: Context, emit: Emit[DrillEvent]) -> None:
        self.drill = drill
        self.context = context
        self.emit = emit
        self.results: list[Result] = []
        self._started = time.time()
        self._begun = time.monotonic()

    def phase(self, phase: str, detail: str = "") -> None:
        """A phase begins: see `DrillPhase`."""
        self.emit(DrillPhase(self.context.repeat, phase, detail))

    def decide(self, result: Result) -> None:
        """One step is decided."""
        self.results.append(result)
        self.emit(Step(self.context.repeat, result))

    def ended(self, victim: str, shards: tuple[Shard, ...], void: str, **measured: Any) -> None:
        """Emit the result; `measured` are further fields of `DrillResult`. A measurement that is
        void, and why, passes nothing."""
        judged = verdict(self.results)
        result = DrillResult(
            drill=self.drill,
            fault=self.context.fault,
            victim=victim,
            repeat=self.context.repeat,
            started=self._started,
            seconds=time.monotonic() - self._begun,
            verdict=Status.INCONCLUSIVE if void and judged is Status.PASS else judged,
            steps=tuple(self.results),
            shards=shards,
            void=void,
            **measured,
        )
        self.emit(RepeatEnded(result))
