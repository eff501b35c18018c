"""Whether a drill may touch this stack: that it is ours, and that nobody else works on it."""

from __future__ import annotations

import contextlib

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.lock import Owner, StackLock
from devstack_tui.stack.busy import require_none
from devstack_tui.stack.stack import Stack

LOCK = "drill.lock"
OTHERS = ("bench", "tune")


def require_free(stack: Stack) -> None:
    """Raise `DevstackError` naming who works on the stack now."""
    root = stack.paths.root
    if not stack.paths.instance.exists():
        raise UnreachableError(
            f"the stack {stack.name!r} was never started", f"`devstack-tui --stack {stack.name} up`"
        )
    if owner := StackLock.holder(root / LOCK):
        raise _another_drill(owner)
    if owner := StackLock.holder(stack.paths.lock):
        raise _changing(owner)
    require_none(stack.paths, *OTHERS)


def hold(stack: Stack, held: contextlib.ExitStack) -> None:
    """Keep everybody else off the stack until `held` is closed.

    Raises `DevstackError` naming who works on it now; nothing is waited for.
    """
    require_free(stack)
    drill = StackLock(stack.paths.root / LOCK, "drill")
    if owner := drill.try_acquire():
        raise _another_drill(owner)
    held.enter_context(drill)
    # Whoever starts next waits for us, and finds a stack that is whole.
    change = StackLock(stack.paths.lock, "drill")
    if owner := change.try_acquire():
        raise _changing(owner)
    held.enter_context(change)
    require_none(stack.paths, *OTHERS)


def _another_drill(owner: Owner) -> DevstackError:
    return DevstackError(
        f"another drill runs on this stack (pid {owner.pid})",
        "wait for its end, or abort it: it heals what it broke",
    )


def _changing(owner: Owner) -> DevstackError:
    return DevstackError(
        f"`{owner.verb}` is changing this stack (pid {owner.pid})", "wait for its end"
    )


def prove(stack: Stack, engine: Engine, service: Service, *, partly: bool = False) -> None:
    """Prove that every unit of the service runs and belongs to this stack. With `partly` it may
    lack some that ran: the drill finds that out, and breaks nothing.

    Raises `UnreachableError` for a stack that was never started, and as `Engine.prove_owned`.
    """
    if stack.instance() is None:
        raise UnreachableError(
            f"the stack {stack.name!r} was never started",
            f"`devstack-tui --stack {stack.name} up {service.name}`",
        )
    try:
        engine.prove_owned(service)
    except UnreachableError:
        if not (partly and any(unit.running for unit in engine.units(service))):
            raise
