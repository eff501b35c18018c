"""All that lies below a directory, by descriptors: no link is followed, and what vanishes while it
is looked at is passed over."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "pipe",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}
Read = Callable[[int], bytes]
"""So many bytes from the beginning of a file (-1: all); none where it is gone, or is no file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or directory: `name` relative to where the walk began (empty: that itself), `kind` a
    word, `mode` its permission bits with setuid, setgid and sticky, `names` how many hard links it
    has, `size` bytes, `to` where a symbolic link leads."""

    name: str
    kind: str
    mode: int
    uid: int
    names: int
    size: int
    to: str = ""


def walk(root: Path) -> Iterator[tuple[Entry, Read]]:
    """Everything, `root` first. A `Read` is good until the next one is asked for. Raises OSError
    for a directory that we may not read."""
    above = os.open(root, _FOLDER)
    try:
        yield _entry("", os.fstat(above)), lambda size: b""
        yield from _below(above, "")
    finally:
        os.close(above)


def _below(folder: int, prefix: str) -> Iterator[tuple[Entry, Read]]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found)
    for name in names:
        try:
            about = os.stat(name, dir_fd=folder, follow_symlinks=False)
            to = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(about.st_mode) else ""
        except FileNotFoundError:
            continue
        entry = _entry(prefix + name, about, to)
        yield entry, partial(_read, folder, name)
        if entry.kind == "directory":
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                opened = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    yield from _below(opened, f"{prefix}{name}/")
                finally:
                    os.close(opened)


def _entry(name: str, about: os.stat_result, to: str = "") -> Entry:
    return Entry(
        name,
        _KINDS.get(stat.S_IFMT(about.st_mode), "device"),
        stat.S_IMODE(about.st_mode),
        about.st_uid,
        about.st_nlink,
        about.st_size,
        to,
    )


def _read(folder: int, name: str, size: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        opened = os.open(name, flags, dir_fd=folder)
    except OSError:
        return b""
    with os.fdopen(opened, "rb") as file:
        return file.read(size) if stat.S_ISREG(os.fstat(opened).st_mode) else b""
