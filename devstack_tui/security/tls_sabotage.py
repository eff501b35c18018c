"""Sabotages of the TLS checks: running servers are given certificates with one thing wrong.

The same for every technology: a file is changed, the server reloads it, and a handshake verifies
that it did. Sabotages by a server's own settings are in its `sabotage` part.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from devstack_tui.contracts.audit import Audit, Breaking, Sabotage, SabotageStack
from devstack_tui.contracts.model import Certificate
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import CERT, CHAIN, KEY, ServiceFiles, ServicePath
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import PRIVATE_FILE
from devstack_tui.identity.certificates import await_served, encrypted, read_certificate, served
from devstack_tui.security import forged_certs
from devstack_tui.security.tls.catalogue import asserting

TAKEN_S = 3.0
SHORT_S = 5.0
"""A leaf that expires within so many seconds is meant to be expired: it is waited for."""


@dataclass(frozen=True, slots=True)
class _Swap:
    """One kind of wrong certificate. `needs`: what of the service's `Saboteur` must be done first;
    `turns`: the properties of each listener that it is bound to turn red."""

    what: str
    title: str
    make: forged_certs.Maker
    turns: tuple[str, ...]
    needs: str = ""
    seconds: float = 1.5


@dataclass(frozen=True, slots=True)
class _Setting:
    """One kind of wrong setting: its title, with the service's before it."""

    title: str
    turns: tuple[str, ...]
    buses: tuple[str, ...] = ()
    """The properties that it turns red at the nodes' own bus, where those differ."""


# No client of ours works with a certificate that it does not trust.
_BROKEN = ("chain", "query")
_SWAPS = (
    _Swap(
        "expired",
        "a leaf that has expired",
        forged_certs.expired,
        (*_BROKEN, "validity"),
        seconds=4,
    ),
    _Swap("other_ca", "a leaf by another CA", forged_certs.other_ca, (*_BROKEN, "wrong_ca")),
    _Swap("self_signed", "a self-signed leaf", forged_certs.self_signed, _BROKEN),
    _Swap(
        "wrong_san",
        "a leaf for another host",
        forged_certs.wrong_san,
        ("san_dns", "san_ip", "query", "wrong_host"),
    ),
    _Swap("no_ip_san", "a leaf without the address", forged_certs.no_ip_san, ("san_ip", "query")),
    _Swap(
        "no_intermediate",
        "a leaf without its intermediate",
        forged_certs.no_intermediate,
        (*_BROKEN, "intermediate"),
        "bare",
    ),
    _Swap("wrong_usage", "a leaf for clients alone", forged_certs.wrong_usage, (*_BROKEN, "usage")),
    _Swap("long_life", "a leaf for 1000 days", forged_certs.long_life, ("lifetime",)),
    _Swap(
        "weak_key",
        "an RSA key of 1024 bits",
        forged_certs.weak_key,
        (*_BROKEN, "key_size"),
        "lenient",
    ),
    # A library that cannot verify SHA-1 finds no issuer.
    _Swap(
        "sha1",
        "a leaf signed by SHA-1",
        forged_certs.sha1,
        (*_BROKEN, "signature", "intermediate"),
        "lenient",
    ),
    _Swap("weak_ciphers", "every weak cipher", forged_certs.with_rsa, (), "weak_ciphers"),
)
_OFF = ("chain", "query", "tls1_2", "tls1_3", "wrong_ca", "wrong_host")
_SETTINGS = {
    "old_protocols": _Setting("talks TLS 1.0 and 1.1", ()),
    "no_tls13": _Setting("does not talk TLS 1.3", ()),
    "no_tls12": _Setting("does not talk TLS 1.2", ()),
    "plain_closed": _Setting("has its plain port closed", ("plain",)),
    "plain_open": _Setting("talks without TLS", (*_OFF, "plain")),
    # The links of a bus are asked about over the clients' port.
    "down_tls": _Setting("has its TLS off", _OFF, ("query",)),
    # Links that are established keep their TLS.
    "bus_plain": _Setting(
        "has a cluster bus without TLS", (), ("chain", "tls1_2", "tls1_3", "plain")
    ),
}


def sabotages(audit: Audit) -> tuple[Sabotage, ...]:
    """Of every service that has TLS, whether it is in the stack or not; asks no server."""
    return (*_authority(), *(made for service in services() for made in _of(service, audit)))


def _of(service: Service, audit: Audit) -> Iterator[Sabotage]:
    own = service.saboteur()
    if own is None:
        return
    ids = f"tls.{service.secret}"
    listeners = encrypted(service, audit.target(service.name))
    asserts = asserting(listeners)
    ways = {
        "": _nothing,
        "bare": own.bare or _nothing,
        "lenient": own.lenient,
        "weak_ciphers": own.weak_ciphers,
    }
    for swap in _SWAPS:
        first = ways[swap.needs]
        if first is not None:
            yield Sabotage(
                id=f"{ids}.{swap.what}",
                title=f"{service.title} serves {swap.title}",
                service=service.name,
                apply=partial(_swapped, service, first, swap.make),
                seconds=swap.seconds + (0 if first is _nothing else own.seconds),
                expects=asserts({*swap.turns, *own.besides.get(swap.what, ())}),
            )
    for what, title, spoil in _FILES:
        yield Sabotage(
            id=f"{ids}.{what}",
            title=f"{service.title}: {title}",
            service=service.name,
            apply=partial(spoil, service),
            seconds=0.5,
            expects=asserts((what.removesuffix("_differs"),)),
        )
    by_nodes = asserting(one for one in listeners if one.mutual)
    by_clients = asserting(one for one in listeners if not one.mutual)
    for what, change in own.settings.items():
        setting = _SETTINGS[what]
        yield Sabotage(
            id=f"{ids}.{what}",
            title=f"{service.title} {setting.title}",
            service=service.name,
            apply=change,
            seconds=own.seconds,
            expects=by_clients(setting.turns) + by_nodes(setting.buses),
        )


