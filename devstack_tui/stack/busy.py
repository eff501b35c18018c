"""Who works on a stack for longer than one change, and must not be disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.recovery import lock_of

WORK = {"drill": "a drill", "tune": "a tuning", "bench": "a benchmark"}
"""Each with the lock of its kind. A tuning that measures is a benchmark too."""
_POLL_S = 0.2


def running(paths: StackPaths, *kinds: str) -> tuple[str, ...]:
    """Who does work of one of `kinds`, by default of any, on the stack now: a sentence for each
    process."""
    found: dict[int, str] = {}
    for kind in kinds or WORK:
        if owner := StackLock.holder(lock_of(paths, kind)):
            found.setdefault(owner.pid, f"{WORK[kind]} runs on this stack (pid {owner.pid})")
    return tuple(found.values())


def require_none(paths: StackPaths, *kinds: str) -> None:
    """Raise `DevstackError` naming who does work of one of `kinds` on the stack now.

    Who is about to begin asks with its own lock held: then of two that begin together at least
    one sees the other.
    """
    if found := running(paths, *kinds):
        raise DevstackError(found[0], "wait for its end: each would spoil the other")


def give_way(paths: StackPaths, *, force: bool, wait: bool, say: Callable[[str], None]) -> None:
    """What a change that others' work would suffer from does first. Blocks while it waits.

    Raises `DevstackError` naming who works on the stack now, unless `force`, or `wait`.
    """
    reported = ""
    while not force and (found := running(paths)):
        if not wait:
            raise DevstackError(
                f"nothing was changed: {' and '.join(found)}",
                "--wait waits for its end, --force disturbs it",
            )
        if reported != (reported := " and ".join(found)):
            say(f"{reported}: waiting for its end")
        time.sleep(_POLL_S)
