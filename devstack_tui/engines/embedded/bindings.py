"""The sockets of a stack's processes: those at which they can be reached, and where they went."""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from devstack_tui.contracts import registry
from devstack_tui.contracts.bindings import Bindings, Bound
from devstack_tui.contracts.server_home import HOST
from devstack_tui.contracts.service import BoundFurther
from devstack_tui.core import process, socket_table
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.socket_table import Entry
from devstack_tui.engines.embedded import ports
from devstack_tui.engines.embedded.process_records import Record

WILD = ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound


def look(
    records: list[Record], instance: str, claims: Mapping[str, Mapping[str, int]]
) -> dict[str, Bindings]:
    """By service: what is declared, what its processes have, and declared ports of others.

    Raises `DevstackError` where the sockets of a process cannot be seen.
    """
    listed = socket_table.read()
    units = _units(records, instance)
    bound: defaultdict[str, set[Bound]] = defaultdict(set)
    ours: set[int] = set()
    for pid, (service, unit) in units.items():
        held = _held(pid, unit)
        ours |= held
        for inode in held & listed.keys():
            if one := _bound(unit, pid, listed[inode]):
                bound[service].add(one)
    others = [
        one
        for inode, one in listed.items()
        if one.kind == "tcp" and one.listening and inode not in ours
    ]
    return {
        service: Bindings(
            host=HOST,
            declared=declared,
            sockets=tuple(sorted(bound[service])),
            foreign={
                port: ports.holder(port)
                for port in declared.values()
                if any(
                    one.port == port and _takes(one.host, port, bound[service]) for one in others
                )
            },
            further=frozenset(_further(service, declared)),
        )
        for service, declared in claims.items()
    }


def _further(service: str, declared: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    server = registry.service(service).server()
    if isinstance(server, BoundFurther):
        for name, host in server.further.items():
            yield host, declared[name]


def _takes(host: str, port: int, own: set[Bound]) -> bool:
    """Whether another's socket at this address is met by clients of ours: the kernel prefers one at
    their very address, which is the server's own."""
    there = any(one.kind == "tcp" and (one.host, one.port) == (HOST, port) for one in own)
    return host == HOST or (host in WILD and not there)


def _units(records: list[Record], instance: str) -> dict[int, tuple[str, str]]:
    """Service and unit of every process of the stack: of those that were started by us, of their
    children, and of whatever has the environment of either."""
    found: dict[int, tuple[str, str]] = {}
    services = {record.unit: record.service for record in records}
    for pid, unit in process.owned(instance).items():
        service = services.get(unit, unit.partition(":")[2])
        if service:
            found[pid] = (service, unit)
    table = process.table()
    for record in records:
        if record.process is not None and record.alive:
            for pid in process.descendants([record.process.pid], table):
                found[pid] = (record.service, record.unit)
    return found


def _held(pid: int, unit: str) -> set[int]:
    try:
        return socket_table.held(pid)
    except PermissionError:
        raise DevstackError(
            f"the sockets of {unit} cannot be seen by this account",
            "run devstack-tui as the user who started the stack, or as root",
        ) from None


def _bound(unit: str, pid: int, one: Entry) -> Bound | None:
    """What can be reached from outside the process, or went beyond this machine."""
    if one.kind == "unix":
        return _path(unit, pid, one.host) if one.listening and one.host else None
    if one.listening:
        return Bound(unit, one.kind, one.host, one.port)
    if one.remote and not ip_address(one.remote).is_loopback:
        return Bound(unit, one.kind, one.host, one.port, remote=one.remote)
    return None


def _path(unit: str, pid: int, name: str) -> Bound:
    """A Unix socket, and whether other accounts may connect to it."""
    if name.startswith("@"):
        return Bound(unit, "unix", name, 0, exposed=True)
    try:
        path = Path(f"/proc/{pid}/cwd").readlink() / name
        reachable = path.stat().st_mode & stat.S_IWOTH and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in path.parents
        )
    except OSError:
        return Bound(unit, "unix", name, 0)  # it is bound to what is not there any more
    return Bound(unit, "unix", str(path), 0, exposed=bool(reachable))
