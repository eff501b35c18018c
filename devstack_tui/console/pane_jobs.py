"""The jobs of a pane: one at a time, and what the events of each amount to.

A job is a process of its own (`devstack_tui.jobs`): the pane only reads its events. When the
console closes, a job that it started is cancelled and waited for, unless the job is meant to go on;
one that was found running is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from devstack_tui.core import codec
from devstack_tui.core.children import Cli, refusal
from devstack_tui.core.errors import DevstackError
from devstack_tui.jobs.files import JobStarted
from devstack_tui.jobs.runner import Job, Runner

T = TypeVar("T")


class BusyError(DevstackError):
    """Another job of this kind runs: only one may at a time."""


async def ask(cli: Cli, kind: type[T], *words: str, timeout: float = 60.0) -> T:
    """The answer of a verb as a `kind`. Errors: `DevstackError`, also when it cannot be read."""
    answer = await cli.ask(*words, "--json", timeout=timeout)
    try:
        return codec.decode(answer, kind)
    except ValueError as error:
        what = " ".join(words[:2])
        raise DevstackError(f"{what} printed what cannot be read: {error}") from None


class Request(Protocol):
    """What is to be run: the command line is `verb`, then `words`; `title` is for the user."""

    @property
    def verb(self) -> str: ...
    @property
    def words(self) -> tuple[str, ...]: ...
    @property
    def title(self) -> str: ...
    @property
    def outlives(self) -> bool:
        """Whether it goes on when the console closes."""


R = TypeVar("R", bound=Request)


@dataclass(slots=True)
class PaneJob(Generic[R]):
    """A job as the pane shows it: what its events so far amount to."""

    request: R
    started_at: float
    pid: int = 0
    done: Any = None
    """The job's last event."""
    error: DevstackError | None = None
    stopping: bool = False
    ended_at: float | None = None

    EVENTS: ClassVar[Any] = None
    """The types of the events."""

    @property
    def running(self) -> bool:
        """Whether its end is still to come."""
        return self.ended_at is None

    @property
    def verdict(self) -> str:
        """Of the whole, once there is a report."""
        report = getattr(self.done, "report", None)
        return report.verdict if report else ""

    @property
    def outcome(self) -> str:
        """What became of it, in a sentence."""
        return str(self.error or f"{self.request.title}: {self.verdict or 'ended'}")

    def elapsed(self, now: float) -> float:
        """Seconds since it was started, until `now` or until its end."""
        return max((self.ended_at or now) - self.started_at, 0.0)

    def take(self, line: bytes, now: float) -> bool:
        """Fold one line in. Returns whether it should be shown at once; what is no event of ours
        is passed over."""
        if (refused := refusal(line)) is not None:
            self.error = refused
            return True
        try:
            event = codec.decode(line, self.EVENTS)
        except ValueError:
            return False
        return self.fold(event, now)

    def fold(self, event: Any, now: float) -> bool:
        """Fold one event in. Returns whether it should be shown at once."""
        raise NotImplementedError

    def end(self, exit_code: int | None, error: DevstackError, now: float) -> None:  # noqa: ARG002
        """It has ended; `error` is its stderr."""
        if self.done is None and self.error is None and not self.stopping:
            self.error = error
        self.ended_at = now


J = TypeVar("J", bound=PaneJob[Any])


