"""Sabotages on one running stack: each is applied, detected, undone, and checked again."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from devstack_tui.contracts.audit import Check, Sabotage
from devstack_tui.contracts.registry import IDENTITY, names
from devstack_tui.core import files
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import in_thread, merged
from devstack_tui.core.redact import redact
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import CheckDone, Proof, ProofStep
from devstack_tui.security.runner import Limits, Runner
from devstack_tui.security.sabotage_stack import SabotagedStack
from devstack_tui.security.traced import Tracer
from devstack_tui.stack.stack import Stack

ALL = 0
_RED = {Status.PASS: 0, Status.WARN: 1, Status.FAIL: 2}
# A broken server may make checks wait for their time limits.
LIMITS = Limits(total_s=120.0)

Item = TypeVar("Item")
Statuses = dict[str, Status]
Steps = AsyncGenerator[ProofStep, None]


class UnhealedError(DevstackError):
    """A sabotage could not be undone: nothing more can be proven of that service."""


class SabotageRun:
    """`open` first. `proofs` has the sabotages that are done, `unhealed` what was not undone.

    `every` is how many of the checks that must not turn are asked while a sabotage is in force:
    `ALL` of the stack, or one in `every` of those that are about its service, others for each
    sabotage. `compare` looks at all of them in the end.
    """

    def __init__(self, stack: Stack, *, every: int = ALL) -> None:
        self.stack = stack
        self._every = every
        self._audit = StackAudit(stack)
        self._baseline: Statuses = {}
        self.broken = SabotagedStack(stack, self._audit)
        self.catalogue = Catalogue.of(self._audit)
        self.proofs: list[Proof] = []
        self.unhealed: list[str] = []

    async def open(self) -> None:
        """Prepare the stack for sabotage, and run every check once for comparison."""
        await _in_thread(self.broken.prepare)
        self._baseline = await self._look(self.catalogue.checks.values())

    async def close(self) -> None:
        """End the audits' logins and connections."""
        await _in_thread(self._audit.close)

    async def prove_all(self, sabotages: Iterable[Sabotage]) -> Steps:
        """First, one by one, those of the service that the others depend on, and those that checks
        of another service name; then the others, the services side by side. Of these each is
        judged by the checks of its service alone: what looks at several services sees them all.

        Closing the generator undoes what is in force.
        """
        sabotages = tuple(sabotages)
        alone = [s for s in sabotages if s.service == IDENTITY or self._foreign(s)]
        async with contextlib.aclosing(self._lane(alone, True)) as steps:
            async for step in steps:
                yield step
        if self.unhealed:
            return
        rest = [s for s in sabotages if s not in alone]
        lanes = [[s for s in rest if s.service == name] for name in names()]
        others = merged([self._lane(lane, False) for lane in lanes])
        async with contextlib.aclosing(others) as steps:
            async for step in steps:
                yield step

    def _foreign(self, sabotage: Sabotage) -> bool:
        return any(
            check.sabotage == sabotage.id and not _only(check, sabotage.service)
            for check in self.catalogue.checks.values()
        )

    async def _lane(self, sabotages: Sequence[Sabotage], alone: bool) -> Steps:
        for sabotage in sabotages:
            try:
                async with contextlib.aclosing(self.prove(sabotage, alone)) as steps:
                    async for step in steps:
                        yield step
            except UnhealedError as error:
                self.unhealed.append(error.message)
                return

    async def prove(self, sabotage: Sabotage, alone: bool = True) -> Steps:
        """Break, look, undo, look; the `Proof` is added to `proofs`. Not `alone`: other
        services are being broken too.

        Closing the generator takes the sabotage back. Raises `UnhealedError` when that fails.
        """
        started = time.monotonic()
        all = self.catalogue.checks
        expected = {
            id
            for id in self.catalogue.expected(sabotage)
            if alone or _only(all[id], sabotage.service)
        }
        checks = self._checks_to_run(sabotage, expected, alone)
        before = {check.id: self._baseline[check.id] for check in checks}
        yield ProofStep(sabotage.id, "before", counted(before))
        failure, tracer = "", Tracer()
        try:
            broken = await self._broken(sabotage, checks, expected, tracer)
        except UnhealedError:
            raise
        except DevstackError as error:
            broken, failure = before, f"could not be done: {error.message}"
        turned = {id for id in before if redder(before[id], broken[id])}
        outcome = failure or f"{len(turned)} turned red; {counted(broken)}"
        yield ProofStep(sabotage.id, "broken", outcome)
        touched = expected | {id for id in before if broken[id] is not before[id]}
        # Alone, each makes what it shared with others before: all of its code is seen.
        after = await self._look(
            [check for check in checks if check.id in touched], touched, tracer
        )
        wanted = {id for id in expected if before[id] in _RED}
        proof = Proof(
            sabotage=sabotage.id,
            title=sabotage.title,
            turned=tuple(sorted(turned)),
            missed=tuple(sorted(wanted - turned)),
            strayed=tuple(sorted(turned - wanted)),
            stuck=tuple(sorted(id for id in after if after[id] is not before[id])),
            seconds=time.monotonic() - started,
            ran=tracer.files(),
        )
        # What is stuck is held against this one alone.
        self._baseline.update(after)
        self.proofs.append(proof)
        yield ProofStep(sabotage.id, "restored", held(proof))

    async def compare(self) -> list[str]:
        """The checks whose status differs from before the first sabotage; runs all of them."""
        now = await self._look(self.catalogue.checks.values())
        return sorted(id for id, status in now.items() if status is not self._baseline[id])

    def _checks_to_run(self, sabotage: Sabotage, expected: set[str], alone: bool) -> list[Check]:
        def concerned(check: Check) -> bool:
            if check.id in expected or (alone and self._every == ALL):
                return True
            about = sabotage.service in (check.service, *check.needs)
            if not about or not (alone or _only(check, sabotage.service)):
                return False
            return zlib.crc32(f"{sabotage.id} {check.id}".encode()) % max(1, self._every) == 0

        return [check for check in self.catalogue.checks.values() if concerned(check)]

    async def _broken(
        self, sabotage: Sabotage, checks: Sequence[Check], expected: set[str], tracer: Tracer
    ) -> Statuses:
        """The outcome of the checks while the sabotage is in force."""
        undo = contextlib.ExitStack()

        def apply() -> None:
            undo.enter_context(sabotage.apply(self.broken))

        try:
            await _in_thread(tracer.of(apply))
            found = await self._look(checks, expected, tracer)
        except BaseException:
            # Cancelled, perhaps while it was applied: that matters more than a failing undo.
            with contextlib.suppress(DevstackError):
                await _in_thread(undo.close)
            raise
        try:
            await _in_thread(tracer.of(undo.close))
        except DevstackError as error:
            raise UnhealedError(
                f"{sabotage.id} could not be undone: {error.message}", error.remedy
            ) from None
        return found

    async def _look(
        self, checks: Iterable[Check], traced: Container[str] = (), tracer: Tracer | None = None
    ) -> Statuses:
        """The status of each check now; what those of `traced` run goes to the tracer."""
        checks = tuple(checks)
        if tracer is not None:
            checks = tuple(
                replace(check, run=tracer.of(check.run)) if check.id in traced else check
                for check in checks
            )
        runner = Runner(
            self.stack,
            StackAudit(self.stack, before=self._audit),
            self.catalogue,
            checks,
            keep=False,
            limits=LIMITS,
        )
        found: Statuses = {}
        async with contextlib.aclosing(runner.run()) as events:
            async for event in events:
                if isinstance(event, CheckDone) and event.row.status is not None:
                    found[event.row.id] = event.row.status
        return {check.id: found.get(check.id, Status.ERROR) for check in checks}


async def _in_thread(work: Callable[[], object]) -> None:
    """Run `work` to its end, even when cancelled. Whatever it raises is a `DevstackError`."""

    def safely() -> None:
        try:
            work()
        except DevstackError:
            raise
        except OSError as error:
            raise files.explain(error, "working on the throwaway stack") from None
        except Exception as error:
            raise DevstackError(f"{type(error).__name__}: {redact(str(error))}") from None

    await in_thread(safely)


def _only(check: Check, service: str) -> bool:
    """Whether it is about this service; the one that all depend on is not broken beside others."""
    return check.service == service and {*check.needs} <= {service, IDENTITY}


def held(proof: Proof) -> str:
    wrong = {"missed": proof.missed, "strayed": proof.strayed, "stuck": proof.stuck}
    parts = [f"{what} {', '.join(ids)}" for what, ids in wrong.items() if ids]
    return "holds" if proof.holds else f"does not hold: {'; '.join(parts) or 'nothing turned'}"


def redder(before: Status, now: Status) -> bool:
    return before in _RED and now in _RED and _RED[now] > _RED[before]


def counted(statuses: Mapping[str, Status]) -> str:
    found = Counter(statuses.values())
    return ", ".join(f"{found[status]} {status}" for status in Status if found[status])
