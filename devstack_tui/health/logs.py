"""Reading the logs of a service's units: the last lines, and what comes after them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType

import msgspec

from devstack_tui.contracts.engine import UnitLog
from devstack_tui.core.redact import MASK, redact

BLOCK = 64 * 1024
POLL_S = 0.2
_MARK = re.compile(rb"-----(BEGIN|END) [A-Z ]*PRIVATE KEY-----")


class LogLine(msgspec.Struct, frozen=True):
    """One line that a unit wrote, without secrets."""

    unit: str
    line: str


def tail(log: UnitLog, lines: int) -> Iterator[LogLine]:
    """The last `lines` lines; none for a log that is not there."""
    try:
        reader = _Reader(log)
    except FileNotFoundError:
        return
    with reader:
        yield from reader.last(lines)
        yield from reader.rest()


async def follow(
    logs: Sequence[UnitLog],
    more: Callable[[], Sequence[UnitLog]] | None = None,
    lines: int = 0,
) -> AsyncIterator[LogLine]:
    """The last `lines` lines, and every one that is written from now on, also after a rotation.

    `more` is asked at each look which logs there are by now; a new one is read from its beginning.
    """
    readers: dict[str, _Reader] = {}
    try:
        for log in logs:
            if log.path.exists():
                readers[log.unit] = _Reader(log)
                for line in readers[log.unit].last(lines):
                    yield line
        while True:
            for log in logs:
                for line in _look(log, readers):
                    yield line
            await asyncio.sleep(POLL_S)
            logs = more() if more is not None else logs
    finally:
        for reader in readers.values():
            reader.close()


def _look(log: UnitLog, readers: dict[str, _Reader]) -> Iterator[LogLine]:
    """What is new in one log; a file that took its place is read from its beginning."""
    if log.unit not in readers:
        if not log.path.exists():
            return
        readers[log.unit] = _Reader(log)
    reader = readers[log.unit]
    nothing = True
    for line in reader.more():
        nothing = False
        yield line
    if nothing and reader.replaced():
        yield from reader.rest()
        readers.pop(log.unit).close()


class _Reader:
    """One open log: knows how far it was read. Raises `FileNotFoundError` when it is not there."""

    def __init__(self, log: UnitLog) -> None:
        self._log = log
        self._file = log.path.open("rb")
        self._rest = b""
        self._keys = _Keys()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def last(self, lines: int) -> Iterator[LogLine]:
        """The last `lines` whole lines, read from the end in blocks; then stand at the end."""
        end = position = self._file.seek(0, os.SEEK_END)
        data = b""
        while position > 0 and data.count(b"\n") <= lines:
            step = min(BLOCK, position)
            position -= step
            self._file.seek(position)
            data = self._file.read(step) + data
        self._file.seek(end)
        *whole, self._rest = data.split(b"\n")
        # One that is not ended yet is one of the last lines too: `rest` has it.
        keep = lines - bool(self._rest)
        whole = whole[-keep:] if keep > 0 else []
        # Where the first of them lie inside a private key, its end comes before a beginning.
        first = _MARK.search(b"\n".join(whole))
        self._keys = _Keys(inside=first is not None and first[1] == b"END")
        for raw in whole:
            yield self._shown(raw)
        if lines == 0:
            self._rest = b""

    def more(self) -> Iterator[LogLine]:
        """The lines that were ended since the last look."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for raw in whole:
            yield self._shown(raw)

    def rest(self) -> Iterator[LogLine]:
        """The last line, when nothing ended it."""
        if self._rest:
            yield self._shown(self._rest)
            self._rest = b""

    def replaced(self) -> bool:
        """Whether the path is another file by now, or was cut."""
        try:
            now = self._log.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        return now.st_ino != ours.st_ino or now.st_size < self._file.tell()

    def _shown(self, raw: bytes) -> LogLine:
        return LogLine(self._log.unit, self._keys.shown(raw))


class _Keys:
    """Masks line by line: a private key is on many lines, of which the middle ones look like
    nothing. `inside` is whether the next line is one of them."""

    def __init__(self, inside: bool = False) -> None:
        self._inside = inside

    def shown(self, raw: bytes) -> str:
        hidden = self._inside
        for mark in _MARK.finditer(raw):
            self._inside = mark[1] == b"BEGIN"
        if hidden:
            return MASK
        return redact(raw.decode(errors="replace").rstrip("\r"))
