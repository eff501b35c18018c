"""Proof of the checks: a real stack is broken on purpose, and exactly the right ones turn red."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from devstack_tui.contracts.proof import ProvenRun, RunSabotage
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue, begins
from devstack_tui.security.events import AnySecurityEvent, Proof, ProofDone, ProofStep
from devstack_tui.security.run_proof import RunProofs
from devstack_tui.security.sabotage_run import ALL, SabotageRun
from devstack_tui.security.sabotage_stack import SabotagedStack
from devstack_tui.security.throwaway import ThrowawayStack

WHOLE = "whole stack"
"""What a step is about that no single sabotage is meant by."""

SHOWN = 12
"""So many names stand in one sentence."""

Events = AsyncGenerator[AnySecurityEvent, None]


class Prover:
    """`check prove`: the sabotages that `words` name, or all, on a throwaway stack. One is judged
    by every check of the stack, several each by those of its service; one of `runs` by its run.

    Raises `UsageError` for an unknown name; nothing is made before `run`.
    """

    def __init__(self, words: Sequence[str], runs: Sequence[ProvenRun] = ()) -> None:
        self._throwaway = ThrowawayStack()
        self.proofs: list[Proof] = []
        # Of a stack that is not there yet: enough for the names.
        with StackAudit(self._throwaway.stack) as audit:
            self._planned = Catalogue.of(audit)
        self._by_run = _named(words, runs)
        meant = {id for run in runs for id in _names(run)}
        own = [word for word in words if self._planned.names(word) or not _named([word], runs)]
        self._chosen = self._planned.proving(own, meant) if own or not words else ()

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
        wrong: list[str] = []
        try:
            async with contextlib.aclosing(self._throwaway.start(self._services())) as texts:
                async for text in texts:
                    yield ProofStep(WHOLE, "starting", text)
            for proving in (self._prove_checks, self._prove_runs):
                async with contextlib.aclosing(proving(wrong)) as steps:
                    async for step in steps:
                        yield step
        except DevstackError as error:
            yield ProofDone(tuple(self.proofs), 1, error.message, error.remedy)
            return
        if not self.proofs and not wrong:
            wrong = ["nothing could be proven: what it needs is not installed"]
        holds = not wrong and all(proof.holds for proof in self.proofs)
        yield ProofDone(tuple(self.proofs), 0 if holds else 1, "; ".join(wrong))

    async def _prove_checks(self, wrong: list[str]) -> Events:
        """What checks of their own look at."""
        if not self._chosen:
            return
        run = SabotageRun(self._throwaway.stack, every=1 if len(self._chosen) > 1 else ALL)
        try:
            yield ProofStep(WHOLE, "before", f"{len(run.catalogue.checks)} checks")
            await run.open()
            ready = []
            for chosen in self._chosen:
                if reason := self._absent(chosen.service):
                    yield ProofStep(chosen.id, "skipped", reason)
                else:
                    # The same one, of the catalogue of the stack that is there now.
                    ready.append(run.catalogue.sabotages[chosen.id])
            async with contextlib.aclosing(run.prove_all(ready)) as steps:
                async for step in steps:
                    yield step
            wrong += run.unhealed
            if len(run.proofs) > 1 and (changed := await run.compare()):
                more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
                names = ", ".join(changed[:SHOWN])
                wrong.append(f"in the end these are not as they were: {names}{more}")
        finally:
            self.proofs += run.proofs
            await run.close()

    async def _prove_runs(self, wrong: list[str]) -> Events:
        """What a run decides as a whole."""
        if wrong or not self._by_run:
            return
        stack = self._throwaway.stack
        with StackAudit(stack) as audit:
            made = RunProofs(stack.name, SabotagedStack(stack, audit))
            try:
                for run, sabotage in self._by_run:
                    reasons = filter(None, (self._absent(name) for name in sabotage.needs))
                    if reason := next(reasons, ""):
                        yield ProofStep(sabotage.id, "skipped", reason)
                        continue
                    async with contextlib.aclosing(made.prove(run, sabotage)) as steps:
                        async for step in steps:
                            yield step
            finally:
                self.proofs += made.proofs

    def _services(self) -> list[str]:
        """What has to be up: the services that are broken, and those of the checks that name the
        sabotages."""
        ids = {sabotage.id for sabotage in self._chosen}
        names = {sabotage.service for sabotage in self._chosen}
        names |= {name for _, sabotage in self._by_run for name in sabotage.needs}
        for check in self._planned.checks.values():
            if check.sabotage in ids:
                names |= {check.service, *check.needs}
        return sorted(names)

    def _absent(self, name: str) -> str:
        try:
            self._throwaway.stack.engine().locate(service(name))
        except NotInstalledError as error:
            return error.message
        return ""


def _named(words: Sequence[str], runs: Sequence[ProvenRun]) -> list[tuple[ProvenRun, RunSabotage]]:
    """The sabotages of runs whose ids, or the ids or suites of whose checks, are meant."""
    found = []
    for run in runs:
        suites = {check.id: check.suite for check in run.checks}
        found += [
            (run, sabotage)
            for sabotage in run.sabotages
            if not words or any(_means(word, sabotage, suites[sabotage.turns]) for word in words)
        ]
    return found


def _means(word: str, sabotage: RunSabotage, suite: str) -> bool:
    return word == suite or any(begins(id, word) for id in (sabotage.id, sabotage.turns))


def _names(run: ProvenRun) -> set[str]:
    return {check.id for check in run.checks} | {sabotage.id for sabotage in run.sabotages}
