"""The log files of the embedded engine: the last lines of each, and what comes after them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack_tui.contracts.model import LogLine
from devstack_tui.core.redact import PRIVATE_KEY, LineRedactor

BLOCK = 64 * 1024
POLL_S = 0.2
LONGEST = 1024 * 1024
"""So much of the end of a longer line is searched."""
Wanted = Callable[[str], object]
"""Whether a line, without secrets, is wanted."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where one unit of a service writes."""

    unit: str
    path: Path


def tail(log: LogFile, lines: int, wanted: Wanted | None = None) -> Iterator[LogLine]:
    """The last `lines` lines, of those that are `wanted`; none for a log that is not there."""
    try:
        reader = _Reader(log)
    except FileNotFoundError:
        return
    with contextlib.closing(reader):
        yield from reader.last(lines, wanted)
        yield from reader.rest()


class Follower:
    """Follows the logs that `listed` names, which is asked at each look: a rotated one, and a new
    one, are read from their beginning. The first look gives the last `lines` lines."""

    def __init__(
        self,
        listed: Callable[[], Sequence[LogFile]],
        lines: int = 0,
        wanted: Wanted | None = None,
    ) -> None:
        self._listed = listed
        self._wanted = wanted
        self._lines: int | None = lines
        self._readers: dict[str, _Reader] = {}

    def look(self) -> Iterator[LogLine]:
        """What was written since the last look."""
        for log in self._listed():
            if self._lines is not None and log.path.exists():
                self._readers[log.unit] = _Reader(log)
                yield from self._readers[log.unit].last(self._lines, self._wanted)
            yield from self._more(log)
        self._lines = None

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _more(self, log: LogFile) -> Iterator[LogLine]:
        """What is new in one log; a file that took its place is read from its beginning."""
        if log.unit not in self._readers:
            if not log.path.exists():
                return
            self._readers[log.unit] = _Reader(log)
        reader = self._readers[log.unit]
        nothing = True
        for line in reader.more():
            nothing = False
            yield line
        if nothing and reader.replaced():
            yield from reader.rest()
            self._readers.pop(log.unit).close()


class _Reader:
    """One open log: knows how far it was read. Raises `FileNotFoundError` when it is not there."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._file = log.path.open("rb")
        self._rest = b""
        self._redactor = LineRedactor()

    def close(self) -> None:
        self._file.close()

    def last(self, lines: int, wanted: Wanted | None = None) -> Iterator[LogLine]:
        """The last `lines` whole lines, read from the end in blocks; then stand at the end.

        Of those that are `wanted`, if that is given: the whole log is searched, block by block.
        """
        if wanted is not None:
            yield from self._search(lines, wanted)
            return
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
        first = PRIVATE_KEY.search(b"\n".join(whole))
        self._redactor = LineRedactor(inside=first is not None and first[1] == b"END")
        for raw in whole:
            yield self._log_line(raw)
        if lines == 0:
            self._rest = b""

    def _search(self, lines: int, wanted: Wanted) -> Iterator[LogLine]:
        position = end = self._file.seek(0, os.SEEK_END)
        found: list[LogLine] = []
        head = b""
        inside = ended = False
        while position > 0 and len(found) < lines:
            step = min(BLOCK, position)
            position -= step
            self._file.seek(position)
            # The beginning of the first line is in an earlier block.
            whole = (self._file.read(step) + head[-LONGEST:]).split(b"\n")
            head = whole.pop(0) if position else b""
            if whole and not ended:
                ended = True
                self._rest = whole.pop()
            for raw in reversed(whole):
                # Backwards: a line lies inside a private key if the next mark is its end.
                marks = PRIVATE_KEY.findall(raw)
                inside = marks[0] == b"END" if marks else inside
                if inside or wanted(raw.decode(errors="replace")):
                    text = LineRedactor(inside).redacted(raw)
                    if wanted(text) and len(found) < lines:
                        found.append(LogLine(self._log.unit, text))
        self._file.seek(end)
        yield from reversed(found)

    def more(self) -> Iterator[LogLine]:
        """The lines that were ended since the last look."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        for raw in whole:
            yield self._log_line(raw)

    def rest(self) -> Iterator[LogLine]:
        """The last line, when nothing ended it."""
        if self._rest:
            yield self._log_line(self._rest)
            self._rest = b""

    def replaced(self) -> bool:
        """Whether the path is another file by now, or was cut."""
        try:
            now = self._log.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        return now.st_ino != ours.st_ino or now.st_size < self._file.tell()

    def _log_line(self, raw: bytes) -> LogLine:
        return LogLine(self._log.unit, self._redactor.redacted(raw))
