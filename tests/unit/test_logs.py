"""Reading logs: the last lines, and what comes after them."""

from __future__ import annotations

import contextlib
import io
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack_tui.contracts.model import LogLine
from devstack_tui.core.paths import StackPaths
from devstack_tui.engines.embedded import log_files
from devstack_tui.engines.embedded.log_files import Follower, LogFile, tail
from devstack_tui.state import directories
from devstack_tui.state import instance as instances

CANARY = "Zq8xKp2vW7mN4tRy"


@pytest.fixture
def log(room: Path) -> LogFile:
    return LogFile("redis-0", room / "redis-0.log")


def last(log: LogFile, lines: int) -> list[str]:
    return [found.line for found in tail(log, lines)]


def test_the_last_lines_come_in_their_order_with_their_unit(log: LogFile) -> None:
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
def test_what_the_last_lines_are(text: str, lines: int, expected: list[str], log: LogFile) -> None:
    log.path.write_bytes(text.encode())
    assert last(log, lines) == expected


def test_the_whole_log_is_searched_for_the_lines_that_are_wanted(log: LogFile) -> None:
    key = ["-----BEGIN PRIVATE KEY-----", "error x", "-----END PRIVATE KEY-----"]
    some = [f"error {n} password={CANARY}" for n in range(7)]
    noise = ["x" * 200] * 3000  # more than a block
    for ending in ("\n", ""):
        log.path.write_text("\n".join([*some, *key, *noise, "error 7", *noise, "no end"]) + ending)
        found = [line.line for line in tail(log, 3, re.compile("^error").search)]
        assert [text.split()[1] for text in found][:3] == ["5", "6", "7"]
        assert CANARY not in "".join(found)
        assert [line.line for line in tail(log, 0, re.compile("^error").search)][:1] in (
            [],
            ["no end"],
        )
    log.path.write_text("error 1")
    assert [line.line for line in tail(log, 3, re.compile("error").search)] == ["error 1"]
    log.path.write_text("error 1\nerror 2\n")
    assert len(list(tail(log, 3, re.compile("error").search))) == 2
    assert len(list(tail(log, 1, re.compile("nothing").search))) == 0


def test_a_log_that_is_not_there_has_no_lines(log: LogFile) -> None:
    assert last(log, 5) == []


def test_lines_longer_than_a_block_are_read_whole(log: LogFile) -> None:
    long = "x" * (2 * log_files.BLOCK + 17)
    log.path.write_text(f"first\n{long}\nlast\n")
    assert last(log, 2) == [long, "last"]


def test_a_long_log_is_not_read_from_its_beginning(
    log: LogFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "BLOCK", 64)
    log.path.write_text("".join(f"line {number}\n" for number in range(10_000)))
    blocks: list[int] = []

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            blocks.append(size or 0)
            return super().read(size)

    with contextlib.closing(log_files._Reader(log)) as reader:
        reader._file.close()
        reader._file = Counting(log.path.read_bytes())  # type: ignore[assignment]
        found = [line.line for line in reader.last(3)]
    assert found == ["line 9997", "line 9998", "line 9999"]
    assert blocks == [64], "only its end was read"


def test_bytes_that_are_no_text_do_not_end_the_reading(log: LogFile) -> None:
    log.path.write_bytes(b"\xff\xfe\ngood\n")
    assert last(log, 2) == ["��", "good"]


def test_secrets_are_masked_in_the_last_lines(log: LogFile) -> None:
    log.path.write_text(f"login password={CANARY}\n")
    assert CANARY not in last(log, 1)[0]
    assert last(log, 1)[0].startswith("login password=")


def test_a_private_key_is_masked_on_all_of_its_lines(log: LogFile) -> None:
    log.path.write_text(
        f"before\n-----BEGIN PRIVATE KEY-----\nMIGH{CANARY}\n-----END PRIVATE KEY-----\nafter\n"
    )
    shown = last(log, 5)
    assert CANARY not in "\n".join(shown)
    assert (shown[0], shown[-1]) == ("before", "after")


def test_a_private_key_that_begins_before_the_last_lines_is_masked_too(log: LogFile) -> None:
    log.path.write_text(
        f"-----BEGIN PRIVATE KEY-----\nMIGH{CANARY}\nAwEH\n-----END PRIVATE KEY-----\nafter\n"
    )
    for lines in range(1, 6):
        shown = last(log, lines)
        assert CANARY not in "\n".join(shown)
        assert shown[-1] == "after"


# -- following ---------------------------------------------------------------------------------


@pytest.fixture
def readers() -> Iterator[Callable[..., Follower]]:
    """Makes followers that have looked once."""
    with contextlib.ExitStack() as made:

        def make(*followed: LogFile) -> Follower:
            return made.enter_context(contextlib.closing(Follower(lambda: followed)))

        yield make


@pytest.fixture
def reader(log: LogFile, readers: Callable[..., Follower]) -> Follower:
    return readers(log)


