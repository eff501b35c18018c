"""Sabotages of the reference API's TLS by its settings: versions and ciphers take effect at SIGHUP,
ports at a restart."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import msgspec

from devstack_tui.contracts.audit import SECURITY_LEVEL_0, SabotageStack, TlsSabotage
from devstack_tui.contracts.registry import service
from devstack_tui.core import codec
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.identity.certificates import HANDSHAKE_S, encrypted, served
from devstack_tui.services.reference_api.config import FILE, TLS_CIPHERS
from devstack_tui.services.reference_api.server import UNIT

# OpenSSL has no TLS 1.0 and 1.1 above its security level 0.
_OLD = {
    "tls_minimum": "TLSv1",
    "tls_ciphers": f"{SERVER_CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
}
_LENIENT = {"tls_ciphers": TLS_CIPHERS.replace("@SECLEVEL=2", "@SECLEVEL=0")}
_WEAK = {"tls_ciphers": "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}


def _set(values: dict[str, str], stack: SabotageStack) -> AbstractContextManager[None]:
    """Settings that take effect while it runs."""

    def take() -> None:
        stack.units.reload(UNIT)
        # Connections that are accepted after the signal get the new settings: one is enough.
        for listener in encrypted(service("reference_api"), stack.audit.target("reference_api")):
            served(listener, HANDSHAKE_S)

    return _changed(values, stack, take)


def _moved(port: str, stack: SabotageStack) -> AbstractContextManager[None]:
    """A port that no client finds: 0 is any that is free."""
    return _changed({port: 0}, stack)


def _changed(
    values: Mapping[str, str | int], stack: SabotageStack, take: Callable[[], None] | None = None
) -> AbstractContextManager[None]:
    def change(text: str) -> str:
        return msgspec.json.encode({**codec.decode(text, dict[str, object]), **values}).decode()

    return stack.reconfigured("reference_api", FILE, change, take)


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(_set, _OLD),
        "no_tls13": functools.partial(_set, {"tls_maximum": "TLSv1.2"}),
        "no_tls12": functools.partial(_set, {"tls_minimum": "TLSv1.3"}),
        "plain_closed": functools.partial(_moved, "http_port"),
        "down_tls": functools.partial(_moved, "https_port"),
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    lenient=functools.partial(_set, _LENIENT),
    besides=dict.fromkeys(("old_protocols", "weak_ciphers", "weak_key", "sha1"), SECURITY_LEVEL_0),
    companions={
        "plain_closed": ("network.reference-api.port.http", "network.reference-api.listeners"),
        "down_tls": ("network.reference-api.port.https", "network.reference-api.listeners"),
    },
    seconds=1.5,
)
