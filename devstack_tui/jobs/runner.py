"""Starts jobs, follows them, and cancels them: what a pane or a verb needs of one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator

from devstack_tui.core import lock
from devstack_tui.core.children import ERRORS_KEPT, MAX_LINE, Cli, failure
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import explain
from devstack_tui.jobs.files import JobFiles, JobStarted, header

_POLL_S = 0.05
_CHUNK = 1024 * 1024
_PATIENCE_S = 2.0
"""A second cancel within this time is the same key pressed twice, not impatience."""


class Job:
    """One job: its file, and its process if we started it. `close` it when you are done."""

    def __init__(
        self, files: JobFiles, started: JobStarted, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.started = started
        self._process = process
        self._fd = files.open(started.id)
        self._errors: int | None = None
        with contextlib.suppress(DevstackError):
            self._errors = files.open(started.id, "stderr")
        self._cancelled_at = 0.0
        self._kill_at = 0.0

    @classmethod
    def find(cls, stack: str, id: str = "") -> Job:
        """A job by its id, or the newest that runs. Errors: `DevstackError`."""
        files = JobFiles(stack)
        found = files.find(id)
        fd = files.open(found)
        try:
            return cls(files, header(fd, found))
        except ValueError:
            raise DevstackError(f"the first line of the job {found} is damaged") from None
        finally:
            os.close(fd)

    @property
    def ours(self) -> bool:
        """Whether this process started it."""
        return self._process is not None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        if self._process is not None:
            return self._process.poll() is None
        return lock.is_locked(self._fd)

    async def batches(self) -> AsyncGenerator[list[bytes], None]:
        """Its lines, without newlines, as many at a time as have come, until it ends.

        A line longer than `MAX_LINE` is left out. Close the generator to leave the job alone.
        Errors: `DevstackError` when the file cannot be read.
        """
        rest, offset, skipping = b"", 0, False
        while True:
            # Asked before reading: what was written before the end is then read after it.
            running = self.running
            try:
                chunk = os.pread(self._fd, _CHUNK, offset)
            except OSError as error:
                raise explain(error, f"reading the events of {self.started.verb}") from None
            offset += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if skipping and lines:
                del lines[0]
                skipping = False
            if len(rest) > MAX_LINE:
                rest, skipping = b"", True
            if lines:
                yield lines
            if not chunk:
                if not running:
                    break
                if self._kill_at and time.monotonic() > self._kill_at:
                    self._signal(signal.SIGKILL)
                await asyncio.sleep(_POLL_S)
        if rest and not skipping:
            yield [rest]

    def cancel(self, grace_s: float) -> None:
        """Ask it to end: it undoes what it began. It is killed when that takes longer than
        `grace_s` seconds, or when this is called again."""
        now = time.monotonic()
        if not self._cancelled_at:
            self._cancelled_at, self._kill_at = now, now + grace_s
            self._signal(signal.SIGTERM)
        elif now - self._cancelled_at > _PATIENCE_S:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
        else:
            from devstack_tui.core.process import signal_writer

            signal_writer(self.started.pid, self._fd, number)

    @property
    def exit_code(self) -> int | None:
        """Its exit status once it has ended; negative: the signal. None when it is not known."""
        return self._process.returncode if self._process is not None else None

    def error(self) -> DevstackError:
        """Why it ended without a result, from what it wrote on stderr."""
        stderr = b""
        if self._errors is not None:
            with contextlib.suppress(OSError):
                size = os.fstat(self._errors).st_size
                stderr = os.pread(self._errors, ERRORS_KEPT, max(size - ERRORS_KEPT, 0))
        return failure(stderr, self.exit_code, self.started.verb)

    def close(self) -> None:
        """No more is read; a job that still runs goes on."""
        if self._process is not None and self._process.returncode is None:
            # It is meant to live on: no warning about a child that was not waited for.
            self._process.returncode = 0
        for fd in (self._fd, self._errors):
            if fd is not None:
                os.close(fd)


class Runner:
    """Starts the verbs of one stack as jobs."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self._files = JobFiles(cli.stack)

    def start(self, verb: str, words: tuple[str, ...], title: str) -> Job:
        """Run `verb` in a session of its own. Errors: `DevstackError`; nothing was begun then."""
        started, out, err = self._files.create(verb, words, title)
        try:
            process = subprocess.Popen(
                self.cli.argv(*verb.split(), *words, "--jsonl"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            self._files.remove(started.id)
            raise DevstackError(f"{verb} cannot be started: {error.strerror}") from error
        finally:
            os.close(out)
            os.close(err)
        return Job(self._files, self._files.name_process(started, process.pid), process)

    def running(self) -> list[Job]:
        """The jobs of the stack that run now, started from anywhere, the newest first."""
        found = []
        for started in self._files.running():
            with contextlib.suppress(DevstackError):
                found.append(Job(self._files, started))
        return found
