"""A drill as `check prove` runs it: with a sabotage that begins and ends at its phases."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.drill import DrillPhase, RepeatEnded
from devstack_tui.contracts.proof import ProvenRun, RunProofPart, RunSabotage, Sabotaged, Statuses
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import in_thread
from devstack_tui.drill.catalogue import Catalogue, Entry
from devstack_tui.drill.events import DrillDone
from devstack_tui.drill.runner import Runner
from devstack_tui.stack.stack import Stack

FILES = ("configs/drills.toml", "devstack_tui/drill/runner.py", "devstack_tui/drill/verdict.py")


class DrillProof:
    """See `contracts.proof.ProvenRun`."""

    def __init__(self, entry: Entry, part: RunProofPart) -> None:
        self._entry = entry
        self.checks = part.checks
        self.sabotages = part.sabotages
        self.files = (*FILES, *part.files)

    async def run(
        self, stack: str, like: RunSabotage, broken: SabotageStack | None
    ) -> AsyncGenerator[str | Statuses, None]:
        """See the Protocol."""
        given = like.given
        runner = Runner(
            Stack(stack), self._entry, fault=given.get("fault"), victim=given.get("victim")
        )
        force = Force(like, broken)
        done = DrillDone(None, 1)
        try:
            await force.reach("", 1)
            async with contextlib.aclosing(runner.run()) as events:
                async for event in events:
                    if isinstance(event, DrillPhase):
                        yield f"{event.phase} {event.detail}".rstrip()
                        await force.reach(event.phase, event.repeat)
                    elif isinstance(event, RepeatEnded) and event.result.repeat == like.turn:
                        # The drill heals the service after this: not against what is in force.
                        await force.end()
                    elif isinstance(event, DrillDone):
                        done = event
        finally:
            await force.end()
        if done.report is None or not done.healed:
            raise DevstackError(done.message, done.remedy)
        force.require_done()
        for step in done.report.steps:
            if step.status not in (Status.PASS, Status.SKIPPED):
                yield f"{step.status} {step.id}: {step.evidence}"
        yield {step.id: step.status for step in done.report.steps}


class Force:
    """When the sabotage is in force; never without a stack to break."""

    def __init__(self, sabotage: RunSabotage, broken: SabotageStack | None) -> None:
        self._sabotage = sabotage
        self._broken = broken
        self._undo = contextlib.ExitStack()
        self._entered = False

    async def reach(self, phase: str, turn: int) -> None:
        """A phase begins. Raises what the sabotage, or its end, raises."""
        sabotage = self._sabotage
        if phase and turn != sabotage.turn:
            return
        if phase == sabotage.begins and not self._entered and self._broken is not None:
            self._entered = True
            context = sabotage.apply(self._broken)
            await in_thread(lambda: self._undo.enter_context(context))
        elif phase and phase == sabotage.ends:
            await self.end()

    async def end(self) -> None:
        """Undo it, if it is in force."""
        await in_thread(self._undo.close)

    def require_done(self) -> None:
        """Raise `DevstackError` for a sabotage whose phase never came."""
        if self._broken is not None and not self._entered:
            raise DevstackError(f"the drill never came to its phase {self._sabotage.begins!r}")


def proven_runs() -> tuple[ProvenRun, ...]:
    """The drills that say what turns their steps red."""
    return tuple(
        DrillProof(entry, entry.drill.proof())
        for entry in Catalogue().entries.values()
        if isinstance(entry.drill, Sabotaged)
    )
