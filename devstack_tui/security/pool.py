"""A few threads that work through a list, where one that hangs is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
_LOOK_S = 0.2


@dataclass(slots=True)
class _Turn(Generic[Job]):
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
        self._turns: list[_Turn[Job]] = []

    async def answers(self, jobs: Iterable[Job]) -> AsyncGenerator[Answer, None]:
        """Each answer as it comes. Closing the generator starts no further job."""
        self._waiting.extend(jobs)
        left = len(self._waiting)
        queue: asyncio.Queue[Answer] = asyncio.Queue()
        end = time.monotonic() + self._total_s
        for _ in range(min(self._threads, left)):
            self._start(queue)
        try:
            while left:
                answer = await _within(_LOOK_S, queue)
                if answer is not None:
                    left -= 1
                    yield answer[0]
                    continue
                over = time.monotonic() > end
                for job, seconds in self._give_up(over):
                    left -= 1
                    yield self._late(job, seconds)
                    if not over:
                        self._start(queue)
        finally:
            with self._lock:
                self._waiting.clear()

    def _start(self, queue: asyncio.Queue[Answer]) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._serve, args=(loop, queue), daemon=True, name="check").start()

    def _serve(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Answer]) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                turn = _Turn(self._waiting.popleft())
                self._turns.append(turn)
            answer = self._work(turn.job)
            with self._lock:
                self._turns.remove(turn)
                if turn.given_up:
                    return
                with contextlib.suppress(RuntimeError):  # the loop is gone: nobody listens
                    loop.call_soon_threadsafe(queue.put_nowait, answer)

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


async def _within(seconds: float, queue: asyncio.Queue[Answer]) -> tuple[Answer] | None:
    """The next answer, or None when there is none in time.

    Not `wait_for`: in Python 3.11 it loses a cancellation that comes together with an answer.
    """
    try:
        async with asyncio.timeout(seconds):
            return (await queue.get(),)
    except TimeoutError:
        return None
