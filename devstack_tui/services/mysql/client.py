"""Connections to MySQL or MariaDB, over TLS and verified unless configured otherwise."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

_CANNOT_CONNECT = 2003
"""CR_CONN_HOST_ERROR: the driver's own number for it."""


def connect(
    target: Target, timeout: float, database: str | None = None, tls: bool = True
) -> Connection[Cursor]:
    """An autocommit connection; `timeout` (seconds) covers connecting and each answer.

    `database` is the target's own when None; an empty string selects none. Without `tls` it is
    plain, as a benchmark's own tools connect, and logs in only at the stack's own server.
    """
    connection = _made(target, timeout, database, tls)
    connection.connect(None if tls else _reached(target, timeout, prove=True))
    return connection


@contextlib.contextmanager
def bounded(
    target: Target, timeout: float, database: str | None = None, tls: bool = True
) -> Iterator[Connection[Cursor]]:
    """The same for one conversation that is over after `timeout` seconds, connecting included: the
    driver alone grants them anew for every byte. Raises `TimeoutError` then."""
    from devstack_tui.loadgen.bounded_socket import guarded

    with contextlib.ExitStack() as held:
        sock = held.enter_context(_reached(target, timeout, prove=not tls))
        held.enter_context(guarded(sock.fileno(), timeout))
        connection = _made(target, timeout, database, tls)
        held.callback(lambda: connection.close() if connection.open else None)
        connection.connect(sock)
        yield connection


def _made(target: Target, timeout: float, database: str | None, tls: bool) -> Connection[Cursor]:
    """One that is not connected yet."""
    import pymysql

    made: Connection[Cursor] = pymysql.connect(
        host=target.endpoint.host,
        port=target.endpoint.port,
        user=target.credentials.user,
        # As bytes: the driver would encode a string as Latin-1, the server's init file is UTF-8.
        password=target.credentials.password.encode(),
        database=(target.credentials.database if database is None else database) or None,
        ssl=client_context(target.ca, target.name) if tls else None,
        ssl_disabled=not tls,
        connect_timeout=max(1, round(timeout)),
        read_timeout=timeout,
        write_timeout=timeout,
        charset="utf8mb4",
        program_name="devstack-tui",
        autocommit=True,
        defer_connect=True,
    )
    return made


def _reached(target: Target, timeout: float, *, prove: bool) -> socket.socket:
    """A connection to the server, which is the stack's own if that is to be proven. Raises as the
    driver does."""
    import pymysql

    from devstack_tui.contracts.peer import Peer

    where = target.endpoint.host, target.endpoint.port
    try:
        with contextlib.ExitStack() as undo:
            sock = undo.enter_context(socket.create_connection(where, timeout))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if prove:
                Peer.of(target).prove(sock)
            undo.pop_all()
            return sock
    except OSError as error:
        summary = str(error).partition("\n")[0]
        refused = pymysql.err.OperationalError(
            _CANNOT_CONNECT, f"no connection to MySQL at {target.endpoint}: {summary}"
        )
        # Where the driver keeps what was behind its own.
        refused.original_exception = error  # type: ignore[attr-defined]
        raise refused from error
