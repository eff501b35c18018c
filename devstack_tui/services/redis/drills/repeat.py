"""One fault on one node, from the preconditions to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import ParamSpec, TypeVar

from devstack_tui.contracts.drill import ClusterMap, Context, DrillEvent
from devstack_tui.contracts.drill_repeat import Repeat
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Result, Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import Emit
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    nodes_of,
    require_ready,
)
from devstack_tui.services.redis.drills.steps import Outcome, decide, pass_or_problems
from devstack_tui.services.redis.instrument import (
    Instrument,
    ListContents,
    Recording,
    clean,
    judge,
    present,
    split_brain,
)

KEYS = "devstack-tui:drill:"
READY_WITHIN_S, AGAIN_WITHIN_S = 3.0, 30.0
"""How long the first repeat, and a later one, waits for the preconditions."""
REJOIN_WITHIN_S = 30.0
P = ParamSpec("P")
T = TypeVar("T")


class ClusterRepeat(Repeat):
    """What every drill of the cluster has: the instrument around what is done to it."""

    def __init__(self, drill: str, context: Context, emit: Emit[DrillEvent]) -> None:
        super().__init__(drill, context, emit)
        self.target: Target = context.target
        self._instrument: Instrument | None = None

    def option(self, name: str) -> float:
        """A number of the drill's table in drills.toml."""
        return float(self.context.options[name])

    async def pause(self, name: str) -> None:
        """Let the instrument measure for as long as drills.toml says."""
        await asyncio.sleep(self.option(name))

    async def thread(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """`work`, which blocks, in a thread."""
        return await asyncio.to_thread(work, *given, **named)

    async def ready(self) -> ClusterSnapshot:
        """The preconditions; what they lack is waited for. Raises `NotReadyError`."""
        self.phase("preconditions", "whole, and every replica in sync three times in a row")
        patience = AGAIN_WITHIN_S if self.context.repeat > 1 else READY_WITHIN_S
        seen = await self.thread(require_ready, self.target, self.context.files, patience)
        # What a drill left that was killed: no other one runs now.
        await self.thread(bulk.clear, self.target, KEYS, 0.0)
        return seen

    @contextlib.asynccontextmanager
    async def measuring(self) -> AsyncGenerator[Instrument, None]:
        """The instrument, its events passed on. Left by a failure, the cluster is healed and the
        run's keys go: whoever aborts a drill finds nothing of it."""
        try:
            async with await Instrument.start(self.context) as instrument:
                self._instrument = instrument
                listener = asyncio.create_task(self._listen(instrument))
                try:
                    yield instrument
                finally:
                    await instrument.close()
                    await listener
        except BaseException:
            await self._give_up()
            raise

    async def _listen(self, instrument: Instrument) -> None:
        async for event in instrument.events():
            self.emit(event)

    async def _give_up(self) -> None:
        """Heal and clean as far as it goes: the engine heals again, and reports what is left."""
        self.phase("healing", "what the drill had broken")
        with contextlib.suppress(DevstackError):
            await self.undo()
            await self.thread(require_ready, self.target, self.context.files, REJOIN_WITHIN_S)
            await clean(self.context)

    async def whole_again(self) -> ClusterSnapshot:
        """The cluster once it is whole: the last map is what was verified, not what the
        observers met last. Raises `UnreachableError` when it is not."""
        seen = await self.thread(require_ready, self.target, self.context.files, REJOIN_WITHIN_S)
        if self._instrument is not None:
            nodes = nodes_of(seen, self.target)
            self.emit(ClusterMap(self.context.repeat, self._instrument.ms, nodes))
        return seen

    async def undo(self) -> None:
        """Undo whatever fault is in force."""
        await self.context.injector.start(self.context.service)

    async def read_back(self, recording: Recording, outcome: Outcome) -> None:
        """What is there of all that was written, read from the owners of now."""
        self.phase("verifying", "reading the acknowledged writes back")
        there: ListContents | None
        try:
            there = await present(self.context)
        except DevstackError as error:
            outcome.unread = redact(error.message)
            there = None
        outcome.shards = await self.thread(judge, recording, there)
        outcome.split_brain = len(await self.thread(split_brain, recording))

    def victim(self, outcome: Outcome) -> str:
        """Its name for the user: `first (redis-4)`."""
        asked = self.context.victim
        return asked if asked == outcome.name else f"{asked} ({outcome.name})"

    async def cleaned(self) -> Result:
        """Step 16."""
        self.phase("cleaning")
        try:
            left = await clean(self.context)
        except DevstackError as error:
            return decide("16", Status.ERROR, f"the keys could not be removed: {error.message}")
        wrong = [f"{count} on {node}" for node, count in left.left.items()]
        wrong += [f"{node} did not answer" for node in left.unreachable]
        return pass_or_problems("16", wrong, "none is left on any node")

    def measured(self, recording: Recording, outcome: Outcome, timings: dict[str, float]) -> None:
        """Emit the result of the repeat."""
        self.ended(
            self.victim(outcome),
            outcome.shards,
            recording.void,
            timings=timings,
            expected=outcome.limits.expected,
            theory=outcome.limits.theory,
            split_brain=outcome.split_brain,
            shard=outcome.shard,
            starved=outcome.starved,
            markers=recording.markers,
            lanes=recording.lanes,
            lanes_from_ms=recording.lanes_from_ms,
            cell_ms=recording.cell_ms,
            instrument_cpu=recording.cpu,
            late_ms=recording.late_ms,
            notes=tuple(outcome.notes),
        )
