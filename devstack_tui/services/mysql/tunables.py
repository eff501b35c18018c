"""The tunable part of MySQL and MariaDB: their parameters as the running server reports them,
and how they are changed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Installation, Target, version_numbers
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.tunable import Parameter, Reading, Tunables
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.core.units import Value
from devstack_tui.services.mysql import advice
from devstack_tui.services.mysql.client import connect
from devstack_tui.services.mysql.config_syntax import native
from devstack_tui.services.mysql.variables import (
    AUTOMATIC,
    automatic,
    described,
    effect,
    variables,
    with_automatic,
)
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_advice import RuleBasedTunables
from devstack_tui.state.parameter_catalogue import with_fields
from devstack_tui.state.parameter_values import to_server

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

TIMEOUT_S = 30.0
"""A resize of the log answers once it is done."""
RESIZE_S = 10.0
"""How long a resize of the buffer pool is waited for; reading back shows the result."""
_NO_RIGHT = (1227, 1142, 1143)
_COUNTED = {
    "Innodb_buffer_pool_reads": "pool_reads",
    "Innodb_buffer_pool_read_requests": "pool_read_requests",
    "Innodb_buffer_pool_wait_free": "pool_waits",
    "Innodb_buffer_pool_pages_flushed": "pages_flushed",
    "Innodb_buffer_pool_bytes_data": "pool_bytes_data",
    "Innodb_log_waits": "log_waits",
    "Innodb_os_log_written": "log_bytes",
    "Max_used_connections": "max_used_connections",
    "Connections": "connections_made",
    "Com_insert": "inserts",
    "Threads_created": "threads_created",
    "Created_tmp_tables": "tmp_tables",
    "Created_tmp_disk_tables": "tmp_disk_tables",
    "Sort_merge_passes": "sort_merge_passes",
    "Opened_tables": "opened_tables",
    "Table_open_cache_overflows": "table_cache_overflows",
    "Uptime": "uptime_s",
}
_RESIZING = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_resize_status'"
_POOL = "innodb_buffer_pool_size"
_MARIADB, _READERS = "MariaDB", "innodb_read_io_threads"
_IO, _IO_MAX = "innodb_io_capacity", "innodb_io_capacity_max"


class MysqlTunables(RuleBasedTunables):
    """See `devstack_tui.contracts.tunable.Tunables`."""

    rules = advice.RULES

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """The catalogue for this flavour and version."""
        known = parameter_catalogue.parameters("mysql", installation)
        if installation.flavour == _MARIADB or version_numbers(installation.version) < (8, 4):
            return known
        readers = str(max(4, (os.cpu_count() or 1) // 2))
        return with_fields(known, {_READERS: {"default": readers}})

    def read(
        self,
        target: Target,
        installation: Installation,
        files: ServiceFiles,  # noqa: ARG002
    ) -> Reading:
        """The server's own tables of variables as a new session sees them, and its status."""
        mariadb = installation.flavour == _MARIADB
        origin = f"{installation.flavour} {installation.version}"
        catalogue = self.parameters(installation)
        with asking(target, installation.flavour) as cursor:
            rows = variables(cursor, [found.name for found in catalogue], mariadb)
            seen = tuple(
                described(found, rows[found.name], origin)
                for found in catalogue
                if found.name in rows
            )
            effective = {found.name: effect(found, rows[found.name]) for found in seen}
            counters = _counters(cursor)
            if not mariadb:
                chunk = _chunk(cursor)
                seen = with_fields(seen, {_POOL: {"step": chunk}} if chunk else {})
        counters["pool_step"] = sum(found.step or 0 for found in seen if found.name == _POOL)
        return Reading(with_automatic(seen, effective, mariadb), effective, counters)

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """SET GLOBAL for each; returns the server's own warnings."""
        known = {found.name: found for found in parameters if found.name in values}
        with asking(target) as cursor:
            current, mariadb = _current(cursor)
            texts = {
                name: found.default if (text := values[name]) is None else text
                for name, found in known.items()
            }
            for name in AUTOMATIC:
                if name in known and values[name] is None:
                    texts[name] = automatic(name, {**current, **texts}, mariadb)
            warnings: list[str] = []
            for name in in_order(texts, int(current[_IO])):
                value = to_server(known[name], texts[name])
                warnings += _set(cursor, name, native(known[name], value), target)
            if _POOL in known:
                _await_resize(cursor)
        return tuple(warnings)


