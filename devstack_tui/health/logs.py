"""Reading the logs of a service's units: the last lines, and what comes after them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import BinaryIO

import msgspec

from devstack_tui.core.redact import redact
from devstack_tui.stack.engine import UnitLog

BLOCK = 64 * 1024
POLL_S = 0.2


class LogLine(msgspec.Struct, frozen=True):
    """One line that a unit wrote, without secrets."""

    unit: str
    line: str


def tail(log: UnitLog, lines: int) -> Iterator[LogLine]:
    """The last `lines` lines; none for a log that is not there."""
    if lines == 0:
        return
    try:
        with log.path.open("rb") as file:
            for raw in _last(file, lines):
                yield _line(log.unit, raw)
    except FileNotFoundError:
        return


async def follow(logs: Sequence[UnitLog]) -> AsyncIterator[LogLine]:
    """Every line that is written from now on, also after a log was rotated."""
    open_files: dict[str, tuple[BinaryIO, bytes]] = {}
    try:
        first = True
        while True:
            for log in logs:
                for line in _more(log, open_files, at_end=first):
                    yield line
            first = False
            await asyncio.sleep(POLL_S)
    finally:
        for file, _ in open_files.values():
            file.close()


def _more(
    log: UnitLog, open_files: dict[str, tuple[BinaryIO, bytes]], at_end: bool
) -> Iterator[LogLine]:
    if log.unit not in open_files:
        try:
            file: BinaryIO = log.path.open("rb")
        except FileNotFoundError:
            return
        if at_end:
            file.seek(0, os.SEEK_END)
        open_files[log.unit] = (file, b"")
    file, rest = open_files[log.unit]
    *whole, rest = (rest + file.read()).split(b"\n")
    open_files[log.unit] = (file, rest)
    for raw in whole:
        yield _line(log.unit, raw)
    if not whole and _replaced(file, log):
        file.close()
        del open_files[log.unit]


def _replaced(file: BinaryIO, log: UnitLog) -> bool:
    """Whether the path is another file by now, or was cut."""
    try:
        now = log.path.stat()
    except FileNotFoundError:
        return False
    return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell()


def _last(file: BinaryIO, lines: int) -> list[bytes]:
    """The last `lines` lines of `file`, read from its end in blocks."""
    position = file.seek(0, os.SEEK_END)
    data = b""
    while position > 0 and data.count(b"\n") <= lines:
        step = min(BLOCK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    found = data.split(b"\n")
    if found[-1] == b"":
        found.pop()
    return found[-lines:]


def _line(unit: str, raw: bytes) -> LogLine:
    return LogLine(unit, redact(raw.decode(errors="replace").rstrip("\r")))
