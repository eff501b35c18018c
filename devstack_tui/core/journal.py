"""The intent log: every change to a stack is written here before it is made, with its undo.

A line is appended and synced before the change and another after it. What has the first line
only was interrupted; whoever opens the stack next finishes it or undoes it.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path

import msgspec

from devstack_tui.core import codec


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change that was begun: `undo` holds what the action's handler needs to end it."""

    id: str
    action: str
    subject: str
    at: float
    undo: dict[str, str] = {}


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    begin: Intent | None = None
    end: str | None = None


class Journal:
    """The journal of one stack, at `path`.

    Threads may share it; processes hold the stack's lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.RLock()

    def begin(self, action: str, subject: str, **undo: str) -> Intent:
        """Write that `action` on `subject` is about to happen; returns when it is on the disk."""
        intent = Intent(uuid.uuid4().hex, action, subject, time.time(), undo)
        self._append(_Line(begin=intent))
        return intent

    def end(self, intent: Intent) -> None:
        """Write that `intent` was carried out, or undone."""
        with self._mutex:
            self._append(_Line(end=intent.id))
            if not self.pending():
                self._path.unlink(missing_ok=True)

    def pending(self) -> list[Intent]:
        """The intents that were begun and not ended, oldest first.

        A last line cut short by a crash is one that never began: it is passed over.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        intents: dict[str, Intent] = {}
        for raw in lines:
            try:
                line = codec.decode(raw, _Line)
            except ValueError:  # also what is not UTF-8
                continue
            if line.begin is not None:
                intents[line.begin.id] = line.begin
            if line.end is not None:
                intents.pop(line.end, None)
        return list(intents.values())

    def _append(self, line: _Line) -> None:
        with self._mutex:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # A leading newline ends whatever a crash left half-written on the last line.
                os.write(fd, b"\n" + msgspec.json.encode(line) + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
