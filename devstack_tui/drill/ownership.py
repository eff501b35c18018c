"""Whether a drill may touch this stack: that it is ours, and that nobody else works on it."""

from __future__ import annotations

import contextlib
import os

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.service import Service
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError, UnreachableError, UsageError
from devstack_tui.core.lock import Owner, StackLock
from devstack_tui.stack.busy import require_none
from devstack_tui.stack.stack import Stack
from devstack_tui.state.instance import Instance

LOCK = "drill.lock"
OTHERS = ("bench", "tune")


def require_free(stack: Stack) -> None:
    """Raise `DevstackError` naming who works on the stack now."""
    root = stack.paths.root
    if not stack.paths.instance.exists():
        raise UnreachableError(
            f"the stack {stack.name!r} was never started", f"`devstack-tui --stack {stack.name} up`"
        )
    if owner := StackLock.held(root / LOCK):
        raise _another_drill(owner)
    if owner := StackLock.held(stack.paths.lock):
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


def prove(stack: Stack, engine: Engine, service: Service) -> Instance:
    """The stack's instance, once every process of the service is proven to belong to it.

    Raises `UnreachableError` for one that does not run, `UsageError` without the right to signal
    it, and `DevstackError` for one that is not ours.
    """
    instance = stack.instance()
    up = f"`devstack-tui --stack {stack.name} up {service.name}`"
    if instance is None:
        raise UnreachableError(f"the stack {stack.name!r} was never started", up)
    units = engine.units(service)
    if not units:
        raise UnreachableError(f"{service.title} does not run", up)
    for unit in units:
        if not unit.running or unit.pid is None:
            raise UnreachableError(f"{unit.unit} does not run", up)
        try:
            os.kill(unit.pid, 0)
        except ProcessLookupError:
            raise UnreachableError(f"{unit.unit} has just ended", up) from None
        except PermissionError:
            raise UsageError(
                f"no right to signal {unit.unit} (pid {unit.pid})",
                "run as the user that started the stack",
            ) from None
        if not process.belongs(unit.pid, instance.id):
            raise DevstackError(
                f"{unit.unit} (pid {unit.pid}) is not of this stack: nothing was touched",
                f"`devstack-tui --stack {stack.name} down`, then up again",
            )
    return instance
