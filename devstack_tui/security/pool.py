"""A few threads that work through a list, where one that hangs is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from devstack_tui.core.event_stream import Emit, from_threads, task_events

Job = TypeVar("Job")
Answer = TypeVar("Answer")
_LOOK_S = 0.2


@dataclass(slots=True)
class _RunningJob(Generic[Job]):
    """One job in the hands of one thread."""

    job: Job
    started: float = field(default_factory=time.monotonic)
    given_up: bool = False


class Pool(Generic[Job, Answer]):
    """Runs `work` on every job, `threads` at a time. `work` must not raise.

    A job that takes longer than `limit_s` is answered by `late(job)`, and so is all that is left
    after `total_s`. Its thread is a daemon: it ends with its job, or with the process.
    """

    def __init__(
        self,
        work: Callable[[Job], Answer],
        late: Callable[[Job, float], Answer],
        *,
        threads: int,
        limit_s: float,
        total_s: float,
    ) -> None:
        self._work = work
        self._late = late
        self._threads = threads
        self._limit_s = limit_s
        self._total_s = total_s
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._turns: list[_RunningJob[Job]] = []

    def answers(self, jobs: Iterable[Job]) -> AsyncGenerator[Answer, None]:
        """Each answer as it comes. Closing the generator starts no further job."""
        return task_events(lambda emit: self._supervise(tuple(jobs), emit))

    async def _supervise(self, jobs: Sequence[Job], emit: Emit[Answer]) -> None:
        left = len(jobs)
        answered = asyncio.Event()
        end = time.monotonic() + self._total_s

        def answer(found: Answer) -> None:
            nonlocal left
            left -= 1
            emit(found)
            if not left:
                answered.set()

        send = from_threads(answer)
        self._waiting.extend(jobs)
        try:
            for _ in range(min(self._threads, left)):
                self._start(send)
            while left:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await answered.wait()
                over = time.monotonic() > end
                for job, seconds in self._give_up(over):
                    answer(self._late(job, seconds))
                    if not over:
                        self._start(send)
        finally:
            with self._lock:
                self._waiting.clear()

    def _start(self, send: Emit[Answer]) -> None:
        threading.Thread(target=self._serve, args=(send,), daemon=True, name="check").start()

    def _serve(self, send: Emit[Answer]) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                turn = _RunningJob(self._waiting.popleft())
                self._turns.append(turn)
            answer = self._work(turn.job)
            with self._lock:
                self._turns.remove(turn)
                if turn.given_up:
                    return
                send(answer)

    def _give_up(self, over: bool) -> list[tuple[Job, float]]:
        """The jobs that are not waited for any more, with the seconds that they had."""
        now = time.monotonic()
        with self._lock:
            late = [
                turn
                for turn in self._turns
                if not turn.given_up and (over or now - turn.started > self._limit_s)
            ]
            for turn in late:
                turn.given_up = True
            never = list(self._waiting) if over else []
            if over:
                self._waiting.clear()
        return [(turn.job, now - turn.started) for turn in late] + [(job, 0.0) for job in never]
