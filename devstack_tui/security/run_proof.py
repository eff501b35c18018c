"""Proof of the checks that one run decides together: it is made whole, broken, and whole again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence

from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.proof import ProvenRun, RunSabotage, Statuses
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.events import Proof, ProofStep
from devstack_tui.security.sabotage_run import counted, held, redder

DECIDED = (Status.PASS, Status.WARN)
GREEN = (Status.PASS, Status.SKIPPED, Status.INCONCLUSIVE)


def judge(
    sabotage: RunSabotage,
    before: Statuses,
    broken: Statuses,
    after: Statuses,
    *,
    seconds: float = 0.0,
    ran: Sequence[str] = (),
) -> Proof:
    """What three runs show. Pure. What the sabotage is of must be decided before and after it;
    of the other checks it is enough that they are not red."""
    turned = {id for id in before if redder(before[id], broken.get(id, Status.ERROR))}
    # What was not decided before cannot be seen to turn: that of the sabotage itself must be.
    wanted = {sabotage.turns} | {id for id in sabotage.expects if before.get(id) in DECIDED}
    stuck = {
        id
        for id, was in before.items()
        if (now := after.get(id, Status.ERROR)) not in (was, Status.PASS)
        and (id == sabotage.turns or now not in GREEN)
    }
    return Proof(
        sabotage=sabotage.id,
        title=sabotage.title,
        turned=tuple(sorted(turned)),
        missed=tuple(sorted(wanted - turned)),
        strayed=tuple(sorted(turned - wanted - {*sabotage.expects, *sabotage.may})),
        stuck=tuple(sorted(stuck)),
        seconds=seconds,
        ran=tuple(sorted(ran)),
    )


class RunProofs:
    """The proofs of several sabotages on one stack. What a run found after one of them is what was
    there before the next one that is made alike."""

    def __init__(self, stack: str, broken: SabotageStack) -> None:
        self._stack = stack
        self._broken = broken
        self._known: dict[tuple[str, ...], Statuses] = {}
        self._found: Statuses = {}
        self.proofs: list[Proof] = []

    async def prove(self, run: ProvenRun, sabotage: RunSabotage) -> AsyncGenerator[ProofStep, None]:
        """The `Proof` is added to `proofs`. Closing the generator undoes the sabotage.

        Raises `DevstackError` when the run without it cannot be made.
        """
        started = time.monotonic()
        alike = (sabotage.turns.rpartition(".")[0], *_items(sabotage.given))
        if alike not in self._known:
            async with contextlib.aclosing(self._run(run, sabotage, None, "before")) as steps:
                async for step in steps:
                    yield step
            self._known[alike] = self._found
        before = self._known[alike]
        yield ProofStep(sabotage.id, "before", counted(before))
        failure = ""
        try:
            async with contextlib.aclosing(
                self._run(run, sabotage, self._broken, "broken")
            ) as steps:
                async for step in steps:
                    yield step
        except DevstackError as error:
            self._found, failure = before, f"could not be done: {error.message}"
        broken = self._found
        yield ProofStep(sabotage.id, "broken", failure or counted(broken))
        async with contextlib.aclosing(self._run(run, sabotage, None, "after")) as steps:
            async for step in steps:
                yield step
        self._known[alike] = self._found
        seconds = time.monotonic() - started
        proof = judge(sabotage, before, broken, self._found, seconds=seconds, ran=run.files)
        self.proofs.append(proof)
        yield ProofStep(sabotage.id, "restored", held(proof))

    async def _run(
        self, run: ProvenRun, like: RunSabotage, broken: SabotageStack | None, phase: str
    ) -> AsyncGenerator[ProofStep, None]:
        """One run; what it found is in `_found`."""
        async with contextlib.aclosing(run.run(self._stack, like, broken)) as events:
            async for event in events:
                if isinstance(event, str):
                    yield ProofStep(like.id, phase, event)
                else:
                    self._found = event


def _items(given: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in sorted(given.items()))
