"""Who works on a stack for longer than one change, and must not be disturbed."""

from __future__ import annotations

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.recovery import lock_of

WORK = {"bench": "a benchmark", "tune": "a tuning", "drill": "a drill"}


def require_none(paths: StackPaths, *kinds: str) -> None:
    """Raise `DevstackError` naming who does work of one of `kinds` on the stack now.

    Who is about to begin asks with its own lock held: then of two that begin together at least
    one sees the other.
    """
    for kind in kinds:
        if owner := StackLock.holder(lock_of(paths, kind)):
            raise DevstackError(
                f"{WORK[kind]} runs on this stack (pid {owner.pid})",
                "wait for its end: each would spoil the other",
            )
