"""The intent log: every change to a stack is written here before it is made, with its undo.

A line is appended and synced before the change and another after it. What has the first line
only was interrupted; whoever opens the stack next finishes it or undoes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError


class RefusedError(DevstackError):
    """An entry that nobody may undo: it is damaged, or what it names is not of this stack."""


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change that was begun: `undo` holds what the action's handler needs to end it."""

    id: str
    action: str
    subject: str
    at: float
    undo: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """The part of the action before its dot: one handler undoes them all."""
        return self.action.partition(".")[0]


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    begin: Intent | None = None
    end: str | None = None


class Journal:
    """The journal of one stack, at `path`.

    Threads may share it, and processes: nothing but the end of all that is pending removes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.RLock()

    @property
    def refused(self) -> Path:
        """Where entries are set aside that nobody may undo."""
        return self._path.with_name(f"{self._path.stem}.refused")

    def begin(self, action: str, subject: str, **undo: str) -> Intent:
        """Write that `action` on `subject` is about to happen; returns when it is on the disk."""
        intent = Intent(uuid.uuid4().hex, action, subject, time.time(), undo)
        self._append(_Line(begin=intent))
        return intent

    def end(self, intent: Intent) -> None:
        """Write that `intent` was carried out, or undone."""
        self._end(intent.id)

    def pending(self) -> list[Intent]:
        """The intents that were begun and not ended, oldest first.

        A last line cut short by a crash is one that never began: it is passed over.
        """
        return list(self._read()[0].values())

    def set_aside(self, intent: Intent) -> None:
        """Keep an entry that nobody may undo where it does not matter any more."""
        self._keep_aside(msgspec.json.encode(_Line(begin=intent)))
        self.end(intent)

    @property
    def damaged(self) -> bool:
        """Whether there is anything that is no entry."""
        return bool(self._read()[1]) or (self._path.exists() and not self._path.is_file())

    def set_damaged_aside(self) -> int:
        """As `set_aside`, for all that is no entry. Returns how many lines, or files, it was."""
        try:
            if not stat.S_ISREG(self._path.lstat().st_mode):
                self._path.rename(self.refused.with_name(f"{self.refused.name}.{time.time_ns()}"))
                return 1
        except FileNotFoundError:
            return 0
        damaged = self._read()[1]
        for name, raw in damaged.items():
            self._keep_aside(raw)
            self._end(name)
        if not damaged and not self.pending():
            self._path.unlink(missing_ok=True)
        return len(damaged)

    def _read(self) -> tuple[dict[str, Intent], dict[str, bytes]]:
        """By their names, the entries that are pending, and the lines that are no entry."""
        intents: dict[str, Intent] = {}
        damaged: dict[str, bytes] = {}
        for raw in self._lines():
            try:
                line = codec.decode(raw, _Line)
            except ValueError:  # also what is not UTF-8
                if raw:
                    damaged[f"line {hashlib.sha256(raw).hexdigest()}"] = raw
                continue
            if line.begin is not None:
                intents[line.begin.id] = line.begin
            if line.end is not None:
                intents.pop(line.end, None)
                damaged.pop(line.end, None)
        return intents, damaged

    def _lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines() if self._path.is_file() else []
        except FileNotFoundError:
            return []
        except OSError as error:
            raise files.explain(error, "reading the journal") from None

    def _end(self, name: str) -> None:
        with self._mutex:
            self._append(_Line(end=name), last=True)

    def _append(self, line: _Line, last: bool = False) -> None:
        """Add a line; one that is the `last` removes the file."""
        with self._mutex, self._opened() as fd:
            # A leading newline ends whatever a crash left half-written on the last line.
            os.write(fd, b"\n" + msgspec.json.encode(line) + b"\n")
            os.fsync(fd)
            if last and not any(self._read()):
                self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, while no other process writes it or removes it."""
        while True:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if os.fstat(fd).st_nlink:  # otherwise its end came meanwhile
                    yield fd
                    return
            finally:
                os.close(fd)

    def _keep_aside(self, raw: bytes) -> None:
        fd = os.open(self.refused, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, raw + b"\n")
        finally:
            os.close(fd)
