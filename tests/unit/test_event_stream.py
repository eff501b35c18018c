"""Tasks and threads as streams of events: closed, cancelled, failed, and waited for to the end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import (
    Emit,
    in_thread,
    merged,
    task_events,
    thread_events,
    to_end,
)


async def fail() -> None:
    raise DevstackError("no")


async def test_waiting_to_the_end_is_not_ended_by_being_cancelled_however_often() -> None:
    ended = asyncio.Event()
    task = asyncio.create_task(ended.wait())
    waiter = asyncio.create_task(to_end(task))
    for _ in range(3):
        await asyncio.sleep(0)
        waiter.cancel()
    await asyncio.sleep(0)
    assert not waiter.done()
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert task.result() is True


async def test_waiting_to_the_end_gives_the_result_or_raises_the_error() -> None:
    assert await to_end(asyncio.sleep(0, 7)) == 7
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(DevstackError, match="no"):
        await to_end(fail())


async def test_closing_the_stream_ends_the_work_and_waits_for_what_it_takes_back() -> None:
    taken_back = asyncio.Event()

    async def work(emit: Emit[str]) -> None:
        emit("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            taken_back.set()

    events = task_events(work)
    assert await anext(events) == "begun"
    await events.aclose()
    assert taken_back.is_set()


async def test_what_the_work_raises_reaches_who_follows_it() -> None:
    async def work(emit: Emit[str]) -> None:
        emit("begun")
        await fail()

    events = task_events(work)
    await anext(events)
    with pytest.raises(DevstackError, match="no"):
        await anext(events)


async def cancelled(events: AsyncGenerator[str, None], times: int = 1) -> list[str]:
    """All events of a stream whose reader is cancelled after the first one."""
    seen: list[str] = []
    first = asyncio.Event()

    async def read() -> None:
        async for event in events:
            seen.append(event)
            first.set()

    reader = asyncio.create_task(read())
    await first.wait()
    for _ in range(times):
        reader.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await reader
    return seen


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_reader_still_gets_what_the_work_emits_on_its_way_out(
    times: int,
) -> None:
    async def work(emit: Emit[str]) -> None:
        emit("begun")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            emit("undone")

    assert await cancelled(task_events(work), times) == ["begun", "undone"]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_thread_is_asked_to_end_and_waited_for_while_the_loop_goes_on(times: int) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    slow = threading.Event()

    def work(emit: Emit[str], ending: threading.Event) -> None:
        emit("begun")
        assert ending.wait(60)
        slow.wait(0.2)
        emit("undone")

    turning = asyncio.create_task(turn())
    assert await cancelled(thread_events(work), times) == ["begun", "undone"]
    turning.cancel()
    assert turns > 5


async def test_threads_of_the_work_emit_into_the_same_stream_and_its_error_comes_last() -> None:
    def work(emit: Emit[int], _: threading.Event) -> None:
        threads = [threading.Thread(target=emit, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raise DevstackError("no")

    seen = []
    with pytest.raises(DevstackError, match="no"):
        async for event in thread_events(work):
            seen.append(event)
    assert sorted(seen) == [0, 1, 2]


# -- streams side by side ----------------------------------------------------------------------


async def numbers(count: int, closed: list[int], fails: bool = False) -> AsyncGenerator[int, None]:
    try:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
        if fails:
            raise DevstackError("no")
    finally:
        closed.append(count)


async def test_streams_are_read_side_by_side() -> None:
    closed: list[int] = []
    found = [number async for number in merged([numbers(3, closed), numbers(2, closed)])]
    assert sorted(found) == [0, 0, 1, 1, 2]
    assert sorted(closed) == [2, 3]


@pytest.mark.parametrize("fails", [True, False])
async def test_when_one_fails_or_nobody_listens_all_are_closed(fails: bool) -> None:
    closed: list[int] = []
    streams = merged([numbers(3, closed, fails), numbers(10**6, closed)])
    failed = False
    async with contextlib.aclosing(streams):
        try:
            async for _ in streams:
                if not fails:
                    break
        except DevstackError:
            failed = True
    assert failed == fails
    assert sorted(closed) == [3, 10**6]
