"""Proof of the checks: a real stack is broken on purpose, and exactly the right ones turn red."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from devstack_tui.contracts.audit import Sabotage
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import AnySecurityEvent, Proof, ProofDone, ProofStep
from devstack_tui.security.sabotage_run import ALL, SabotageRun
from devstack_tui.security.throwaway import ThrowawayStack

WHOLE = "whole stack"
"""What a step is about that no single sabotage is meant by."""

SHOWN = 12
"""So many names stand in one sentence."""

Events = AsyncGenerator[AnySecurityEvent, None]


class Prover:
    """`check prove`: the sabotages that `words` name, or all, on a throwaway stack. One is judged
    by every check of the stack, several each by those of its service.

    Raises `UsageError` for an unknown name; nothing is made before `run`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._throwaway = ThrowawayStack()
        # Of a stack that is not there yet: enough for the names.
        with StackAudit(self._throwaway.stack) as audit:
            self._planned = Catalogue.of(audit)
        self._chosen = self._planned.proving(words)

    async def run(self) -> Events:
        """The proofs. Closing the generator undoes what is in force and removes the stack.

        Whatever is wrong is reported by the last event, `ProofDone`.
        """
        done = ProofDone((), 1)
        try:
            async with contextlib.aclosing(self._proving()) as events:
                async for event in events:
                    if isinstance(event, ProofDone):
                        done = event
                    else:
                        yield event
            yield ProofStep(WHOLE, "stopping", f"removing {self._throwaway.stack.name}")
        finally:
            try:
                await self._throwaway.remove()
            except DevstackError as error:
                done = ProofDone(done.proofs, 1, error.message, error.remedy)
        yield done

    async def _proving(self) -> Events:
        run: SabotageRun | None = None
        proofs: list[Proof] = []
        try:
            async with contextlib.aclosing(self._throwaway.start(self._services())) as texts:
                async for text in texts:
                    yield ProofStep(WHOLE, "starting", text)
            run = SabotageRun(self._throwaway.stack, every=1 if len(self._chosen) > 1 else ALL)
            proofs = run.proofs
            yield ProofStep(WHOLE, "before", f"{len(run.catalogue.checks)} checks")
            await run.open()
            ready = []
            for chosen in self._chosen:
                if reason := self._absent(chosen):
                    yield ProofStep(chosen.id, "skipped", reason)
                else:
                    # The same one, of the catalogue of the stack that is there now.
                    ready.append(run.catalogue.sabotages[chosen.id])
            async with contextlib.aclosing(run.prove_all(ready)) as steps:
                async for step in steps:
                    yield step
            yield await self._conclude(run)
        except DevstackError as error:
            yield ProofDone(tuple(proofs), 1, error.message, error.remedy)
        finally:
            if run is not None:
                await run.close()

    async def _conclude(self, run: SabotageRun) -> ProofDone:
        proofs = tuple(run.proofs)
        wrong = list(run.unhealed)
        if not proofs and not wrong:
            wrong = ["nothing could be proven: what it needs is not installed"]
        if len(proofs) > 1 and (changed := await run.compare()):
            more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            names = ", ".join(changed[:SHOWN])
            wrong.append(f"in the end these are not as they were: {names}{more}")
        held = not wrong and all(proof.holds for proof in proofs)
        return ProofDone(proofs, 0 if held else 1, "; ".join(wrong))

    def _services(self) -> list[str]:
        """What has to be up: the services that are broken, and those of the checks that name the
        sabotages."""
        ids = {sabotage.id for sabotage in self._chosen}
        names = {sabotage.service for sabotage in self._chosen}
        for check in self._planned.checks.values():
            if check.sabotage in ids:
                names |= {check.service, *check.needs}
        return sorted(names)

    def _absent(self, sabotage: Sabotage) -> str:
        try:
            self._throwaway.stack.engine().locate(service(sabotage.service))
        except NotInstalledError as error:
            return error.message
        return ""
