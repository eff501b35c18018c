"""Drills as children of the console: one at a time, and each heals the stack when it ends.

A child ends with our end of its standard input: that aborts it, and it heals before it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from devstack_tui.console.drill.model import DrillChoice, DrillJob, DrillListing, DrillRequest
from devstack_tui.contracts.drill import Plan
from devstack_tui.core import codec
from devstack_tui.core.children import Child, Cli, refusal
from devstack_tui.core.errors import DevstackError
from devstack_tui.drill.compare import Comparison
from devstack_tui.drill.events import DrillReport, decode

GRACE_S = 45.0
"""How long a drill may take to heal the stack before it is asked, then made, to end."""
T = TypeVar("T")


class _Drills(msgspec.Struct, frozen=True):
    drills: tuple[DrillChoice, ...] = ()


class _Reports(msgspec.Struct, frozen=True):
    drills: tuple[DrillReport, ...] = ()


class DrillJobs:
    """The one place that runs drills. `on_change` is called in the loop after each news."""

    def __init__(self, cli: Cli, now: Callable[[], float] = time.time) -> None:
        self.on_change: Callable[[DrillJob | None, bool], None] = lambda job, urgent: None
        self.current: DrillJob | None = None
        self.listing = DrillListing()
        self._cli = cli
        self._now = now
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends: asyncio.Task[None] | None = None

    @property
    def running(self) -> DrillJob | None:
        """The drill that runs, or None."""
        return self.current if self.current is not None and self.current.running else None

    async def load(self) -> None:
        """Read the drills and their history. Errors: `DevstackError`."""
        drills = await self._ask(_Drills, "list")
        reports = await self._ask(_Reports, "history")
        self.listing = DrillListing(drills.drills, reports.drills)

    async def plan(self, request: DrillRequest) -> Plan:
        """What would be done. Errors: `DevstackError`, also when the drill is refused."""
        answer = await self._cli.ask(*request.words("plan"), "--json")
        plan = _read(answer, Plan, "plan")
        if plan.refusal:
            raise DevstackError(plan.refusal, plan.remedy)
        return plan

    async def report(self, name: str) -> DrillReport:
        """A drill of the history with all of its repeats. Errors: `DevstackError`."""
        return await self._ask(DrillReport, "show", name)

    async def compare(self, a: str, b: str) -> Comparison:
        """Two drills of the history. Errors: `DevstackError`."""
        return await self._ask(Comparison, "compare", a, b)

    def start(self, request: DrillRequest) -> DrillJob:
        """Run it. Errors: `DevstackError` while another one runs."""
        if self.running is not None:
            raise DevstackError("a drill is running", "wait for its end, or abort it with x")
        job = self.current = DrillJob(request, self._now())
        self._task = asyncio.create_task(self._work(job))
        self.on_change(job, True)
        return job

    def abort(self) -> bool:
        """End the drill that runs; it heals first. False when there is none."""
        job = self.running
        if job is None:
            return False
        if not job.stopping:
            job.stopping = True
            if self._child is not None:
                self._ends = asyncio.create_task(self._child.close())
            self.on_change(job, True)
        return True

    async def leave(self) -> None:
        """The console closes: the drill is aborted, and healed."""
        self.abort()
        for task in (self._ends, self._task):
            if task is not None:
                with contextlib.suppress(asyncio.CancelledError, DevstackError):
                    await task

    async def _work(self, job: DrillJob) -> None:
        try:
            await self._run(job)
        except DevstackError as error:
            job.error = error
        finally:
            job.ended_at = self._now()
        self.on_change(job, True)
        with contextlib.suppress(DevstackError):
            await self.load()
            self.on_change(None, True)

    async def _run(self, job: DrillJob) -> None:
        stack = ("--yes", "--jsonl", "--controlled")
        words = (*job.request.words("run"), *stack)
        self._child = child = await self._cli.start(*words, grace_s=GRACE_S)
        try:
            if job.stopping:
                return
            async for batch in child.batches():
                urgent = False
                for line in batch:
                    urgent |= self._take(job, line)
                self.on_change(job, urgent)
            error = await child.ended()
            if job.done is None and job.error is None and not job.stopping:
                job.error = error
        finally:
            self._child = None
            await child.close()

    def _take(self, job: DrillJob, line: bytes) -> bool:
        if (refused := refusal(line)) is not None:
            job.error = refused
            return True
        try:
            return job.take(decode(line))
        except ValueError:
            return False  # no event of ours: passed over

    async def _ask(self, kind: type[T], what: str, *words: str) -> T:
        return _read(await self._cli.ask("drill", what, *words, "--json"), kind, what)


def _read(answer: bytes, kind: type[T], what: str) -> T:
    try:
        return codec.decode(answer, kind)
    except ValueError as error:
        raise DevstackError(f"drill {what} printed what cannot be read: {error}") from None
