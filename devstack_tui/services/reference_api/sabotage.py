"""How the reference API's TLS is broken by its settings: versions and ciphers at SIGHUP, ports at a
restart."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping

import msgspec

from devstack_tui.contracts.audit import SabotageStack, Saboteur
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service_files import ServicePath
from devstack_tui.identity.certificates import HANDSHAKE_S, encrypted, served
from devstack_tui.services.reference_api.config import FILE, TLS_CIPHERS
from devstack_tui.services.reference_api.server import UNIT

# OpenSSL has no TLS 1.0 and 1.1 above its security level 0.
_OLD = {"tls_minimum": "TLSv1", "tls_ciphers": "DEFAULT:@SECLEVEL=0"}
_LENIENT = {"tls_ciphers": TLS_CIPHERS.replace("@SECLEVEL=2", "@SECLEVEL=0")}
_WEAK = {"tls_ciphers": "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}


@contextlib.contextmanager
def _set(values: dict[str, str], stack: SabotageStack) -> Iterator[None]:
    """Settings that it takes while it runs."""

    def take() -> None:
        stack.units.reload(UNIT)
        # The signal is handled before what is accepted after it: one turn of its loop is enough.
        for listener in encrypted(service("reference_api"), stack.audit.target("reference_api")):
            served(listener, HANDSHAKE_S)

    with _edited(values, take, stack):
        yield


@contextlib.contextmanager
def _moved(port: str, stack: SabotageStack) -> Iterator[None]:
    """A port that is nowhere to be found: 0 is any that is free."""
    with _edited({port: 0}, lambda: stack.restart("reference_api"), stack):
        yield


@contextlib.contextmanager
def _edited(
    values: Mapping[str, str | int], take: Callable[[], None], stack: SabotageStack
) -> Iterator[None]:
    def change(text: str) -> str:
        return msgspec.json.encode({**msgspec.json.decode(text), **values}).decode()

    try:
        with stack.edited(ServicePath(stack.audit.files("reference_api"), FILE), change):
            take()
            yield
    finally:
        take()


SABOTAGE = Saboteur(
    settings={
        "old_protocols": functools.partial(_set, _OLD),
        "no_tls13": functools.partial(_set, {"tls_maximum": "TLSv1.2"}),
        "no_tls12": functools.partial(_set, {"tls_minimum": "TLSv1.3"}),
        "plain_closed": functools.partial(_moved, "http_port"),
        "down_tls": functools.partial(_moved, "https_port"),
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    lenient=functools.partial(_set, _LENIENT),
    seconds=1.5,
)
