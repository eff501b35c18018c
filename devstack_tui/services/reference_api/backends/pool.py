"""A pool for drivers that block and have none: PyMySQL and pika."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from devstack_tui.services.reference_api.backends.base import RefusedError


class Closable(Protocol):
    """A blocking connection. `close` does not wait for the server."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
R = TypeVar("R")


class ThreadedPool(Generic[C]):
    """As many threads as connections, so a thread that works always finds or makes one.

    A thread cannot be cancelled: when the caller gives up, `abort` is called with the connection
    that the work waits on.
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
        self._idle: list[C] = []

    async def run(self, work: Callable[[C], R]) -> R:
        """`work` with a connection, in one of the threads. It must bear being repeated: if a
        connection from the pool fails, it is done again with the next, at last with a new one."""
        busy: list[C] = []
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._job, work, busy)
        except asyncio.CancelledError:
            for connection in busy:
                self._abort(connection)
            raise

    def _job(self, work: Callable[[C], R], busy: list[C]) -> R:
        while True:
            pooled = True
            try:
                connection = self._idle.pop()
            except IndexError:
                pooled, connection = False, self._open()
            busy[:] = [connection]
            try:
                result = work(connection)
            except RefusedError:
                self._idle.append(connection)
                raise
            except Exception:
                with contextlib.suppress(Exception):
                    connection.close()
                if not pooled:
                    raise
            else:
                self._idle.append(connection)
                return result
            finally:
                busy.clear()

    async def close(self) -> None:
        """Close what is idle, and let no further work begin."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._idle:
            with contextlib.suppress(Exception):
                connection.close()
