"""What an atomic write leaves when its process is killed: found by its name, and removed."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from devstack_tui.core import process

_NAME = re.compile(r"\..+\.(?:(?P<pid>[1-9][0-9]*)-)?[0-9a-f]{8}")
"""As `files.write_private` makes it; earlier releases left the writer's pid out."""
DEPTH = 4
"""How deep below a stack's directory we write: `data/redis/redis-1/redis.conf`. What is deeper is
the servers' own, and much."""


def left(root: Path) -> list[str]:
    """The temporary files below `root` whose writer is gone, by their names relative to it."""
    return [str(Path(folder, name).relative_to(root)) for folder, name, _ in _found(root)]


def remove(root: Path) -> list[str]:
    """Remove them; returns what was removed. One that cannot be is passed over."""
    removed = []
    for folder, name, fd in _found(root):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=fd)
            removed.append(str(Path(folder, name).relative_to(root)))
    return removed


def _found(root: Path) -> Iterator[tuple[str, str, int]]:
    """Directory, name and open directory of each. No link is followed."""
    for folder, below, names, fd in os.fwalk(root) if root.is_dir() else ():
        if len(Path(folder).relative_to(root).parts) >= DEPTH - 1:
            below.clear()
        for name in names:
            match = _NAME.fullmatch(name)
            with contextlib.suppress(OSError):
                if match and not _is_written(match["pid"], os.lstat(name, dir_fd=fd)):
                    yield folder, name, fd


def _is_written(pid: str | None, found: os.stat_result) -> bool:
    """Whether its writer lives, or it is no file at all."""
    if not stat.S_ISREG(found.st_mode):
        return True
    writer = process.identify(int(pid)) if pid else None
    return writer is not None and process.started_at(writer) <= found.st_ctime + 1
