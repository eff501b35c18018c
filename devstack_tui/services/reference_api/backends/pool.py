"""Two small pools: for an asynchronous driver, and for a blocking one in threads of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from devstack_tui.services.reference_api.backends.base import IDLE_S, RefusedError

R = TypeVar("R")


class Closable(Protocol):
    """A blocking connection."""

    def close(self) -> None: ...


class AsyncClosable(Protocol):
    """A connection of an asynchronous driver."""

    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
A = TypeVar("A", bound=AsyncClosable)


class AsyncPool(Generic[A]):
    """At most `size` connections, the one that was used last first.

    A connection that fails is closed. If it was an old one the work is done again with a new
    one, once: a server that was restarted in between is not the caller's business.
    """

    def __init__(self, open_one: Callable[[], Awaitable[A]], size: int) -> None:
        self._open = open_one
        self._slots = asyncio.Semaphore(size)
        self._idle: deque[tuple[A, float]] = deque()

    async def run(self, work: Callable[[A], Awaitable[R]]) -> R:
        """`work` with a connection; it must bear being repeated."""
        async with self._slots:
            while self._idle:
                connection, used = self._idle.pop()
                if time.monotonic() - used > IDLE_S:
                    await self._discard(connection)
                    continue
                try:
                    result = await self._use(connection, work)
                except Exception:
                    # The others are as old as this one.
                    await self.close()
                    break
                return result
            return await self._use(await self._open(), work)

    async def _use(self, connection: A, work: Callable[[A], Awaitable[R]]) -> R:
        try:
            result = await work(connection)
        except BaseException:
            await self._discard(connection)
            raise
        self._idle.append((connection, time.monotonic()))
        return result

    async def _discard(self, connection: A) -> None:
        with contextlib.suppress(Exception):
            await connection.close()

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._discard(self._idle.pop()[0])


class ThreadedPool(Generic[C]):
    """As many threads as connections, so a thread that works always finds or makes one.

    The rules of `AsyncPool` hold. A thread cannot be cancelled: when the caller gives up, `abort`
    is called with the connection that the work waits on.
    """

    def __init__(
        self,
        name: str,
        open_one: Callable[[], C],
        size: int,
        abort: Callable[[C], None] = lambda connection: None,
    ) -> None:
        self._open = open_one
        self._abort = abort
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._idle: deque[tuple[C, float]] = deque()

    async def run(self, work: Callable[[C], R]) -> R:
        """`work` with a connection, in one of the threads; it must bear being repeated."""
        busy: list[C] = []
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._job, work, busy)
        except asyncio.CancelledError:
            for connection in busy:
                self._abort(connection)
            raise

    def _job(self, work: Callable[[C], R], busy: list[C]) -> R:
        while True:
            try:
                connection, used = self._idle.pop()
            except IndexError:
                return self._use(self._open(), work, busy)
            if time.monotonic() - used > IDLE_S:
                self._discard(connection)
                continue
            try:
                return self._use(connection, work, busy)
            except RefusedError:
                raise
            except Exception:
                # The others are as old as this one.
                self._drain()

    def _use(self, connection: C, work: Callable[[C], R], busy: list[C]) -> R:
        busy.append(connection)
        try:
            result = work(connection)
        except RefusedError:
            self._idle.append((connection, time.monotonic()))
            raise
        except BaseException:
            self._discard(connection)
            raise
        finally:
            busy.clear()
        self._idle.append((connection, time.monotonic()))
        return result

    def _discard(self, connection: C) -> None:
        with contextlib.suppress(Exception):
            connection.close()

    def _drain(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._discard(self._idle.pop()[0])

    async def close(self) -> None:
        """Close what is idle, and let no further work begin."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        # Saying goodbye to a server that hangs takes for ever: in a thread that nobody waits for.
        farewell = threading.Thread(target=self._drain, daemon=True)
        farewell.start()
        while farewell.is_alive():
            await asyncio.sleep(0.01)
