"""Sabotages of the TLS checks: running servers are given certificates with one thing wrong.

The same for every technology: a file is changed, the server reloads it, and a handshake verifies
that it did. Sabotages by a server's own settings are in its `sabotage` part.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial

import msgspec

from devstack_tui.contracts.audit import Audit, Breaking, Sabotage, SabotageStack
from devstack_tui.contracts.model import Certificate
from devstack_tui.contracts.registry import IDENTITY, services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.service_files import CERT, CHAIN, KEY, ServiceFiles, ServicePath
from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import PRIVATE_FILE
from devstack_tui.core.paths import shipped
from devstack_tui.identity.certificates import await_served, encrypted, read_certificate, served
from devstack_tui.security import forged_certs
from devstack_tui.security.files.catalogue import id_of
from devstack_tui.security.tls.catalogue import asserting

FILE = "configs/tls/sabotages.toml"
TAKEN_S = 3.0
SHORT_S = 5.0
"""A leaf that expires within so many seconds is meant to be expired: it is waited for."""


class _Breach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of `configs/tls/sabotages.toml`, which describes its fields."""

    title: str
    turns: tuple[str, ...]
    trust: tuple[str, ...] = ()
    buses: tuple[str, ...] = ()
    needs: str = ""
    seconds: float = 1.5


class _File(msgspec.Struct, forbid_unknown_fields=True):
    certificates: dict[str, _Breach]
    settings: dict[str, _Breach]
    files: dict[str, _Breach]


_FILE = convert(read_toml(shipped(FILE)), _File, shipped(FILE))
_NAMED = (
    *(forged_certs.expired, forged_certs.other_ca, forged_certs.self_signed),
    *(forged_certs.wrong_san, forged_certs.no_ip_san, forged_certs.no_intermediate),
    *(forged_certs.wrong_usage, forged_certs.long_life, forged_certs.weak_key, forged_certs.sha1),
    *(forged_certs.others_name, forged_certs.more_usage, forged_certs.unissued),
    forged_certs.pointed,
)
_MAKERS: Mapping[str, forged_certs.Maker] = {
    **{make.__name__: make for make in _NAMED},
    "weak_ciphers": forged_certs.with_rsa,
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
        "": nothing,
        "bare": own.bare or nothing,
        "lenient": own.lenient,
        "weak_ciphers": own.weak_ciphers,
    }
    for what, swap in _FILE.certificates.items():
        first = ways[swap.needs]
        if first is not None:
            yield Sabotage(
                id=f"{ids}.{what}",
                title=f"{service.title} serves {swap.title}",
                service=service.name,
                apply=partial(swapped, service, first, _MAKERS[what]),
                seconds=swap.seconds + (0 if first is nothing else own.seconds),
                expects=(
                    *asserts({*swap.turns, *own.besides.get(what, ())}),
                    *_trusted(service, swap),
                ),
            )
    for what, breach in _FILE.files.items():
        beside = (id_of("modes", service.name),) if what == "key_mode" else ()
        yield Sabotage(
            id=f"{ids}.{what}",
            title=f"{service.title}: {breach.title}",
            service=service.name,
            apply=partial(_SPOILED[what], service),
            seconds=0.5,
            expects=(*asserts(breach.turns), *beside, *_trusted(service, breach)),
        )
    by_nodes = asserting(one for one in listeners if one.mutual)
    by_clients = asserting(one for one in listeners if not one.mutual)
    for what, change in own.settings.items():
        setting = _FILE.settings[what]
        yield Sabotage(
            id=f"{ids}.{what}",
            title=f"{service.title} {setting.title}",
            service=service.name,
            apply=change,
            seconds=own.seconds,
            expects=(
                *by_clients({*setting.turns, *own.besides.get(what, ())}),
                *by_nodes({*setting.buses, *own.besides.get(what, ())}),
                *own.companions.get(what, ()),
            ),
        )


def _trusted(service: Service, breach: _Breach) -> Iterator[str]:
    """The checks of suite `trust` that a breach turns. Vault cannot be asked about a certificate of
    its own that no client trusts."""
    silent = service.name == IDENTITY and "query" in breach.turns
    kinds = set(breach.trust) - ({"known", "ca"} if silent else set())
    yield from (f"trust.{service.secret}.{kind}" for kind in sorted(kinds))
    if "known" in kinds:
        yield "trust.pki.beyond"


def nothing(_stack: SabotageStack) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


# -- certificates that are served --------------------------------------------------------------


@contextlib.contextmanager
def swapped(
    service: Service, first: Breaking, make: forged_certs.Maker, stack: SabotageStack
) -> Iterator[None]:
    """After `first`, the service serves the certificate of `make`; at the end its own again."""
    files = stack.audit.files(service.name)
    before = _leaf(files)
    with contextlib.ExitStack() as undo:
        issuer = undo.enter_context(forged_certs.signed(stack, client=service.mutual_tls))
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
    with forged_certs.signed(stack, client=service.mutual_tls) as issuer:
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


_SPOILED = {
    "file_differs": _file_differs,
    "key_differs": _key_differs,
    "key_mode": _key_mode,
}


# -- what clients trust ------------------------------------------------------------------------


@contextlib.contextmanager
def _trusting(make: Callable[[], str], stack: SabotageStack) -> Iterator[None]:
    """Clients are given one certificate more to trust."""
    with stack.edited(stack.audit.own_file(stack.audit.ca), lambda text: text + make()):
        yield


def _authority() -> tuple[Sabotage, ...]:
    kinds = (
        ("ca_leaf", "a certificate that is no CA", forged_certs.alone),
        ("ca_ends", "a root that ends in 20 days", forged_certs.ending_root),
    )
    return tuple(
        Sabotage(
            id=f"tls.{IDENTITY}.{what}",
            title=f"the CA file holds {title}",
            service=IDENTITY,
            apply=partial(_trusting, make),
            seconds=0.5,
            expects=("trust.stack.ca",),
        )
        for what, title, make in kinds
    )
