"""Private files: written whole or not at all, 0600, in directories of 0700."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import stat
from pathlib import Path

from devstack_tui.core.errors import DevstackError, UsageError

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700


def make_dir(path: Path, mode: int = PRIVATE_DIR, owner: tuple[int, int] | None = None) -> Path:
    """Create `path` with exactly `mode` and, if given, its owner; its parents are private."""
    if not path.parent.exists():
        make_dir(path.parent)
    path.mkdir(mode=mode, exist_ok=True)
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)
    if owner is not None:
        os.chown(path, *owner)
    return path


def write_private(
    path: Path,
    data: str | bytes,
    mode: int = PRIVATE_FILE,
    owner: tuple[int, int] | None = None,
    *,
    folder: int | None = None,
    mtime_ns: int | None = None,
) -> None:
    """Replace `path` with `data` in one step: a reader, or a crash, sees the old or the new.

    `folder` is the open directory that a relative `path` starts at; `mtime_ns` (Unix time) a time
    of change other than now."""
    raw = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            if mtime_ns is not None:
                os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
        os.replace(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def read_text(path: Path, limit: int) -> str:
    """A text that somebody else has written, of at most `limit` bytes; UTF-16 is read by its mark.
    Raises `UsageError` for what is no such file."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path} is no regular file", "copy what it gives into one")
            raw = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > limit:
        raise UsageError(f"{path} is larger than {limit >> 20} MB: no configuration file is")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = raw.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    if "\0" in text:
        raise UsageError(f"{path} is no text: it has a zero byte")
    return text


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def explain(error: OSError, doing: str) -> DevstackError:
    """`error` as one sentence with the next step, for the faults that a user can mend."""
    import errno

    where = f" at {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return DevstackError(
                f"the disk is full{where} while {doing}", "free some space, then run it again"
            )
        case errno.EROFS:
            return DevstackError(
                f"the file system is read-only{where} while {doing}",
                "set XDG_STATE_HOME to a directory that can be written",
            )
        case errno.EACCES | errno.EPERM:
            return DevstackError(
                f"permission denied{where} while {doing}",
                "the stack belongs to another user, or XDG_STATE_HOME points to a directory "
                "that you cannot write",
            )
    return DevstackError(f"{error.strerror or error}{where} while {doing}")
