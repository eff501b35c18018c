"""The checks of suite `network`: every socket of every process, as the kernel has it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from devstack_tui.contracts.audit import Audit, Check, Finding, Severity
from devstack_tui.contracts.bindings import Bindings, Bound
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.service import Service
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError

SUITE = "network"
AGAIN_S = 0.25
"""What is wrong must be so again after this: a child that just began, a port in mid-restart."""
SABOTAGED = "redis"
"""The service of which each kind that every service has is proven."""
_WILD = ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound


@dataclass(frozen=True, slots=True)
class Kind:
    """One decision about all sockets of a service: what is wrong, each in words, of `Bindings`."""

    name: str
    title: str
    severity: Severity
    stake: str
    remedy: str
    wrong: Callable[[Bindings], Iterable[str]]


def _undeclared(found: Bindings) -> Iterable[str]:
    known = set(found.declared.values())
    for one in _open(found):
        own = one.host == found.host or (one.host, one.port) in found.further
        if _loopback(one.host) and not (own and one.port in known):
            yield f"{one.unit} listens at {one}"


def _beyond(found: Bindings) -> Iterable[str]:
    return (f"{one.unit} listens at {one}" for one in _open(found) if not _loopback(one.host))


def _exposed(found: Bindings) -> Iterable[str]:
    return (f"{one.unit} listens at {one}" for one in found.sockets if one.exposed)


def _outgoing(found: Bindings) -> Iterable[str]:
    return (f"{one.unit} is connected: {one}" for one in found.sockets if one.remote)


KINDS = (
    Kind(
        "listeners",
        "{title} listens at its declared ports and nowhere else",
        Severity.HIGH,
        "What listens and is not declared is neither watched nor protected: another address, a "
        "port of an extension, a process that somebody left there.",
        "take the listener out of its settings, or end that process; then "
        "`devstack-tui restart {service}`",
        _undeclared,
    ),
    Kind(
        "loopback",
        "{title} can be reached from this machine alone",
        Severity.CRITICAL,
        "A server that is bound to another address than loopback is offered to the network.",
        "bind it to 127.0.0.1 (its own setting of addresses); `devstack-tui restart {service}`",
        _beyond,
    ),
    Kind(
        "unix",
        "no Unix socket of {title} is open to other accounts",
        Severity.HIGH,
        "Who may connect to it has passed the first door without a certificate; an abstract socket "
        "has no mode at all.",
        "put it into the service's own directory, which is 0700",
        _exposed,
    ),
    Kind(
        "outgoing",
        "{title} is connected to nothing beyond this machine",
        Severity.MEDIUM,
        "A connection to elsewhere takes data out: replication, a foreign server, a call home.",
        "find what makes it in `devstack-tui logs {service}`, and take it out of its settings",
        _outgoing,
    ),
)


def checks(audit: Audit) -> tuple[Check, ...]:
    """All of them; asks no server."""
    found: list[Check] = []
    for one in services():
        if one.unavailable:
            continue
        found += [_check(one, kind) for kind in KINDS]
        found += [_held(one, name, port) for name, port in audit.claims(one.name).items()]
    return tuple(found)


def _check(one: Service, kind: Kind) -> Check:
    words = {"title": one.title, "service": one.name}
    return Check(
        id=f"{SUITE}.{one.secret}.{kind.name}",
        suite=SUITE,
        title=kind.title.format(**words),
        severity=kind.severity,
        service=one.name,
        stake=kind.stake,
        remedy=kind.remedy.format(**words),
        sabotage=f"{SUITE}.{one.secret}.{kind.name}" if one.name == SABOTAGED else "",
        run=functools.partial(_decide, one.name, kind.wrong),
        kind=f"{SUITE}.{kind.name}",
        group="sockets",
    )


def _held(one: Service, name: str, port: int) -> Check:
    label = name.replace(" ", "_").removeprefix(f"{one.name}_")
    return Check(
        id=f"{SUITE}.{one.secret}.port.{label}",
        suite=SUITE,
        title=f"port {name} of {one.title} is held by {one.title} itself",
        severity=Severity.HIGH,
        service=one.name,
        stake="Whoever holds a port that clients know is given what they send.",
        remedy=f"end what took port {port}; `devstack-tui restart {one.name}`",
        sabotage=f"{SUITE}.{one.secret}.gone" if label == "http" else "",
        run=functools.partial(_decide, one.name, functools.partial(_lost, name), port=port),
        without_server=True,
        kind=f"{SUITE}.port",
        group="ports",
    )


def _lost(name: str, found: Bindings) -> Iterable[str]:
    port = found.declared[name]
    own = [one for one in _open(found) if one.port == port and one.kind == "tcp"]
    if port in found.foreign:
        yield f"port {port} is held by {found.foreign[port]}"
    elif not any(one.host in (found.host, *_WILD) for one in own):
        yield f"nothing listens at {found.host}:{port}"


def _decide(
    name: str, wrong: Callable[[Bindings], Iterable[str]], audit: Audit, port: int | None = None
) -> Finding:
    first = _look(audit, name, port)
    if found := sorted(set(wrong(first))):
        # What is gone by now was a moment's.
        second = _look(audit, name, port, later=True)
        found = [one for one in wrong(second) if one in found]
    if found:
        return Finding(Status.FAIL, "; ".join(sorted(set(found))))
    seen = [f"{one.unit}: {one}" for one in first.sockets if port in (None, one.port)]
    return Finding(Status.PASS, "; ".join(seen))


def _look(audit: Audit, name: str, port: int | None, later: bool = False) -> Bindings:
    """The service's, of one look for all of them. Raises `DevstackError` where it has no socket,
    unless somebody else holds the `port`."""

    def again() -> object:
        time.sleep(AGAIN_S)
        return audit.bindings()

    made = audit.once("bindings again", again) if later else audit.once("bindings", audit.bindings)
    found = cast(dict[str, Bindings], made).get(name)
    if found is None or not (found.sockets or port in found.foreign):
        raise DevstackError(f"no socket of {service(name).title} was found: it may have ended")
    return found


def _open(found: Bindings) -> list[Bound]:
    """What takes connections by address."""
    return [one for one in found.sockets if one.kind != "unix" and not one.remote]


def _loopback(host: str) -> bool:
    return ip_address(host).is_loopback
