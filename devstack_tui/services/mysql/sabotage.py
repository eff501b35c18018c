"""Sabotages of the TLS of MySQL or MariaDB by my.cnf, which takes effect at a restart."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager

from devstack_tui.contracts.audit import SECURITY_LEVEL_0, SabotageStack, TlsSabotage
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.mysql.client import connect

TIMEOUT_S = 5.0
# OpenSSL has no TLS 1.0 and 1.1 above its security level 0.
_OLD = f"ssl-cipher = {SERVER_CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
_LENIENT = f"ssl-cipher = {SERVER_CIPHERS}:@SECLEVEL=0"


def _set(lines: tuple[str, ...], stack: SabotageStack) -> AbstractContextManager[None]:
    """Further lines of my.cnf: the last one of a name counts."""
    more = "".join(f"{line}\n" for line in lines)
    return stack.reconfigured("mysql", "my.cnf", lambda text: text + more)


@contextlib.contextmanager
def _encrypted_only(stack: SabotageStack) -> Iterator[None]:
    """Connections without TLS are refused."""
    _secure_transport(stack, "ON")
    try:
        yield
    finally:
        _secure_transport(stack, "OFF")


def _secure_transport(stack: SabotageStack, value: str) -> None:
    with (
        contextlib.closing(
            connect(stack.audit.target("mysql").as_admin(), TIMEOUT_S, "")
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET GLOBAL require_secure_transport = {value}")


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(
            _set, ("tls-version = TLSv1.0,TLSv1.1,TLSv1.2,TLSv1.3", _OLD)
        ),
        "no_tls13": functools.partial(_set, ("tls-version = TLSv1.2",)),
        "no_tls12": functools.partial(_set, ("tls-version = TLSv1.3",)),
        "plain_closed": _encrypted_only,
        "down_tls": functools.partial(_set, ("skip-ssl",)),
    },
    weak_ciphers=functools.partial(_set, ("ssl-cipher = ALL:COMPLEMENTOFALL:@SECLEVEL=0",)),
    lenient=functools.partial(_set, (_LENIENT,)),
    besides=dict.fromkeys(("old_protocols", "weak_ciphers", "weak_key", "sha1"), SECURITY_LEVEL_0),
    seconds=4.0,
)
