"""Sabotages of mongod's TLS by its configuration, which takes effect at a restart."""

from __future__ import annotations

import contextlib
import functools
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from devstack_tui.contracts.audit import SECURITY_LEVEL_0, SabotageStack, TlsSabotage
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.mongodb import wire
from devstack_tui.services.mongodb.server import CONFIG_FILE, merged

# OpenSSL has no TLS 1.0 and 1.1 above its security level 0.
_OLD = {
    "setParameter": {"opensslCipherConfig": f"{SERVER_CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"}
}
_LENIENT = {"setParameter": {"opensslCipherConfig": f"{SERVER_CIPHERS}:@SECLEVEL=0"}}
_WEAK = {"setParameter": {"opensslCipherConfig": "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}}


def _tls(**values: str) -> dict[str, Any]:
    return {"net": {"tls": values}}


def _set(more: dict[str, Any], stack: SabotageStack) -> AbstractContextManager[None]:
    return _changed(stack, lambda config: merged(config, more))


def _off(stack: SabotageStack) -> AbstractContextManager[None]:
    def change(config: dict[str, Any]) -> dict[str, Any]:
        del config["net"]["tls"]
        # With TLS off these would keep it from starting.
        for name in ("suppressNoTLSPeerCertificateWarning", "opensslCipherConfig"):
            del config["setParameter"][name]
        return config

    return _changed(stack, change)


@contextlib.contextmanager
def _client(wrong: Callable[[ssl.SSLContext], None], _stack: SabotageStack) -> Iterator[None]:
    """Our own client is what is wrong: the server stays as it is."""
    right: Callable[[Path | str, str], ssl.SSLContext] = vars(wire)["client_context"]

    def made(ca: Path | str, name: str) -> ssl.SSLContext:
        context = right(ca, name)
        wrong(context)
        return context

    setattr(wire, "client_context", made)  # noqa: B010 - of another type, on purpose
    try:
        yield
    finally:
        setattr(wire, "client_context", right)  # noqa: B010


def _nameless(context: ssl.SSLContext) -> None:
    context.check_hostname = False


def _trusting(context: ssl.SSLContext) -> None:
    _nameless(context)
    context.verify_mode = ssl.CERT_NONE


def _changed(
    stack: SabotageStack, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> AbstractContextManager[None]:
    return stack.reconfigured(
        "mongodb", CONFIG_FILE, lambda text: json.dumps(change(json.loads(text)), indent=2) + "\n"
    )


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(_set, _tls(disabledProtocols="none") | _OLD),
        "no_tls13": functools.partial(_set, _tls(disabledProtocols="TLS1_0,TLS1_1,TLS1_3")),
        "no_tls12": functools.partial(_set, _tls(disabledProtocols="TLS1_0,TLS1_1,TLS1_2")),
        "plain_closed": functools.partial(_set, _tls(mode="requireTLS")),
        "down_tls": _off,
        "trusting_client": functools.partial(_client, _trusting),
        "nameless_client": functools.partial(_client, _nameless),
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    lenient=functools.partial(_set, _LENIENT),
    besides=dict.fromkeys(("old_protocols", "weak_ciphers", "weak_key", "sha1"), SECURITY_LEVEL_0),
    seconds=4.0,
)
