"""MySQL's probe: a committed write, read back, over verified TLS."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import SaturatedError
from devstack_tui.services.mysql.client import connect

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

TABLE = "devstack_tui_probe"
_UPSERT = (
    f"INSERT INTO {TABLE} (id, token) VALUES (1, %s) "  # noqa: S608 - a constant
    "ON DUPLICATE KEY UPDATE token = VALUES(token)"
)
_READ = f"SELECT token FROM {TABLE} WHERE id = 1"  # noqa: S608 - a constant
_NO_MORE = (1040, 1203, 1226)
"""Errors: too many connections, of all, of the account, or by the account's own limit."""
RELAXABLE = (
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_flush_method",
    "sync_binlog",
)
"""Settings that can be relaxed: see configs/parameters."""
_SETTINGS = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {RELAXABLE}"
_STATUS = "SHOW STATUS WHERE Variable_name IN ('Ssl_version', 'Threads_connected')"


def probe(target: Target, timeout: float) -> Observation:
    """Write a fresh value and read it back. The latency is of the write and the read."""
    with contextlib.closing(_connect(target, timeout)) as connection, connection.cursor() as cursor:
        version, read_only, limit = _row(
            cursor, "SELECT VERSION(), @@global.read_only, @@global.max_connections"
        )
        cursor.execute(_STATUS)
        status = {str(name): str(value) for name, value in cursor.fetchall()}
        cursor.execute(_SETTINGS)
        settings = {str(name): (str(value).lower(),) for name, value in cursor.fetchall()}
        token = time.time_ns()
        started = time.perf_counter()
        problems: list[str] = []
        if read_only:
            cursor.execute("SELECT 1")
            problems.append("read-only: read_only is set")
        else:
            cursor.execute(_UPSERT, (token,))
            (seen,) = _row(cursor, _READ)
            # Another probe may have written a newer token in between; an older one is a lost write.
            if not isinstance(seen, int) or seen < token:
                problems.append("a committed write could not be read back")
        latency = (time.perf_counter() - started) * 1000
    clients = int(status.get("Threads_connected", "0"))
    if isinstance(limit, int) and clients >= limit - 3:
        problems.append(f"{clients} of {limit} connections are in use")
    number, _, rest = str(version).partition("-")
    return Observation(
        latency_ms=latency,
        version=number,
        role="replica" if read_only else "primary",
        tls=status.get("Ssl_version", ""),
        problems=tuple(problems),
        facts={
            "flavour": "MariaDB" if "mariadb" in rest.lower() else "MySQL",
            "connections": f"{clients} of {limit}",
        },
        settings=settings,
    )


def _connect(target: Target, timeout: float) -> Connection[Cursor]:
    import pymysql

    try:
        return connect(target, timeout)
    except pymysql.err.OperationalError as error:
        if error.args and error.args[0] in _NO_MORE:
            raise SaturatedError(target.service, str(error.args[-1])) from None
        raise


def _row(cursor: Cursor, statement: str) -> tuple[object, ...]:
    cursor.execute(statement)
    row = cursor.fetchone()
    return tuple(row) if row else (None,)
