"""Reading logs: the last lines, and what comes after them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.health import logs
from devstack_tui.health.logs import LogLine, follow, tail
from devstack_tui.stack.engine import UnitLog

CANARY = "Zq8xKp2vW7mN4tRy"


@pytest.fixture
def log(room: Path) -> UnitLog:
    return UnitLog("redis-0", room / "redis-0.log")


def last(log: UnitLog, lines: int) -> list[str]:
    return [found.line for found in tail(log, lines)]


def test_the_last_lines_come_in_their_order_with_their_unit(log: UnitLog) -> None:
    log.path.write_text("one\ntwo\nthree\n")
    assert list(tail(log, 2)) == [LogLine("redis-0", "two"), LogLine("redis-0", "three")]


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        ("", 5, []),
        ("one\n", 5, ["one"]),
        ("one\ntwo", 5, ["one", "two"]),
        ("one\ntwo", 1, ["two"]),
        ("one\ntwo\n", 0, []),
        ("one\n\n\n", 2, ["", ""]),
        ("\n", 1, [""]),
        ("one\r\ntwo\r\n", 2, ["one", "two"]),
        ("one\ntwo\n", 2, ["one", "two"]),
    ],
)
def test_what_the_last_lines_are(text: str, lines: int, expected: list[str], log: UnitLog) -> None:
    log.path.write_bytes(text.encode())
    assert last(log, lines) == expected


def test_a_log_that_is_not_there_has_no_lines(log: UnitLog) -> None:
    assert last(log, 5) == []


def test_lines_longer_than_a_block_are_read_whole(log: UnitLog) -> None:
    long = "x" * (2 * logs.BLOCK + 17)
    log.path.write_text(f"first\n{long}\nlast\n")
    assert last(log, 2) == [long, "last"]


def test_a_long_log_is_not_read_from_its_beginning(
    log: UnitLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BLOCK", 64)
    log.path.write_text("".join(f"line {number}\n" for number in range(10_000)))
    with log.path.open("rb") as file:
        assert logs._last(file, 3) == [b"line 9997", b"line 9998", b"line 9999"]
        assert file.seek(0, 1) > 98_000, "only its end was read"


def test_bytes_that_are_no_text_do_not_end_the_reading(log: UnitLog) -> None:
    log.path.write_bytes(b"\xff\xfe\ngood\n")
    assert last(log, 2) == ["��", "good"]


def test_secrets_are_masked_in_the_last_lines(log: UnitLog) -> None:
    log.path.write_text(f"login password={CANARY}\n")
    assert CANARY not in last(log, 1)[0]
    assert last(log, 1)[0].startswith("login password=")


def test_a_private_key_is_masked_on_all_of_its_lines(log: UnitLog) -> None:
    log.path.write_text(
        f"before\n-----BEGIN PRIVATE KEY-----\nMIGH{CANARY}\n-----END PRIVATE KEY-----\nafter\n"
    )
    shown = last(log, 5)
    assert CANARY not in "\n".join(shown)
    assert (shown[0], shown[-1]) == ("before", "after")


# -- following ---------------------------------------------------------------------------------


class Reader:
    """A reader of `follow`, asked for one line at a time."""

    def __init__(self, *followed: UnitLog) -> None:
        self.looks = 0
        self._lines: AsyncIterator[LogLine] = follow(followed)
        self._next: asyncio.Task[LogLine] | None = None

    async def look(self) -> None:
        """Let it look twice: the first of them may have begun before what was just written."""
        self._next = self._next or asyncio.ensure_future(anext(self._lines))
        wanted = self.looks + 2
        while self.looks < wanted and not self._next.done():
            await asyncio.sleep(0)

    async def line(self) -> str:
        task = self._next or asyncio.ensure_future(anext(self._lines))
        self._next = None
        return (await asyncio.wait_for(task, 30)).line

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._next
        await self._lines.aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def readers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Reader]]:
    """Makes readers that look without a pause and count their looks."""
    made: list[Reader] = []
    real = logs._more

    def counted(*arguments: Any, **more: Any) -> Iterator[LogLine]:
        for reader in made:
            reader.looks += 1
        return real(*arguments, **more)

    monkeypatch.setattr(logs, "_more", counted)
    monkeypatch.setattr(logs, "POLL_S", 0.001)

    def make(*followed: UnitLog) -> Reader:
        made.append(Reader(*followed))
        return made[-1]

    yield make
    for reader in made:
        await reader.close()


@pytest.fixture
def reader(log: UnitLog, readers: Callable[..., Reader]) -> Reader:
    return readers(log)


def append(log: UnitLog, text: str) -> None:
    with log.path.open("a") as file:
        file.write(text)


async def test_only_what_is_written_from_now_on_is_followed(log: UnitLog, reader: Reader) -> None:
    append(log, "old\n")
    await reader.look()
    append(log, "new\nnewer\n")
    assert [await reader.line(), await reader.line()] == ["new", "newer"]


async def test_a_line_is_told_when_it_is_whole(log: UnitLog, reader: Reader) -> None:
    append(log, "")
    await reader.look()
    append(log, "hal")
    await reader.look()
    append(log, "ves\nnext\n")
    assert [await reader.line(), await reader.line()] == ["halves", "next"]


async def test_a_character_cut_in_two_is_read_whole(log: UnitLog, reader: Reader) -> None:
    append(log, "")
    await reader.look()
    for part in (b"gr\xc3", b"\xbcn\n"):
        with log.path.open("ab") as file:
            file.write(part)
        await reader.look()
    assert await reader.line() == "grün"


async def test_a_log_that_appears_later_is_read_from_its_beginning(
    log: UnitLog, reader: Reader
) -> None:
    await reader.look()
    append(log, "first\nsecond\n")
    assert [await reader.line(), await reader.line()] == ["first", "second"]


async def test_a_log_that_was_rotated_is_followed_on(log: UnitLog, reader: Reader) -> None:
    append(log, "old\n")
    await reader.look()
    append(log, "last of the old\n")
    log.path.rename(log.path.with_suffix(".log.1"))
    append(log, "first of the new\n")
    assert [await reader.line(), await reader.line()] == ["last of the old", "first of the new"]


async def test_the_last_words_of_a_rotated_log_are_told_even_without_a_newline(
    log: UnitLog, reader: Reader
) -> None:
    append(log, "old\n")
    await reader.look()
    append(log, "no newline")
    await reader.look()
    log.path.rename(log.path.with_suffix(".log.1"))
    append(log, "first of the new\n")
    assert await reader.line() == "no newline"
    assert await reader.line() == "first of the new"


async def test_a_log_that_was_cut_is_read_from_its_beginning(log: UnitLog, reader: Reader) -> None:
    append(log, "a long line that was there before\n")
    await reader.look()
    log.path.write_text("new\n")
    assert await reader.line() == "new"


async def test_a_log_that_is_away_for_a_while_is_waited_for(log: UnitLog, reader: Reader) -> None:
    append(log, "old\n")
    await reader.look()
    log.path.unlink()
    await reader.look()
    append(log, "back\n")
    assert await reader.line() == "back"


async def test_several_logs_are_followed_at_once(
    room: Path, log: UnitLog, readers: Callable[..., Reader]
) -> None:
    other = UnitLog("redis-1", room / "redis-1.log")
    both = readers(log, other)
    await both.look()
    append(log, "of zero\n")
    append(other, "of one\n")
    assert {await both.line(), await both.line()} == {"of zero", "of one"}


async def test_secrets_are_masked_while_following(log: UnitLog, reader: Reader) -> None:
    await reader.look()
    append(log, f'{{"password": "{CANARY}"}}\n')
    assert CANARY not in await reader.line()


async def test_the_files_are_closed_when_the_following_ends(log: UnitLog, reader: Reader) -> None:
    append(log, "old\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    await reader.look()
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    await reader.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
