"""Every TLS check of a stack: the core checks, and what goes beyond them for each listener."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from devstack_tui.contracts.audit import Audit, Check, Finding, Listener, Severity, as_declared
from devstack_tui.contracts.bindings import Bindings
from devstack_tui.contracts.registry import IDENTITY, service, services
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.tls import authority, certificate, paths
from devstack_tui.security.tls.listener_audit import ListenerView, decide, together
from devstack_tui.security.tls.properties import (
    CERTIFICATE,
    CLIENTS,
    PROPERTIES,
    ROWS,
    Body,
    Property,
    plain,
)

SUITE = "tls"
_Own = dict[tuple[str, str], Check]
"""The check that asserts a property (by name) of a listener (by name)."""


def checks(audit: Audit) -> tuple[Check, ...]:
    """All of them, the core checks first and in their order; asks no server."""
    listeners = [
        listener
        for found in services()
        if (part := found.tls()) is not None
        for listener in part.listeners(audit.target(found.name))
    ]
    numbers = Counter(number for one in listeners for number in one.core.values())
    own: _Own = {}
    for listener in listeners:
        _add(own, listener, numbers)
    every = [*_authority(), *dict.fromkeys(own.values()), *_sums(listeners, own, numbers)]
    return tuple(sorted(every, key=lambda check: (not check.core, check.id if check.core else "")))


def asserting(listeners: Iterable[Listener]) -> Callable[[Iterable[str]], tuple[str, ...]]:
    """What gives the ids of the checks that assert properties, by the names of these, of all
    listeners of one service."""
    listeners = list(listeners)
    numbers = Counter(number for one in listeners for number in one.core.values())
    own: _Own = {}
    for listener in listeners:
        _add(own, listener, numbers)

    def ids(names: Iterable[str]) -> tuple[str, ...]:
        wanted = set(names)
        return tuple(dict.fromkeys(check.id for (_, name), check in own.items() if name in wanted))

    return ids


def _add(own: _Own, listener: Listener, numbers: Counter[int]) -> None:
    """The checks of one listener; where a core check asserts the same, that one alone."""
    own[listener.name, "plain"] = _check(plain(listener), listener, listener.core.get("plain"))
    for what, row in ROWS.items():
        number = listener.core.get(what)
        if number is not None and numbers[number] == 1:
            check = _check(row, listener, number)
            own |= dict.fromkeys(((listener.name, part) for part in row.parts), check)
    for one in PROPERTIES if listener.tls else ():
        key = (listener.name, one.name)
        mutual = one.mutual in (None, listener.mutual)
        if mutual and key not in own and (not one.per_service or _first(listener)):
            own[key] = _check(one, listener, None)


def _first(listener: Listener) -> bool:
    """Whether this is the listener that speaks for its service's files."""
    return listener.name in (service(listener.service).secret, f"{listener.service}-1")


def _check(one: Property, listener: Listener, number: int | None) -> Check:
    name = service(listener.service).secret if one.per_service else listener.name
    words = {"name": name, "service": service(listener.service).secret, **listener.settings}
    # What turns TLS off for clients leaves it on among the nodes.
    what = "bus_plain" if listener.mutual and one.sabotage == "down_tls" else one.sabotage
    family = one.name.removeprefix("cipher.")
    provable = what and (family == one.name or family in listener.weak)
    return Check(
        id=f"tls.{number:02d}" if number else f"tls.{name}.{one.name}",
        suite=SUITE,
        title=one.title.format(**words),
        severity=one.severity,
        service=listener.service,
        stake=one.stake,
        remedy=one.remedy.format(**words),
        sabotage=f"tls.{service(listener.service).secret}.{what}" if provable else "",
        run=_run(listener, one, listener.explained.get(one.name, "")),
        kind=f"{SUITE}.{one.kind or one.name}",
        core=f"TLS {number}" if number else "",
        group=one.group,
    )


def _run(listener: Listener, one: Property, why: str) -> Callable[[Audit], Finding]:
    def run(audit: Audit) -> Finding:
        found = _of(audit, listener, one.body, files=one.per_service)
        if why and found.status is Status.FAIL:
            return as_declared(f"{found.evidence}; as declared: {why}")
        return found

    return run


