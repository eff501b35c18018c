"""Changes to the stack, run by our own command line in sessions of their own: they outlive us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from devstack_tui.core.children import ERRORS_KEPT, MAX_LINE, Cli, failure
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Done, Note, Planned, Progress, decode

_POLL_S = 0.2


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
        # Files without a name, not pipes: a job that outlives us must not die of a broken pipe.
        out = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        err = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        try:
            process = subprocess.Popen(
                self._cli.argv(verb, *services, "--yes", "--jsonl"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            out.close()
            err.close()
            raise DevstackError(f"{verb} cannot be started: {error.strerror}") from error
        job = Job(verb, tuple(services), process.pid, self._now())
        self.current = job
        self._task = asyncio.create_task(self._follow(job, process, out, err))
        self._on_change(job)
        return job

    async def leave(self) -> Job | None:
        """Stop listening. Returns the job that goes on without us, if there is one."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        return self.running

    async def _follow(
        self, job: Job, process: subprocess.Popen[bytes], out: BinaryIO, err: BinaryIO
    ) -> None:
        rest, offset = b"", 0
        try:
            while True:
                # Asked before reading: what was written before the end is then read after it.
                ended = process.poll() is not None
                chunk = os.pread(out.fileno(), MAX_LINE, offset)
                if chunk:
                    offset += len(chunk)
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        job.take(line)
                    self._on_change(job)
                elif ended:
                    break
                else:
                    await asyncio.sleep(_POLL_S)
            if job.done is None:
                self._conclude(job, process.returncode, os.pread(err.fileno(), ERRORS_KEPT, 0))
                self._on_change(job)
        finally:
            if process.returncode is None:
                # It is meant to live on: no warning about a child that was not waited for.
                process.returncode = 0
            out.close()
            err.close()

    def _conclude(self, job: Job, exit_code: int, stderr: bytes) -> None:
        error = failure(stderr, exit_code, job.verb)
        job.done = Done(
            verb=job.verb,
            exit_code=exit_code or 1,
            seconds=self._now() - job.started_at,
            message=error.message,
            remedy=error.remedy,
        )
