"""One repeat of a drill while it runs, whatever is drilled: its phases, its steps, its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
from devstack_tui.core.errors import DevstackError
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

    def broken_off(self, titles: Mapping[str, str], error: DevstackError) -> None:
        """End in the middle: of the steps (titles by number) that are not decided, the first could
        not be made for `error`, and the others were not reached. Without any that was decided,
        nothing was done: that is no result."""
        known = {result.id for result in self.results}
        left = [number for number in titles if f"{self.drill}.{number}" not in known]
        if not known:
            return
        for number in left:
            status, why, remedy = Status.SKIPPED, f"not reached: {left[0]} could not be made", ""
            if number == left[0]:
                status, why, remedy = Status.ERROR, error.message, error.remedy
            self.decide(Result(f"{self.drill}.{number}", titles[number], status, why, remedy))
        self.ended(self.context.victim, (), "", split_brain=None)

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
