"""Private files: written whole or not at all, 0600, in directories of 0700."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import re
import secrets
import signal
import stat
from pathlib import Path

from devstack_tui.core.errors import DevstackError, UsageError

PRIVATE_FILE = 0o600
FULL = (errno.ENOSPC, errno.EDQUOT)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
"""What would act on a terminal, or count as the end of a line to us alone."""
PRIVATE_DIR = 0o700
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""The signals by which the kernel ends a process for a fault of its own."""
CRASH_LOG = "DEVSTACK_TUI_CRASH_LOG"
"""The environment variable that gives our processes the file for `dump_crashes`."""
CRASH_LOG_KEPT = 256 * 1024
"""A crash log with more bytes than this is put aside, once."""
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
"""A pipe in place of the file is not waited for."""


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
    # With its writer's pid: whoever finds it can tell whether it is being written.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
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


def read_bytes(path: Path) -> bytes:
    """A file of ours. Raises OSError, also where something else is in its place: a pipe there would
    wait for a writer."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return file.read()


def read_word(path: Path) -> str:
    """A secret or an id in a file of ours, without the space around it. Raises OSError, also for
    bytes that are no text."""
    try:
        return read_bytes(path).decode().strip()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "Its bytes are no text", str(path)) from None


def read_text(path: Path, limit: int) -> str:
    """A text that somebody else has written, of at most `limit` bytes; UTF-16 is read by its mark,
    and what would act on a terminal is replaced. Raises `UsageError` for what is no such file."""
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
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def make_crash_log(path: Path) -> None:
    """Make the file for `dump_crashes`. A disk that refuses is no reason to stop."""
    with contextlib.suppress(OSError):
        fd = os.open(path, _APPEND | os.O_CREAT, PRIVATE_FILE)
        size = os.fstat(fd).st_size
        os.close(fd)
        if size > CRASH_LOG_KEPT:
            path.replace(path.with_suffix(".old"))
            make_crash_log(path)


def dump_crashes(path: Path | None = None) -> None:
    """When this process crashes (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL), append where each of
    its threads was to `path`, or to the file that the parent process was given. Where there is no
    such file, it goes to standard error. Nothing is written before."""
    import faulthandler

    if faulthandler.is_enabled():  # already, or by PYTHONFAULTHANDLER
        return
    known = str(path or os.environ.get(CRASH_LOG, ""))
    os.environ[CRASH_LOG] = known
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # or no standard error at all
        try:
            # Open until the end: a process that crashes can open nothing.
            faulthandler.enable(os.open(known, _APPEND))
        except OSError:
            faulthandler.enable()


def crash(exit_code: int | None, what: str) -> DevstackError | None:
    """The error of a process of ours that crashed, with the file that has where it was; None for
    one that ended otherwise."""
    if exit_code is None or -exit_code not in CRASHES:
        return None
    where = os.environ.get(CRASH_LOG, "")
    dumped = f"; where it was is in {where}" if where else ""
    name = signal.Signals(-exit_code).name
    return DevstackError(f"{what} crashed ({name}){dumped}", "please report it, with that file")


def explain(error: OSError, doing: str) -> DevstackError:
    """`error` as one sentence with the next step, for the faults that a user can mend."""
    # Where one file was to take the place of another, it is about the other.
    name = error.filename2 or error.filename
    where = f" at {name}" if name else ""
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
                "the stack belongs to another user, or XDG_STATE_HOME or XDG_CONFIG_HOME points to "
                "a directory that you cannot read and write",
            )
        case errno.EISDIR | errno.EINVAL if name:
            return DevstackError(
                f"{name} is no regular file, while {doing}", f"remove {name}, or put the file back"
            )
        case errno.ENOTDIR | errno.ELOOP | errno.EMLINK if name:
            return DevstackError(
                f"{error.strerror}{where} while {doing}", "move it away, then run it again"
            )
    return DevstackError(f"{error.strerror or error}{where} while {doing}")