class Jobs(Generic[R, J]):
    """The jobs of one pane: one runs, others wait or are refused. `on_change` is called in the
    loop after each news: with the job, None when a list was read, and whether to draw at once."""

    REQUEST: ClassVar[Any] = None
    """The type of a request; its `of` reads one from the first line of a job file."""
    JOB: ClassVar[Any] = None
    """The type of a job."""
    VERBS: ClassVar[frozenset[str]] = frozenset()
    """The verbs of its jobs."""
    GRACE_S: ClassVar[float] = 20.0
    """How long a cancelled job may take to restore what it changed before it is killed."""
    QUEUES: ClassVar[bool] = False
    BUSY: ClassVar[tuple[str, str]] = ("{title} is running", "wait for its end, or x stops it")
    """Why a second job is refused, and the remedy."""

    def __init__(self, runner: Runner, now: Callable[[], float] = time.time) -> None:
        self.on_change: Callable[[J | None, bool], None] = lambda job, urgent: None
        self.current: J | None = None
        self.queue: list[R] = []
        self.now = now
        self.cli = runner.cli
        self._runner = runner
        self._process: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None

    # --- what a pane provides --------------------------------------------------------------------

    async def load(self) -> None:
        """Read what an ended job may have changed. Errors: `DevstackError`."""

    def keep(self, job: J) -> None:
        """Keep what is wanted of the job beyond its end; asked after each news."""

    def forget(self) -> None:
        """The stack is gone, or another one has its name: what ended before does not count."""
        if self.running is None:
            self.current = None
        if self._loading is not None:
            self._loading.cancel()

    # --- what it can do --------------------------------------------------------------------------

    @property
    def running(self) -> J | None:
        """The job that runs, or None."""
        return self.current if self.current is not None and self.current.running else None

    def start(self, request: R) -> J | None:
        """Run it; None when it waits in the queue. Errors: `BusyError` where there is no queue."""
        if (busy := self.running) is None:
            return self._begin(request)
        if not self.QUEUES:
            message, remedy = self.BUSY
            raise BusyError(message.format(title=busy.request.title), remedy)
        self.queue.append(request)
        self.on_change(busy, True)
        return None

    def adopt(self) -> None:
        """Follow a job that runs already: of a console that was killed, or of another one."""
        for found in self._runner.running():
            request = self._request_of(found.started) if self.running is None else None
            if request is not None:
                self._begin(request, found)
            else:
                found.close()

    def stop(self) -> int:
        """End what runs and forget what waits. Returns how many were waiting. Asked again, the job
        is killed; what it changed is then healed by its watchdog or by the next verb."""
        waiting = len(self.queue)
        self.queue.clear()
        if (job := self.running) is not None:
            job.stopping = True
            if self._process is not None:
                self._process.cancel(self.GRACE_S)
            self.on_change(job, True)
        return waiting

    async def leave(self) -> J | None:
        """The console closes. Returns the job that goes on without it, if there is one."""
        self.on_change = lambda job, urgent: None
        self.queue.clear()
        job, process = self.running, self._process
        foreign = process is not None and not process.ours
        stays = job is not None and (job.request.outlives or foreign)
        if job is not None and not stays and not job.stopping:
            self.stop()
        for task in (self._task, self._loading):
            if task is not None:
                if stays or task is self._loading:
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        return job if stays else None

    def _request_of(self, started: JobStarted) -> R | None:
        if started.verb in self.VERBS:
            # What another version wrote otherwise is left alone.
            with contextlib.suppress(ValueError, LookupError):
                request: R = self.REQUEST.of(started)
                return request
        return None

    def _begin(self, request: R, found: Job | None = None) -> J:
        began = found.started.started_at if found else self.now()
        job: J = self.JOB(request, began)
        self.current = job
        self.keep(job)
        self._task = asyncio.create_task(self._work(job, found))
        self.on_change(job, True)
        return job

    async def _work(self, job: J, found: Job | None) -> None:
        while True:
            try:
                await self._follow(job, found)
            except DevstackError as error:
                job.end(None, error, self.now())
            self.keep(job)
            self.on_change(job, True)
            if not self.queue:
                break
            job, found = self.JOB(self.queue.pop(0), self.now()), None
            self.current = job
            self.on_change(job, True)
        self._loading = asyncio.create_task(self._load())

    async def _load(self) -> None:
        with contextlib.suppress(DevstackError):
            await self.load()
            self.on_change(None, True)

    async def _follow(self, job: J, found: Job | None) -> None:
        if job.stopping:
            job.ended_at = self.now()
            return
        request = job.request
        process = found or self._runner.start(request.verb, request.words, request.title)
        self._process, job.pid = process, process.started.pid
        try:
            async with contextlib.aclosing(process.batches()) as batches:
                async for batch in batches:
                    urgent = False
                    for line in batch:
                        urgent |= job.take(line, self.now())
                    self.keep(job)
                    self.on_change(job, urgent)
            job.end(process.exit_code, process.error(), self.now())
        finally:
            self._process = None
            process.close()