@contextlib.contextmanager
def asking(target: Target, flavour: str = "the server") -> Iterator[Cursor]:
    """A cursor of a new session of our own account. What the driver raises becomes one sentence
    without secrets."""
    import pymysql

    try:
        with contextlib.closing(connect(target.as_admin(), TIMEOUT_S)) as connection:
            yield connection.cursor()
    except (pymysql.err.MySQLError, OSError) as error:
        reason = redact(_sentence(error), target.passwords)
        raise UnreachableError(
            f"{flavour} at {target.endpoint} cannot be asked: {reason}"
        ) from None


def _sentence(error: Exception) -> str:
    text = str(error.args[-1]) if error.args else ""
    return text.strip().partition("\n")[0] or type(error).__name__


def in_order(values: Mapping[str, str], io_capacity: int) -> list[str]:
    """The names in an order in which no value pulls another along.

    innodb_io_capacity (now `io_capacity`) must never be above its maximum on the way.
    """
    names = [name for name in values if name != _IO_MAX]
    if _IO_MAX not in values:
        return names
    first = int(values[_IO_MAX]) >= io_capacity
    return [_IO_MAX, *names] if first else [*names, _IO_MAX]


def _set(cursor: Cursor, name: str, value: Value, target: Target) -> list[str]:
    """Set one variable; returns what the server warned of. Raises `DevstackError`."""
    import pymysql

    try:
        cursor.execute(f"SET GLOBAL {name} = %s", (value,))
        cursor.execute("SHOW WARNINGS")
    except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
        code = error.args[0] if error.args else 0
        if isinstance(code, int) and 2000 <= code < 3000:
            raise  # the connection went, nobody refused anything
        raise _refused(name, value, target, error) from None
    except pymysql.err.MySQLError as error:
        raise _refused(name, value, target, error) from None
    # A deprecation says nothing about the value.
    return [f"{name}: {row[2]}" for row in cursor.fetchall() if "deprecated" not in str(row[2])]


def _refused(name: str, value: Value, target: Target, error: Exception) -> DevstackError:
    if error.args and error.args[0] in _NO_RIGHT:
        user = target.as_admin().credentials.user
        return DevstackError(
            f"{user!r} has no right to set {name}: {_sentence(error)}",
            f"an administrator can give it: GRANT SUPER ON *.* TO the account of {user!r} "
            "(SYSTEM_VARIABLES_ADMIN in MySQL 8)",
        )
    return DevstackError(
        f"the server refuses {name} = {value}: {_sentence(error)}", "its old value stays"
    )


def _current(cursor: Cursor) -> tuple[dict[str, str], bool]:
    """What automatic values follow from, and whether it is MariaDB."""
    cursor.execute("SELECT VERSION(), @@global.max_connections, @@global.innodb_io_capacity")
    version, connections, capacity = cursor.fetchone() or ("", 0, 0)
    current = {"max_connections": str(connections), _IO: str(capacity)}
    return current, "mariadb" in str(version).lower()


def _await_resize(cursor: Cursor) -> None:
    """Wait until the buffer pool is no longer being resized, for a bounded time."""
    deadline = time.monotonic() + RESIZE_S
    while time.monotonic() < deadline:
        cursor.execute(_RESIZING)
        row = cursor.fetchone()
        status = str(row[1]).lower() if row else ""
        if not status or "complete" in status or "fail" in status or "did not" in status:
            return
        time.sleep(0.02)


def _chunk(cursor: Cursor) -> float:
    """MySQL rounds its buffer pool up to multiples of this."""
    cursor.execute(
        "SELECT @@global.innodb_buffer_pool_chunk_size * @@global.innodb_buffer_pool_instances"
    )
    row = cursor.fetchone()
    return float(row[0]) if row else 0


def _counters(cursor: Cursor) -> dict[str, float]:
    """The status by our names, and what values are held against."""
    cursor.execute("SHOW GLOBAL STATUS WHERE Variable_name IN %s", (list(_COUNTED),))
    found = {_COUNTED[str(name)]: float(value) for name, value in cursor.fetchall()}
    cursor.execute("SELECT @@global.open_files_limit, @@global.innodb_page_size, @@global.log_bin")
    files, page, binary = cursor.fetchone() or (0, 0, 0)
    return {
        **found,
        "open_files_limit": float(files),
        "page_size": float(page),
        "log_bin": float(binary),
    }


TUNABLES: Tunables = MysqlTunables()
