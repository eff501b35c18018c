"""Work in tasks, threads and child processes as async generators of the events that it emits.

All of them end in the same way. Closing the generator, or cancelling whoever reads it, asks the
work once to end; the generator ends after the work did, however often the reader is cancelled, so
that nobody heals or cleans beside it. A cancelled reader still receives what the work emits on its
way out; then `CancelledError` is raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Event = TypeVar("Event")
Emit = Callable[[Event], None]


async def to_end(work: Awaitable[T], cancel: Callable[[], object] | None = None) -> T:
    """The result of `work`, or what it raises. Being cancelled takes effect once it has ended.

    The first cancellation calls `cancel`, which may ask `work` to end early.
    """
    task = asyncio.ensure_future(work)
    interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if cancel is not None and not interrupted:
                cancel()
            interrupted = True
    if interrupted:
        if not task.cancelled():
            task.exception()  # retrieved: asyncio would report it as lost
        raise asyncio.CancelledError
    return task.result()


async def in_thread(work: Callable[[], T]) -> T:
    """`to_end` of a blocking function: a thread cannot be cancelled."""
    return await to_end(asyncio.to_thread(work))


async def task_events(
    work: Callable[[Emit[Event]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[Event, None]:
    """What the coroutine `work` emits; raises what it raises. It is cancelled to end it early."""
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(events.put_nowait))
    task.add_done_callback(lambda _: events.put_nowait(None))
    interrupted = False
    try:
        while True:
            try:
                event = await events.get()
            except asyncio.CancelledError:
                if not interrupted:
                    task.cancel()
                interrupted = True
                continue
            if event is None:
                break
            yield event
    finally:
        if not interrupted:
            task.cancel()
        await to_end(_settled(task))
    if interrupted:
        raise asyncio.CancelledError
    task.result()


async def thread_events(
    work: Callable[[Emit[Event], threading.Event], None],
) -> AsyncGenerator[Event, None]:
    """What the blocking function `work` emits from its thread, or from threads of its own; raises
    what it raises. The `threading.Event` that it is given is set to end it early."""
    cancelled = threading.Event()

    async def run(emit: Emit[Event]) -> None:
        await to_end(asyncio.to_thread(work, from_threads(emit), cancelled), cancelled.set)

    async with contextlib.aclosing(task_events(run)) as events:
        async for event in events:
            yield event


def from_threads(emit: Emit[Event]) -> Emit[Event]:
    """`emit` for other threads: it runs in the loop of the caller, or never if that is closed."""
    loop = asyncio.get_running_loop()

    def send(event: Event) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(emit, event)

    return send


async def merged(streams: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[Event, None]:
    """The events of all as they come. When one raises, or this is closed, all are closed."""

    async def pump(stream: AsyncGenerator[Event, None], emit: Emit[Event]) -> None:
        async with contextlib.aclosing(stream):
            async for event in stream:
                emit(event)

    async def run(emit: Emit[Event]) -> None:
        tasks = [asyncio.ensure_future(pump(stream, emit)) for stream in streams]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await to_end(_settled(*tasks))

    async with contextlib.aclosing(task_events(run)) as events:
        async for event in events:
            yield event


async def _settled(*tasks: asyncio.Future[Any]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