def _nothing(_stack: SabotageStack) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


# -- certificates that are served --------------------------------------------------------------


@contextlib.contextmanager
def _swapped(
    service: Service, first: Breaking, make: forged_certs.Maker, stack: SabotageStack
) -> Iterator[None]:
    """After `first`, the service serves the certificate of `make`; at the end its own again."""
    files = stack.audit.files(service.name)
    before = _leaf(files)
    with stack.root() as root:
        issuer = forged_certs.intermediate(root)
    with contextlib.ExitStack() as undo:
        undo.enter_context(first(stack))
        made = make(issuer, before.sans)
        undo.callback(_take, stack, service, before.serial)
        if made.known:
            undo.enter_context(
                stack.edited(ServicePath(files, CHAIN), lambda text: made.known + text)
            )
        undo.enter_context(stack.edited(ServicePath(files, KEY), lambda _: made.key))
        undo.enter_context(stack.edited(ServicePath(files, CERT), lambda _: made.cert))
        _take(stack, service, made.serial)
        left = made.ends - time.time()
        if left < SHORT_S:
            time.sleep(max(0.0, left))
        yield


def _take(stack: SabotageStack, service: Service, serial: str) -> None:
    """Have the service serve the certificate in its files, and verify that it does. Raises
    `DevstackError` when it refuses."""
    part = service.tls()
    assert part is not None
    target = stack.audit.target(service.name)
    if not part.reload(target, stack.audit.files(service.name), stack.units):
        stack.restart(service.name)
    await_served(encrypted(service, target), serial, TAKEN_S)


def _leaf(files: ServiceFiles) -> Certificate:
    found = read_certificate(files)
    if found is None:
        raise DevstackError(f"there is no certificate at {files.path(CERT)}")
    return found


# -- files that are not what is served ---------------------------------------------------------


@contextlib.contextmanager
def _file_differs(service: Service, stack: SabotageStack) -> Iterator[None]:
    """The file holds another leaf for the same key."""
    files = stack.audit.files(service.name)
    with stack.root() as root:
        issuer = forged_certs.intermediate(root)
    made = forged_certs.reissued(issuer, _leaf(files).sans, files.read(KEY))
    with _unnoticed(service, stack, CERT, made.cert):
        yield


@contextlib.contextmanager
def _key_differs(service: Service, stack: SabotageStack) -> Iterator[None]:
    """The file holds a key that belongs to no certificate."""
    with _unnoticed(service, stack, KEY, forged_certs.key()):
        yield


@contextlib.contextmanager
def _unnoticed(service: Service, stack: SabotageStack, name: str, text: str) -> Iterator[None]:
    """A file with other contents, without the server noticing the change."""
    # Some read their files at the first handshake, and check every two minutes whether the time of
    # change differs.
    for listener in encrypted(service, stack.audit.target(service.name)):
        served(listener, TAKEN_S)
    path = ServicePath(stack.audit.files(service.name), name)
    with stack.edited(path, lambda _: text, keep_mtime=True):
        yield


@contextlib.contextmanager
def _key_mode(service: Service, stack: SabotageStack) -> Iterator[None]:
    """Everybody may read the key."""
    files = stack.audit.files(service.name)
    files.chmod(KEY, 0o644)
    try:
        yield
    finally:
        files.chmod(KEY, PRIVATE_FILE)


_FILES: tuple[
    tuple[str, str, Callable[[Service, SabotageStack], AbstractContextManager[None]]], ...
] = (
    ("file_differs", "the certificate in its file is not the one that it serves", _file_differs),
    ("key_differs", "the key in its file is not the certificate's", _key_differs),
    ("key_mode", "everybody may read its key", _key_mode),
)


# -- what clients trust ------------------------------------------------------------------------


@contextlib.contextmanager
def _trusting(make: Callable[[], str], stack: SabotageStack) -> Iterator[None]:
    """Clients are given one certificate more to trust."""
    with stack.edited(stack.audit.own_file(stack.audit.ca), lambda text: text + make()):
        yield


def _authority() -> tuple[Sabotage, ...]:
    return (
        Sabotage(
            id=f"tls.{IDENTITY}.ca_leaf",
            title="the CA file holds a certificate that is no CA",
            service=IDENTITY,
            apply=partial(_trusting, forged_certs.alone),
            seconds=0.5,
        ),
        Sabotage(
            id=f"tls.{IDENTITY}.ca_ends",
            title="the CA file holds a root that ends in 20 days",
            service=IDENTITY,
            apply=partial(_trusting, forged_certs.ending_root),
            seconds=0.5,
        ),
    )
