"""Reading logs: the last lines, and what comes after them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import queue
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack_tui.contracts.engine import UnitLog
from devstack_tui.core.paths import StackPaths
from devstack_tui.engines.embedded import directories
from devstack_tui.health import logs
from devstack_tui.health.logs import LogLine, follow, tail
from devstack_tui.state import instance as instances

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
    blocks: list[int] = []

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            blocks.append(size or 0)
            return super().read(size)

    with logs._Reader(log) as reader:
        reader._file.close()
        reader._file = Counting(log.path.read_bytes())  # type: ignore[assignment]
        found = [line.line for line in reader.last(3)]
    assert found == ["line 9997", "line 9998", "line 9999"]
    assert blocks == [64], "only its end was read"


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


def test_a_private_key_that_begins_before_the_last_lines_is_masked_too(log: UnitLog) -> None:
    log.path.write_text(
        f"-----BEGIN PRIVATE KEY-----\nMIGH{CANARY}\nAwEH\n-----END PRIVATE KEY-----\nafter\n"
    )
    for lines in range(1, 6):
        shown = last(log, lines)
        assert CANARY not in "\n".join(shown)
        assert shown[-1] == "after"


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
    real = logs._look

    def counted(*arguments: Any, **more: Any) -> Iterator[LogLine]:
        for reader in made:
            reader.looks += 1
        return real(*arguments, **more)

    monkeypatch.setattr(logs, "_look", counted)
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


async def test_a_private_key_is_masked_while_following(log: UnitLog, reader: Reader) -> None:
    await reader.look()
    append(log, "-----BEGIN EC PRIVATE KEY-----\n")
    await reader.look()
    append(log, f"MIGH{CANARY}\n-----END EC PRIVATE KEY-----\nafter\n")
    shown = [await reader.line() for _ in range(4)]
    assert CANARY not in "\n".join(shown)
    assert shown[-1] == "after"


async def test_the_files_are_closed_when_the_following_ends(log: UnitLog, reader: Reader) -> None:
    append(log, "old\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    await reader.look()
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    await reader.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- the verb, while it follows ----------------------------------------------------------------


@pytest.fixture
def folder() -> Path:
    """The logs of the default stack, which exists and does not run."""
    paths = StackPaths.of("default")
    directories.make(paths)
    instances.write(paths, instances.new(paths, "embedded", 0, {}))
    return paths.logs


@pytest.fixture
def verb(python: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.Popen[str]]:
    """Starts `logs` as a process of its own."""
    code = "import sys; from devstack_tui.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return lambda *arguments: python(code, "logs", *arguments)


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


class Following:
    """A `logs -f` that certainly follows: what is appended now is told."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()
        found = ""
        while "mark" not in found:
            assert process.poll() is None
            with log.open("a") as file:
                file.write("mark\n")
            with contextlib.suppress(queue.Empty):
                found = self._lines.get(timeout=0.05)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # the test is over and the pipe closed
            for line in self._process.stdout:
                self._lines.put(line)

    def line(self) -> str:
        """The next line that is not one of the marks."""
        while "mark" in (found := self._lines.get(timeout=5)):
            pass
        return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_following_ends_with_status_130_when_it_is_interrupted(
    number: signal.Signals, folder: Path, verb: Callable[..., subprocess.Popen[str]]
) -> None:
    (folder / "postgres.log").write_text("old\n")
    process = verb("postgres", "-f", "-n", "0")
    Following(process, folder / "postgres.log")
    process.send_signal(number)
    assert process.wait(30) == 130
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_following_for_a_program_ends_when_its_input_is_closed(
    folder: Path, verb: Callable[..., subprocess.Popen[str]]
) -> None:
    (folder / "postgres.log").write_text("old\n")
    following = verb("postgres", "-f", "--controlled")
    assert told(following) == "old\n"
    assert following.stdin is not None
    following.stdin.close()
    assert following.wait(30) == 0


def test_a_unit_that_is_started_later_is_followed_too(
    folder: Path, verb: Callable[..., subprocess.Popen[str]]
) -> None:
    (folder / "redis-0.log").write_text("")
    following = Following(verb("redis", "-f", "--jsonl", "-n", "0"), folder / "redis-0.log")
    (folder / "redis-1.log").write_text("new\n")
    assert following.line() == '{"unit":"redis-1","line":"new"}\n'
