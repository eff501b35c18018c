"""What MySQL answers to somebody without a password, and what it lets an application do."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Iterator

from devstack_tui.contracts.audit import Audit
from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.identity.account_checks import declared
from devstack_tui.loadgen.bounded_socket import guarded, translated
from devstack_tui.services.mysql.accounts import ACCESS_DENIED
from devstack_tui.services.mysql.audit.facts import session
from devstack_tui.services.mysql.client import connect

SOCKET = "cluster/mysqld.sock"
# Denied: a database, without a password, a table, a column, a right to the server, a routine, a
# GRANT, a locked account (MariaDB, MySQL), a host, TLS that is missing.
_DENIED = frozenset(
    (1044, ACCESS_DENIED, 1698, 1142, 1143, 1227, 1370, 1410, 4151, 3118, 1130, 3159)
)
_EXPIRED = 1862
"""The password was right, and must be changed."""
_OWN = range(2000, 3000)
"""Numbers of the client's own errors: no answer of the server's."""


def let_in(audit: Audit, way: str, user: str) -> str:
    """How the server lets `user` in without a password over `plain`, `tls` or `sockets`; empty if
    it does not. Nothing secret is sent. Raises `OSError` and `DevstackError`."""
    import pymysql

    target = audit.target("mysql")
    where = (target.endpoint.host, target.endpoint.port)
    try:
        with contextlib.ExitStack() as held:
            if way == "sockets":
                sock = audit.files("mysql").connect(SOCKET, audit.timeout)
            else:
                sock = socket.create_connection(where, audit.timeout)
            held.enter_context(sock)
            held.enter_context(guarded(sock.fileno(), audit.timeout))
            connection = pymysql.connect(
                host=target.endpoint.host,
                port=target.endpoint.port,
                user=user,
                password=b"",
                ssl=_unverified() if way == "tls" else None,
                ssl_disabled=way != "tls",
                connect_timeout=max(1, round(audit.timeout)),
                read_timeout=audit.timeout,
                write_timeout=audit.timeout,
                defer_connect=True,
            )
            held.callback(lambda: connection.close() if connection.open else None)
            connection.connect(sock)
            return "let in"
    except (pymysql.Error, OSError) as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if code == _EXPIRED:
            return "let in to change the password"
        if isinstance(error, pymysql.Error) and code and code not in _OWN:
            return ""
        if "plugin" in str(error):  # it is asked for something else than a password
            return ""
        raise translated(getattr(error, "original_exception", None) or error) from None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing secret is sent: who answers is asked elsewhere
    return context


def allowed(audit: Audit) -> dict[str, str]:
    """What an application's account was let do of what is declared that it must not. Raises
    `DevstackError` and `OSError`."""
    import pymysql

    found: dict[str, str] = {}
    try:
        with session(audit.target("mysql"), audit.timeout) as cursor:
            for what, statement in declared("mysql")["attempts"].items():
                try:
                    cursor.execute(statement)
                    found[what] = statement
                except pymysql.Error as error:
                    code = error.args[0] if error.args else 0
                    if code in _OWN or not code:
                        raise
                    if code not in _DENIED:  # it came past the rights
                        found[what] = f"{statement}: {error.args[-1]}"
    except (pymysql.Error, OSError) as error:
        raise translated(getattr(error, "original_exception", None) or error) from None
    return found


def guessed(target: Target, user: str, guesses: Iterable[str], timeout: float) -> Iterator[str]:
    """The guess that lets `user` in, tried over verified TLS. Raises what the driver raises."""
    import msgspec
    import pymysql

    for guess in filter(None, guesses):
        account = Credentials(user, guess)
        try:
            connect(msgspec.structs.replace(target, credentials=account), timeout, "").close()
        except pymysql.err.OperationalError as error:
            if not error.args or error.args[0] not in _DENIED:
                raise
            continue
        yield guess
        return
