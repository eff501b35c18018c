"""The journal of a drill's writes and reads, as a file of JSON lines.

First a `Header`, then one `Operation` for each write or read when its outcome is known, as an array
in the order of the fields. Lines are appended in pieces at least every 100 ms, so a process that is
killed loses no more than that; a last line that was cut short is passed over.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import explain
from devstack_tui.loadgen.acknowledged_writes import Operation


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Of which run, and how it wrote. `tags` are those of each shard."""

    format: int = 1
    run: str
    rate_hz: float
    timeout_s: float
    nodes: tuple[str, ...]
    tags: dict[str, tuple[str, ...]]


class AckJournal:
    """The journal being written. Raises `DevstackError` when the disk takes no more."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = [self._encoder.encode(header)]
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise explain(error, "opening the drill's journal") from None
        self.flush()

    def add(self, operation: Operation) -> None:
        """Keep it for the next `flush`."""
        self._lines.append(self._encoder.encode(operation))

    def flush(self) -> None:
        """Hand what was kept to the operating system: from then on a crash of ours loses nothing.

        It is not synced: waiting for the disk would hold up the measurement.
        """
        if not self._lines:
            return
        data = memoryview(b"\n".join(self._lines) + b"\n")
        self._lines.clear()
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise explain(error, "writing the drill's journal") from None

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            os.close(self._fd)


def read(path: Path) -> tuple[Header, list[Operation]]:
    """The journal at `path`. A line that cannot be read, but for a torn last one, is an error.

    Raises `DevstackError`, naming the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise explain(error, "reading the drill's journal") from None
    *lines, torn = data.split(b"\n")
    found: list[Operation] = []
    number = 1
    try:
        header = codec.decode(lines[0] if lines else torn, Header)
        for line in lines[1:]:
            number += 1
            found.append(codec.decode(line, Operation))
    except ValueError as error:
        raise DevstackError(f"line {number} of the journal {path} is damaged: {error}") from None
    return header, found
