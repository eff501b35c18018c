"""Waiting for what must come to its end, however often the waiter is cancelled."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def insist(task: asyncio.Task[T]) -> T:
    """The result of `task`, or what it raises. Being cancelled takes effect once it has ended."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()