def seen(reader: Follower, looks: int = 1) -> list[str]:
    """The lines of so many looks."""
    return [line.line for _ in range(looks) for line in reader.look()]


def append(log: LogFile, text: str) -> None:
    with log.path.open("a") as file:
        file.write(text)


def test_only_what_is_written_from_now_on_is_followed(log: LogFile, reader: Follower) -> None:
    append(log, "old\n")
    assert seen(reader) == []
    append(log, "new\nnewer\n")
    assert seen(reader) == ["new", "newer"]
    assert seen(reader) == []


def test_the_last_lines_come_before_what_is_followed(log: LogFile) -> None:
    append(log, "one\ntwo\nthree\n")
    with contextlib.closing(Follower(lambda: [log], 2)) as reader:
        assert seen(reader) == ["two", "three"]
        append(log, "four\n")
        assert seen(reader) == ["four"]


def test_a_line_is_told_when_it_is_whole(log: LogFile, reader: Follower) -> None:
    append(log, "")
    assert seen(reader) == []
    append(log, "hal")
    assert seen(reader) == []
    append(log, "ves\nnext\n")
    assert seen(reader) == ["halves", "next"]


def test_a_character_cut_in_two_is_read_whole(log: LogFile, reader: Follower) -> None:
    append(log, "")
    seen(reader)
    found = []
    for part in (b"gr\xc3", b"\xbcn\n"):
        with log.path.open("ab") as file:
            file.write(part)
        found += seen(reader)
    assert found == ["grün"]


def test_a_log_that_appears_later_is_read_from_its_beginning(
    log: LogFile, reader: Follower
) -> None:
    assert seen(reader) == []
    append(log, "first\nsecond\n")
    assert seen(reader) == ["first", "second"]


def test_a_log_that_was_rotated_is_followed_on(log: LogFile, reader: Follower) -> None:
    append(log, "old\n")
    seen(reader)
    append(log, "last of the old\n")
    log.path.rename(log.path.with_suffix(".log.1"))
    append(log, "first of the new\n")
    assert seen(reader, 3) == ["last of the old", "first of the new"]


def test_the_last_words_of_a_rotated_log_are_told_even_without_a_newline(
    log: LogFile, reader: Follower
) -> None:
    append(log, "old\n")
    seen(reader)
    append(log, "no newline")
    assert seen(reader) == []
    log.path.rename(log.path.with_suffix(".log.1"))
    append(log, "first of the new\n")
    assert seen(reader, 2) == ["no newline", "first of the new"]


def test_a_log_that_was_cut_is_read_from_its_beginning(log: LogFile, reader: Follower) -> None:
    append(log, "a long line that was there before\n")
    seen(reader)
    log.path.write_text("new\n")
    assert seen(reader, 2) == ["new"]


def test_a_log_that_is_away_for_a_while_is_waited_for(log: LogFile, reader: Follower) -> None:
    append(log, "old\n")
    seen(reader)
    log.path.unlink()
    assert seen(reader) == []
    append(log, "back\n")
    assert seen(reader, 2) == ["back"]


def test_several_logs_are_followed_at_once(
    room: Path, log: LogFile, readers: Callable[..., Follower]
) -> None:
    other = LogFile("redis-1", room / "redis-1.log")
    both = readers(log, other)
    seen(both)
    append(log, "of zero\n")
    append(other, "of one\n")
    assert seen(both) == ["of zero", "of one"]


def test_secrets_are_masked_while_following(log: LogFile, reader: Follower) -> None:
    seen(reader)
    append(log, f'{{"password": "{CANARY}"}}\n')
    (line,) = seen(reader)
    assert CANARY not in line


def test_a_private_key_is_masked_while_following(log: LogFile, reader: Follower) -> None:
    seen(reader)
    append(log, "-----BEGIN EC PRIVATE KEY-----\n")
    shown = seen(reader)
    append(log, f"MIGH{CANARY}\n-----END EC PRIVATE KEY-----\nafter\n")
    shown += seen(reader)
    assert len(shown) == 4
    assert CANARY not in "\n".join(shown)
    assert shown[-1] == "after"


def test_the_files_are_closed_when_the_following_ends(log: LogFile, reader: Follower) -> None:
    append(log, "old\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    seen(reader)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    reader.close()
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
    """A `logs -f` that certainly follows: what is appended now is reported."""

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
        while "mark" in (found := self._lines.get(timeout=60)):
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
    assert process.wait(60) == 130
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
    assert following.wait(60) == 0


def test_a_unit_that_is_started_later_is_followed_too(
    folder: Path, verb: Callable[..., subprocess.Popen[str]]
) -> None:
    (folder / "redis-0.log").write_text("")
    following = Following(verb("redis", "-f", "--jsonl", "-n", "0"), folder / "redis-0.log")
    (folder / "redis-1.log").write_text("new\n")
    assert following.line() == '{"unit":"redis-1","line":"new"}\n'
