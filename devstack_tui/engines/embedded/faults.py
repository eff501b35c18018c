"""Faults of the embedded engine: signals to processes that are proven to be the same ones still,
and a packet filter table of the stack's own."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.core import codec, process
from devstack_tui.core.errors import DevstackError, UnreachableError, UsageError
from devstack_tui.core.journal import RefusedError
from devstack_tui.core.process import ProcessId
from devstack_tui.engines.embedded import firewall, nftables

# The keys of `Handle.undo`; journals of earlier releases have the first two.
PROCESSES, TABLE, CUT, SIGNAL = "processes", "table", "cut", "signal"
POLL_S = 0.02


def of_processes(
    fault: Fault, units: Sequence[str], mains: Sequence[ProcessId], asks: signal.Signals
) -> Handle:
    """A fault of units with these main processes. `asks` is what asks the first of them to end; all
    other faults are of every process of a unit."""
    members = list(mains) if fault is Fault.TERMINATE else family(mains)
    undo = {PROCESSES: msgspec.json.encode(members).decode(), SIGNAL: asks.name}
    return Handle(fault, tuple(units), undo)


def of_network(unit: str, table: str, cut: NodeTraffic) -> Handle:
    """A partition of a unit's node."""
    undo = {TABLE: table, CUT: msgspec.json.encode(cut).decode()}
    return Handle(Fault.PARTITION, (unit,), undo)


def inject(handle: Handle) -> float:
    """Do it. Returns when (monotonic seconds)."""
    if handle.fault is Fault.PARTITION:
        at = time.monotonic()
        cut = codec.decode(handle.undo[CUT], NodeTraffic)
        firewall.apply(handle.undo[TABLE], cut)
        return at
    number = {
        Fault.KILL: signal.SIGKILL,
        Fault.FREEZE: signal.SIGSTOP,
        Fault.TERMINATE: signal.Signals[handle.undo[SIGNAL]],
    }[handle.fault]
    return send(processes_of(handle), number)


def ours(handle: Handle, instance: str) -> Handle:
    """The handle as far as it is about processes and the table of this stack: a journal is a file,
    and what it names may be anybody's.

    Raises `RefusedError` for one that is damaged, or about another stack's table."""
    try:
        members = processes_of(handle)
    except ValueError:
        raise RefusedError("it names no processes as this release writes them") from None
    table = handle.undo.get(TABLE)
    if table is not None and table != firewall.table_of(instance):
        raise RefusedError(f"{table[:80]!r} is no packet filter table of ours")
    own = [one for one in members if _proven(one, instance)]
    mine = {**handle.undo, PROCESSES: msgspec.json.encode(own).decode()}
    return msgspec.structs.replace(handle, undo=mine)


@functools.lru_cache(maxsize=1024)
def _proven(one: ProcessId, instance: str) -> bool:
    """Kept for the self-test, which holds the same processes still thirty times a second."""
    return process.descends(one.pid, instance)


def undo(handle: Handle) -> float:
    """Let go on what is held still, connect what is cut off. Returns when (monotonic seconds)."""
    at = send(processes_of(handle), signal.SIGCONT)
    if table := handle.undo.get(TABLE):
        nftables.remove(table)
    return at


def await_gone(handle: Handle, within: float) -> None:
    """Return when the processes are gone; after `within` seconds they are killed."""
    deadline = time.monotonic() + within
    while left := [one for one in processes_of(handle) if process.alive(one)]:
        if time.monotonic() > deadline:
            send(left, signal.SIGKILL)
        time.sleep(POLL_S)


def processes_of(handle: Handle) -> list[ProcessId]:
    """The processes that the handle names."""
    return codec.decode(handle.undo.get(PROCESSES, "[]"), list[ProcessId])


def prove(units: Mapping[str, ProcessId | None], instance: str, stack: str, up: str) -> None:
    """See `Engine.prove_owned`: by the mark in the environment of each main process. `up` is the
    command that starts what does not run."""
    for unit, main in units.items():
        if main is None:
            raise UnreachableError(f"{unit} does not run", up)
        try:
            os.kill(main.pid, 0)
        except ProcessLookupError:
            raise UnreachableError(f"{unit} has just ended", up) from None
        except PermissionError:
            raise UsageError(
                f"no right to signal {unit} (pid {main.pid})",
                "run as the user that started the stack",
            ) from None
        if not process.belongs(main.pid, instance):
            raise DevstackError(
                f"{unit} (pid {main.pid}) is not of this stack: nothing was touched",
                f"`devstack-tui --stack {stack} down`, then `devstack-tui --stack {stack} up`",
            )


def family(mains: Sequence[ProcessId]) -> list[ProcessId]:
    """These processes first, then their children. Each is identified before any is touched: a pid
    that is used again meanwhile is nobody of ours."""
    roots = {main.pid for main in mains}
    children = process.descendants(roots, process.table()) - roots
    return [*mains, *(one for pid in sorted(children) if (one := process.identify(pid)))]


def send(members: Iterable[ProcessId], number: signal.Signals) -> float:
    """The signal to each that still is the same process. Returns when it was sent."""
    living = [one for one in members if process.alive(one)]
    at = time.monotonic()
    try:
        for one in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, number)
    except PermissionError:
        raise UsageError(
            f"no right to signal pid {living[0].pid}", "run as the user that started the stack"
        ) from None
    return at
