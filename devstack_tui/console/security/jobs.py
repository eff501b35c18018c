"""Audits as children of the console: one at a time, whichever pane is in view.

A child ends with our end of its standard input: what its checks opened is then closed and revoked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from devstack_tui.console.security.model import AuditJob, AuditRequest, CheckListing, MatrixListing
from devstack_tui.core import codec
from devstack_tui.core.children import Child, Cli, refusal
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.events import AnySecurityEvent, CheckRow, MatrixCell

GRACE_S = 10.0
"""How long an audit may take to revoke what it holds before it is asked, then made, to end."""
T = TypeVar("T")
_EVENTS: msgspec.json.Decoder[AnySecurityEvent] = msgspec.json.Decoder(AnySecurityEvent)


class AuditJobs:
    """The one place that runs checks. `on_change` is called in the loop after each news."""

    def __init__(self, cli: Cli, now: Callable[[], float] = time.time) -> None:
        self.on_change: Callable[[AuditJob | None, bool], None] = lambda job, urgent: None
        self.current: AuditJob | None = None
        self.rows: dict[str, CheckRow] = {}
        """Every check with its last result, by id, in the order of the catalogue."""
        self._cli = cli
        self._now = now
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends: asyncio.Task[None] | None = None

    @property
    def running(self) -> AuditJob | None:
        """The audit that runs, or None."""
        return self.current if self.current is not None and self.current.running else None

    async def load(self) -> None:
        """Read the checks and their last results. Errors: `DevstackError`."""
        listing = await self._ask(CheckListing, "list")
        known = self.rows
        self.rows = {row.id: _latest(row, known.get(row.id)) for row in listing.checks}

    async def matrix(self) -> tuple[MatrixCell, ...]:
        """The access matrix. Errors: `DevstackError`."""
        return (await self._ask(MatrixListing, "matrix")).matrix

    def start(self, request: AuditRequest) -> AuditJob:
        """Make the checks. Errors: `DevstackError` while others are made."""
        if self.running is not None:
            raise DevstackError("checks are running", "wait for their end, or cancel them with x")
        job = self.current = AuditJob(request, self._now(), len(request.ids))
        self._task = asyncio.create_task(self._work(job))
        self.on_change(job, True)
        return job

    def cancel(self) -> bool:
        """End the audit that runs. False when there is none."""
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
        """The console closes: the audit ends, and revokes what it holds."""
        self.cancel()
        for task in (self._ends, self._task):
            if task is not None:
                with contextlib.suppress(asyncio.CancelledError, DevstackError):
                    await task

    async def _work(self, job: AuditJob) -> None:
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

    async def _run(self, job: AuditJob) -> None:
        self._child = child = await self._cli.start(*job.request.words, grace_s=GRACE_S)
        try:
            if job.stopping:
                return
            async for batch in child.batches():
                urgent = False
                for line in batch:
                    urgent |= self._take(job, line)
                self.rows.update(job.results)
                self.on_change(job, urgent)
            error = await child.ended()
            if job.done is None and job.error is None and not job.stopping:
                job.error = error
        finally:
            self._child = None
            await child.close()

    def _take(self, job: AuditJob, line: bytes) -> bool:
        if (refused := refusal(line)) is not None:
            job.error = refused
            return True
        try:
            return job.take(_EVENTS.decode(line))
        except ValueError:
            return False  # no event of ours: passed over

    async def _ask(self, kind: type[T], what: str) -> T:
        answer = await self._cli.ask("check", what, "--json")
        try:
            return codec.decode(answer, kind)
        except ValueError as error:
            raise DevstackError(f"check {what} printed what cannot be read: {error}") from None


def _latest(listed: CheckRow, known: CheckRow | None) -> CheckRow:
    """The check as it is listed, with the newer of both results: a list that was asked for before
    a check was made may come after it."""
    if known is None or known.status is None or (listed.status and listed.at >= known.at):
        return listed
    return msgspec.structs.replace(
        listed, status=known.status, evidence=known.evidence, ms=known.ms, at=known.at
    )
