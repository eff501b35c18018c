"""Changes to the stack, run by our own command line in sessions of their own: they outlive us."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from devstack_tui.core.children import Cli
from devstack_tui.core.detached import Detached
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Done, Note, Planned, Progress, decode


class BusyError(DevstackError):
    """Another verb is changing the stack: only one may at a time."""


@dataclass(slots=True)
class Job:
    """One verb at work on the stack: what its events have told so far."""

    verb: str
    services: tuple[str, ...]
    pid: int
    started_at: float
    planned: Planned | None = None
    progress: dict[str, Progress] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: Done | None = None

    @property
    def running(self) -> bool:
        """Whether its result is still to come."""
        return self.done is None

    def take(self, line: bytes) -> None:
        """Fold one line of the event stream in; what is no event is passed over."""
        try:
            event = decode(line)
        except ValueError:
            return
        match event:
            case Planned():
                self.planned = event
            case Progress():
                self.progress[event.service] = event
            case Note():
                self.notes.append(event.text)
            case Done():
                self.done = event


class Jobs:
    """The one place that starts changes. `on_change` is called in the loop after each news."""

    def __init__(
        self, cli: Cli, on_change: Callable[[Job], None], now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._cli = cli
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self.current: Job | None = None

    @property
    def running(self) -> Job | None:
        """The job that has no result yet, or None."""
        return self.current if self.current is not None and self.current.running else None

    def start(self, verb: str, services: Sequence[str]) -> Job:
        """Run `verb` in its own session. Errors: `BusyError` while another one runs."""
        if (busy := self.running) is not None:
            raise BusyError(f"{busy.verb} is running (pid {busy.pid})", "wait for its end")
        argv = self._cli.argv(*verb.split(), *services, "--yes", "--jsonl")
        process = Detached(argv, verb)
        job = Job(verb, tuple(services), process.pid, self._now())
        self.current = job
        self._task = asyncio.create_task(self._follow(job, process))
        self._on_change(job)
        return job

    async def leave(self) -> Job | None:
        """Stop listening. Returns the job that goes on without us, if there is one."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        return self.running

    async def _follow(self, job: Job, process: Detached) -> None:
        try:
            async with contextlib.aclosing(process.batches()) as batches:
                async for lines in batches:
                    for line in lines:
                        job.take(line)
                    self._on_change(job)
            if job.done is None:
                error = process.error()
                job.done = Done(
                    verb=job.verb,
                    exit_code=process.exit_code or 1,
                    seconds=self._now() - job.started_at,
                    message=error.message,
                    remedy=error.remedy,
                )
                self._on_change(job)
        finally:
            process.leave()
