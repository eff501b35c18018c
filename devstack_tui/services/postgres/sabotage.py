"""Sabotages of PostgreSQL's TLS by its configuration files, which take effect at SIGHUP."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import SECURITY_LEVEL_0, SabotageStack, TlsSabotage
from devstack_tui.core.tls import SERVER_CIPHERS

# OpenSSL has no TLS 1.0 and 1.1 above its security level 0.
_OLD = {
    "ssl_min_protocol_version": "TLSv1",
    "ssl_ciphers": f"{SERVER_CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
}
_WEAK = {"ssl_ciphers": "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}


def _set(values: dict[str, str], stack: SabotageStack) -> AbstractContextManager[None]:
    """Parameters of postgresql.conf with other values: the last line of a name counts."""
    lines = "".join(f"{name} = '{value}'\n" for name, value in values.items())
    return _changed(stack, "postgresql.conf", lambda text: text + lines)


def _encrypted_only(stack: SabotageStack) -> AbstractContextManager[None]:
    """pg_hba.conf admits connections with TLS alone."""
    return _changed(
        stack, "pg_hba.conf", lambda text: re.sub("^host ", "hostssl ", text, flags=re.M)
    )


def _changed(
    stack: SabotageStack, name: str, change: Callable[[str], str]
) -> AbstractContextManager[None]:
    # A client that connects after the signal gets the new settings: the postmaster handles it
    # before it accepts.
    return stack.reconfigured("postgres", name, change, lambda: stack.units.reload("postgres"))


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(_set, _OLD),
        "sha1_signature": functools.partial(_set, {"ssl_ciphers": f"{SERVER_CIPHERS}:@SECLEVEL=0"}),
        "no_tls13": functools.partial(_set, {"ssl_max_protocol_version": "TLSv1.2"}),
        "no_tls12": functools.partial(_set, {"ssl_min_protocol_version": "TLSv1.3"}),
        "plain_closed": _encrypted_only,
        "down_tls": functools.partial(_set, {"ssl": "off"}),
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    # It loads the certificate before the ciphers, which set the security level.
    lenient=None,
    besides=dict.fromkeys(("old_protocols", "weak_ciphers"), SECURITY_LEVEL_0),
    seconds=0.2,
)
