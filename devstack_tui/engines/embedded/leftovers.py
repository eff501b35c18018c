"""What an interrupted verb left among the stack's processes, and how it is put in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service import Service
from devstack_tui.core import process
from devstack_tui.engines.embedded import ports
from devstack_tui.engines.embedded.accounts import account_of
from devstack_tui.engines.embedded.process_records import Record, Records

HELPER = "helper:"
"""How the mark of a program begins that runs beside a server."""
PORTS_WITHIN_S = 15.0
POLL_S = 0.05
GRACE_S = 3.0
"""How long a process that belongs to no unit may take to end."""


def recover(records: Records, instance: str, end: Callable[[Record], object]) -> list[str]:
    """Let go on what is held still, finish stops, find again what was started but not recorded,
    end helpers and what servers left. Returns a sentence for each."""
    owned = process.owned(instance)
    owned.pop(os.getpid(), None)
    notes = [*_let_go_on(owned, instance), *_finish_stops(records, end)]
    found, keep = _find_again(records, owned)
    notes += found
    for pid, unit in owned.items():
        left = process.identify(pid)
        if pid not in keep and left is not None:
            process.end(left, grace_s=GRACE_S, mine=lambda one: process.belongs(one, instance))
            notes.append(f"ended {unit or 'a process'} (pid {pid}), left over from before")
    return notes


def end_of(service: Service, instance: str) -> None:
    """End what the units of a service have left, of which none runs: what they, or a helper,
    started in a session of its own outlives their end and may hold a port."""
    table = process.table()
    ours = process.descendants([os.getpid()], table)
    for pid, unit in process.owned(instance).items():
        left = process.identify(pid)
        if of(service, unit) and pid not in ours and left is not None:
            process.end(left, grace_s=GRACE_S, mine=lambda one: process.belongs(one, instance))


def clear_ports(service: Service, instance: str, claims: Mapping[str, int], data: Path) -> None:
    """End what the units of a service have left, of which none runs, and wait until nothing of it
    holds a port of `claims`: what is ended may start another meanwhile, and a server's child that
    lost its mark (it works in `data`, as the service's account) ends by itself."""
    deadline = time.monotonic() + PORTS_WITHIN_S
    while True:
        end_of(service, instance)
        taken = [port for port in claims.values() if not ports.free(port)]
        held = (pid for port in taken for pid in ports.holders(port))
        if time.monotonic() > deadline or not any(_left(service, p, instance, data) for p in held):
            return
        time.sleep(POLL_S)


def _left(service: Service, pid: int, instance: str, data: Path) -> bool:
    mark = process.unit_above(pid, instance)
    if mark is not None:
        return of(service, mark)
    return process.works_below(pid, data) and _runs_as(service, pid)


def of(service: Service, mark: str) -> bool:
    """Whether a process with this mark (`process.UNIT_VARIABLE`) is the service's."""
    name = mark.removeprefix(HELPER)
    return name in (service.name, service.secret) or name.startswith(f"{service.secret}-")


def _let_go_on(owned: Mapping[int, str], instance: str) -> list[str]:
    """The mark of a server's child may be gone from its environment, which its title overwrites."""
    held = {
        pid: owned.get(pid) or "a process of a server"
        for pid in process.table()
        if pid != os.getpid() and process.frozen(pid) and process.descends(pid, instance)
    }
    for pid in held:
        os.kill(pid, signal.SIGCONT)
    return [f"let {unit} (pid {pid}) go on, which was held still" for pid, unit in held.items()]


def _finish_stops(records: Records, end: Callable[[Record], object]) -> list[str]:
    stopping = [record for record in records.all() if record.stopping]
    for record in stopping:
        end(record)
    return [f"stopped {record.unit}: its stop was interrupted" for record in stopping]


def _may_be(known: Record, pid: int) -> bool:
    """Whether it runs as the unit's account: another server's may give its processes any mark."""
    service = next((one for one in services() if one.name == known.service), None)
    return service is not None and _runs_as(service, pid)


def _runs_as(service: Service, pid: int) -> bool:
    account, rights = account_of(service), process.rights(pid)
    return account is not None and rights is not None and rights.uids == {account.uid}


def _find_again(records: Records, owned: Mapping[int, str]) -> tuple[list[str], set[int]]:
    """Record what runs of each unit. Returns sentences, and the processes that belong to units."""
    recorded = {record.unit: record for record in records.all()}
    notes: list[str] = []
    keep: set[int] = set()
    for unit, pids in process.leaders(owned).items():
        known = recorded.get(unit)
        found = [p for pid in sorted(pids) if (p := process.identify(pid))]
        if known is None or not found:
            continue
        # One that was recorded and has ended is not found again: what has its mark, it started.
        own = [p for p in found if known.process is None and _may_be(known, p.pid)]
        if own:
            known = records.started(known, own[0])
            notes.append(f"found {unit} again (pid {own[0].pid}): its start was interrupted")
        if known.process is not None:
            keep |= process.descendants([known.process.pid], process.table())
    return notes, keep