def _of(audit: Audit, listener: Listener, body: Body, files: bool = False) -> Finding:
    """What `body` finds of a listener; nothing can be said of one that somebody else holds, or
    whose service does not run. `files`: it looks at files, too, which say the same all the same."""
    found = decide(ListenerView(audit, listener), body)
    if files or found.status not in (Status.FAIL, Status.INCONCLUSIVE):
        return found
    title = service(listener.service).title
    if not audit.running(listener.service):
        up = f"`devstack-tui up {listener.service}`"
        return Finding(Status.ERROR, f"{title} does not run", up)
    try:
        seen = cast("Mapping[str, Bindings]", audit.once("bindings", audit.bindings))
    except DevstackError:  # of another account's processes nothing can be seen
        return found
    holder = seen[listener.service].foreign.get(listener.port) if listener.service in seen else ""
    if holder:
        why = f"port {listener.port} is held by {holder}, not by {title}"
        why = f"{why}: what it answers says nothing of {title}"
        restart = f"end it; `devstack-tui restart {listener.service}`"
        return Finding(Status.ERROR, why, restart)
    return found


def _authority() -> tuple[Check, ...]:
    base = Check(
        id="tls.01",
        suite=SUITE,
        title="the CA file parses and is a CA",
        severity=Severity.CRITICAL,
        service=IDENTITY,
        stake="Without its root no client can verify any server of the stack.",
        remedy="`devstack-tui up` writes the root of the stack's PKI",
        sabotage=f"tls.{IDENTITY}.ca_leaf",
        run=authority.is_ca,
        kind="tls.authority",
        core="TLS 1",
        group="authority",
    )
    return base, dataclasses.replace(
        base,
        id="tls.02",
        title="the CA is inside its dates",
        stake="When the root ends, every certificate below it ends with it.",
        remedy="`devstack-tui down --wipe` and `devstack-tui up` make another PKI; "
        "clients need its new root",
        sabotage=f"tls.{IDENTITY}.ca_ends",
        run=authority.validity,
        kind="tls.authority_dates",
        core="TLS 2",
    )


def _sums(listeners: list[Listener], own: _Own, numbers: Counter[int]) -> Iterator[Check]:
    """Core checks of several listeners: their parts are checks of their own already."""
    spoken = [one for one in listeners if one.tls]
    for number in sorted(number for number, count in numbers.items() if count > 1):
        of = [one for one in spoken if number in one.core.values()]
        yield _sum(
            own,
            number,
            f"{service(of[0].service).secret}: every node's handshake is verified to the root",
            of=of,
            body=certificate.verified,
            parts=ROWS["verified"].parts,
            sabotage="other_ca",
            group=CERTIFICATE,
        )
    dual = [one for one in spoken if one.dual]
    yield _sum(
        own,
        21,
        "every service's certificate is inside its dates",
        of=[*dual, *(one for one in spoken if not one.dual and not one.mutual)],
        body=certificate.validity,
        parts=("validity",),
        sabotage="expired",
        group=CERTIFICATE,
    )
    yield _sum(
        own,
        24,
        "dual mode: both paths of every service do work",
        of=dual,
        body=paths.both,
        parts=("query", "plain"),
        sabotage="down_tls",
        group=CLIENTS,
    )


def _sum(
    own: _Own,
    number: int,
    title: str,
    *,
    of: list[Listener],
    body: Body,
    parts: tuple[str, ...],
    sabotage: str,
    group: str,
) -> Check:
    def run(audit: Audit) -> Finding:
        present = set(audit.services())
        there = [one for one in of if one.service in present]
        if not there:
            return Finding(Status.SKIPPED, "none of its services is in the stack")
        # Side by side: each of several that hang takes its time limit.
        with ThreadPoolExecutor(len(there)) as pool:
            found = pool.map(lambda one: _of(audit, one, body), there)
            return together(dict(zip((one.name for one in there), found, strict=True)))

    whose = of[0].service
    return Check(
        id=f"tls.{number:02d}",
        suite=SUITE,
        title=title,
        severity=Severity.HIGH,
        service=whose if len({one.service for one in of}) == 1 else IDENTITY,
        stake="One service without working TLS is enough to have passwords cross in clear.",
        remedy="`devstack-tui up` for what does not run; else `devstack-tui check run tls`: the "
        "check of the listener that is named has the remedy",
        sabotage=f"tls.{service(whose).secret}.{sabotage}",
        run=run,
        kind=f"{SUITE}.every",
        core=f"TLS {number}",
        group=group,
        sums=tuple(dict.fromkeys(own[one.name, part].id for one in of for part in parts)),
    )
