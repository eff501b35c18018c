"""One changer at a time for a stack: an advisory lock that names its owner.

The kernel drops the lock with its process, so a lock cannot be stale: the owner written in the
file is only read while somebody else really holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files

# C's `struct flock`: type, whence, start, length, pid.
_FLOCK = struct.Struct("@hhqqi4x")


def _whole_file(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


def take(fd: int) -> bool:
    """Lock an open file for whoever has this descriptor, or inherits it. False: it is locked.

    Raises OSError when the file system has no locks.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_locked(fd: int) -> bool:
    """Whether somebody else has locked the file. Only asked, never taken: a look must not be in
    the way of a verb or of another look."""
    found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
    return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)


class Owner(msgspec.Struct, frozen=True):
    """Who holds the lock: `since` is Unix time in seconds."""

    pid: int
    verb: str
    since: float


class StackLock:
    """`with StackLock(path, "up")` around a change; `try_acquire` never waits."""

    def __init__(self, path: Path, verb: str) -> None:
        self._path = path
        self._verb = verb
        self._fd: int | None = None

    def try_acquire(self) -> Owner | None:
        """Take the lock and return None, or return who has it.

        Raises `DevstackError` when the file cannot be opened.
        """
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise files.explain(error, "taking the lock") from None
        if not take(fd):
            os.close(fd)
            return self.owner(self._path)
        if not os.fstat(fd).st_nlink:  # a wipe has removed it meanwhile
            os.close(fd)
            return self.try_acquire()
        owner = Owner(os.getpid(), self._verb, time.time())
        # On a full disk nobody reads who it is that holds it.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(owner), 0)
        self._fd = fd
        return None

    def release(self) -> None:
        """Let the next one in; harmless when the lock is not held."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """Give it up, with its directory if that has nothing else in it: who waits for it makes
        both anew."""
        with contextlib.suppress(OSError):  # somebody begins anew
            if self._fd is not None and list(self._path.parent.iterdir()) == [self._path]:
                self._path.unlink()
                self._path.parent.rmdir()
        self.release()

    def __enter__(self) -> StackLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @staticmethod
    def owner(path: Path) -> Owner:
        """Who wrote the lock file; its first instant may still be blank."""
        with contextlib.suppress(ValueError, OSError):
            return codec.decode(files.read_bytes(path), Owner)
        return Owner(0, "another verb", time.time())

    @staticmethod
    def holder(path: Path) -> Owner | None:
        """Who is changing the stack now, or None."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return StackLock.owner(path) if is_locked(fd) else None
        finally:
            os.close(fd)
