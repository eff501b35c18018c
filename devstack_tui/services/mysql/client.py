"""Connections to MySQL or MariaDB, over TLS and verified unless configured otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor


def connect(
    target: Target, timeout: float, database: str | None = None, tls: bool = True
) -> Connection[Cursor]:
    """An autocommit connection; `timeout` (seconds) covers connecting and each answer.

    `database` is the target's own when None; an empty string selects none. Without `tls` it is
    plain, as a benchmark's own tools connect.
    """
    import pymysql

    return pymysql.connect(
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
    )
