"""Long work that tells events on its way, as the stream of those events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

from devstack_tui.tuning.events import TuneEvent

Tell = Callable[[TuneEvent], None]
Events = AsyncGenerator[TuneEvent, None]


async def told(work: Callable[[Tell], Awaitable[None]]) -> Events:
    """Yield what `work` tells; raise what it raises.

    Closing the generator cancels the work once and waits for its end, however often the one who
    waits is cancelled: what the work takes back, it takes back whole.
    """
    queue: asyncio.Queue[TuneEvent | None] = asyncio.Queue()

    async def whole() -> None:
        try:
            await work(queue.put_nowait)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(whole())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # asked for, so that nobody complains that it was not
