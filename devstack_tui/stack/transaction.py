"""One change of a stack at a time: it holds the lock, tells what it does, and can be left early."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from devstack_tui.core import files
from devstack_tui.core.events import Done, Event, Note, Phase, Progress
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.state import directories

Events = AsyncGenerator[Event, None]
Tell = Callable[[Event], None]


async def changing(paths: StackPaths, verb: str, work: Callable[[Tell], Awaitable[None]]) -> Events:
    """Hold the stack's lock while `work` runs; yield what it tells, and `Done` at the end.

    Closing the generator cancels `work`; it returns when that has ended and the lock is free.
    Raises what `work` raises; an `OSError` of the state directory as a sentence.
    """
    started = time.monotonic()
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    failed = ""

    async def locked() -> None:
        try:
            directories.make(paths)
            lock = StackLock(paths.lock, verb)
            await _acquire(lock, queue.put_nowait)
            with lock:
                await work(queue.put_nowait)
        except OSError as error:
            raise files.explain(error, f"running `{verb}`") from None
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(locked())
    try:
        while (event := await queue.get()) is not None:
            failed = failed or _failure(event)
            yield event
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
    yield Done(verb, 1 if failed else 0, time.monotonic() - started, failed)


async def relay(events: Events, tell: Tell) -> None:
    """Tell every event of another generator, and close it whatever happens."""
    async with contextlib.aclosing(events):
        async for event in events:
            tell(event)


async def _acquire(lock: StackLock, tell: Tell) -> None:
    """Take the lock, telling once who is waited for."""
    told = False
    while owner := lock.try_acquire():
        if not told:
            told = True
            seconds = max(0, round(time.time() - owner.since))
            tell(Note(f"waiting for `{owner.verb}` (pid {owner.pid}, since {seconds} s) to end"))
        await asyncio.sleep(0.1)


def _failure(event: Event) -> str:
    if isinstance(event, Progress) and event.phase is Phase.FAILED:
        return f"{event.service}: {event.detail}"
    return ""
