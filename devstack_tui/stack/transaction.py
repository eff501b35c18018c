"""One change of a stack at a time: it holds the lock, emits what it does, and can be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from devstack_tui.core import files
from devstack_tui.core.event_stream import Emit, task_events
from devstack_tui.core.events import Done, Event, Note, Phase, Progress
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.state import directories

Events = AsyncGenerator[Event, None]


async def changing(
    paths: StackPaths, verb: str, work: Callable[[Emit[Event]], Awaitable[None]]
) -> Events:
    """Hold the stack's lock while `work` runs; yield what it emits, and `Done` at the end.

    Closing the generator cancels `work`; it returns when that has ended and the lock is free.
    Raises what `work` raises; an `OSError` of the state directory as a sentence.
    """
    started = time.monotonic()
    failed = ""

    async def locked(emit: Emit[Event]) -> None:
        try:
            lock = StackLock(paths.lock, verb)
            await _acquire(lock, paths, emit)
            with lock:
                directories.make(paths)
                try:
                    await work(emit)
                finally:
                    lock.remove()
        except OSError as error:
            raise files.explain(error, f"running `{verb}`") from None

    async with contextlib.aclosing(task_events(locked)) as events:
        async for event in events:
            failed = failed or _failure(event)
            yield event
    yield Done(verb, 1 if failed else 0, time.monotonic() - started, failed)


async def relay(events: Events, emit: Emit[Event]) -> None:
    """Emit every event of another generator, and close it whatever happens."""
    async with contextlib.aclosing(events):
        async for event in events:
            emit(event)


async def _acquire(lock: StackLock, paths: StackPaths, emit: Emit[Event]) -> None:
    """Take the lock; if another verb holds it, report that once and wait. A wipe removes it with
    its directory."""
    reported = False
    directories.make(paths)
    while owner := lock.try_acquire():
        if not reported:
            reported = True
            seconds = max(0, round(time.time() - owner.since))
            emit(Note(f"waiting for `{owner.verb}` (pid {owner.pid}, since {seconds} s) to end"))
        await asyncio.sleep(0.1)
        directories.make(paths)


def _failure(event: Event) -> str:
    if isinstance(event, Progress) and event.phase is Phase.FAILED:
        return f"{event.service}: {event.detail}"
    return ""
