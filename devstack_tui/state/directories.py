"""The directories of a stack, and whether a server could live there."""

from __future__ import annotations

import os
import shutil

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import StackPaths, state_home

FULL_BYTES = 1024 * 1024
ROOM = "free some space, then run `devstack-tui up` again"
UNUSABLE = frozenset("'\"\\`*?[")
"""Redis looks for files by a pattern, RabbitMQ asks a shell for the free space."""
LONGEST = 300
"""Bytes of a stack's path: MySQL's names have at most 511, of files far below it."""
MINIMUM_FREE_BYTES = 512 * 1024 * 1024


def make(paths: StackPaths) -> None:
    """Make the stack's directories. Raises `DevstackError` where that is not possible."""
    outer = 0o711 if os.geteuid() == 0 else files.PRIVATE_DIR
    try:
        # What is missing on the way is made by us: it must let the servers' accounts through too.
        missing = [folder for folder in state_home().parents if not folder.exists()]
        for folder in (*reversed(missing), state_home(), paths.root, paths.data):
            files.make_dir(folder, outer)
        for folder in (paths.secrets, paths.logs, paths.run):
            files.make_dir(folder)
        files.make_crash_log(paths.crash_log)
    except OSError as error:
        raise files.explain(error, "making the stack's directories") from None


def require_usable(paths: StackPaths) -> None:
    """Raise `UsageError` for a path that some server could not live at: each has a syntax, or
    commands, of its own that its files are named in."""
    text = str(paths.root)
    found = next((c for c in text if c in UNUSABLE or not c.isprintable()), None)
    if found is not None:
        raise UsageError(
            f"no stack can live in {text!r}: not every server can work with {found!r} in a path",
            "set XDG_STATE_HOME to another directory",
        )
    if len(os.fsencode(text)) > LONGEST:
        raise UsageError(
            f"no stack can live in {text!r}: that is {len(os.fsencode(text))} bytes, and servers "
            f"take at most {LONGEST}",
            "set XDG_STATE_HOME to another directory",
        )


def full(paths: StackPaths) -> str:
    """That the stack's disk is full; empty when it is not."""
    try:
        left = shutil.disk_usage(paths.root).free
    except OSError:
        return ""  # it was never started
    return f"the disk is full at {paths.root}" if left < FULL_BYTES else ""


def require_room(paths: StackPaths, error: DevstackError) -> None:
    """Raise the full disk that is behind `error`; return when the disk is not full."""
    if why := full(paths):
        raise DevstackError(f"{why}: {error.message}", ROOM)


def check(paths: StackPaths) -> None:
    """Raise `DevstackError` where servers could not live: too little space, or no way in."""
    free = shutil.disk_usage(paths.root).free
    if free < MINIMUM_FREE_BYTES:
        raise DevstackError(
            f"only {free // 2**20} MiB are free at {paths.root}: a stack needs "
            f"{MINIMUM_FREE_BYTES // 2**20} MiB to start",
            "free some space, or set XDG_STATE_HOME to another disk",
        )
    if os.geteuid() == 0:
        for parent in [paths.data, *paths.data.parents]:
            if not parent.stat().st_mode & 0o001:
                raise DevstackError(
                    f"{parent} is closed to other users: servers, which run as accounts of "
                    "their own, could not reach their data",
                    "set XDG_STATE_HOME to a directory that every user may enter, "
                    "or run as a normal user",
                )
