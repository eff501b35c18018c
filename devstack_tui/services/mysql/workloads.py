"""MySQL's workloads: plain text statements over plain TCP, in a database of their own."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen.closed_loop import run_for_seconds, run_in_windows
from devstack_tui.loadgen.driver_errors import WrongAnswer, driver_errors
from devstack_tui.services.mysql.accounts import name_of, pattern
from devstack_tui.services.mysql.client import connect

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

DATABASE = "devstack_tui_bench"
_DROP = f"DROP DATABASE IF EXISTS {DATABASE}"
_GRANTED = """
SELECT 1 FROM information_schema.schema_privileges WHERE GRANTEE = %s AND TABLE_SCHEMA = %s
"""
_CREATE = f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"
_BULK_TABLE = """
CREATE TABLE bulk (
  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(64) NOT NULL,
  email varchar(128) NOT NULL,
  amount int NOT NULL
) ENGINE=InnoDB
"""
_BULK_INSERT = "INSERT INTO bulk (name, email, amount) VALUES "
_ITEMS_TABLE = """
CREATE TABLE items (id int NOT NULL PRIMARY KEY, payload varchar(128) NOT NULL) ENGINE=InnoDB
"""
_LIMIT_S = 8.0  # for one answer, below the loop's own
_PREPARE_LIMIT_S = 60.0
_DIFFERENT = 16  # statements, used in turn: the ids are the server's, so each may be sent again
_SETTINGS = (
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "log_bin",
    "innodb_doublewrite",
    "innodb_flush_method",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "autocommit",
    "unique_checks",
    "max_connections",
    "version",
)


class _Mysql:
    """What both workloads share."""

    drivers: tuple[str, ...] = ("pymysql",)

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """The driver and its version."""
        return "pymysql", version("pymysql")

    def settings(self, bench: Bench) -> dict[str, str]:
        """As a plain session in the workload's database has them; sizes in bytes."""
        names = ", ".join(f"'{name}'" for name in _SETTINGS)
        with _session(bench.target, DATABASE, "MySQL's settings") as cursor:
            cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
            found = {str(name): str(value) for name, value in cursor.fetchall()}
        ordered = {name: found[name] for name in _SETTINGS if name in found}
        return {**ordered, "connection": "TCP, no TLS"}

    def cleanup(self, target: Target) -> None:
        """Drop the database."""
        with _session(target.as_admin(), "", "MySQL's benchmark database") as cursor:
            _drop(cursor, target)


class BulkInsert(_Mysql):
    """INSERT of many rows a statement, each a transaction of its own, by one client.

    Statement after statement into a table that is emptied between windows: long enough for the redo
    log, the doublewrite buffer and the flushing of pages to be in it.
    """

    name = "mysql.bulk_insert"
    unit = "rows/s"

    def prepare(self, bench: Bench) -> None:
        """An empty table."""
        _recreate(bench.target, _BULK_TABLE)

    def run(self, bench: Bench) -> Measurement:
        """The statements are built before the time begins."""
        rows = int(bench.params["rows_per_statement"])
        statements = [bulk_statement(rows, seed) for seed in range(_DIFFERENT)]

        def empty() -> None:
            with _session(bench.target, DATABASE, "MySQL's benchmark data") as cursor:
                cursor.execute("TRUNCATE TABLE bulk")

        return run_in_windows(
            bench,
            lambda _: _Inserter(connect(bench.target, _LIMIT_S, DATABASE, False), statements, rows),
            empty,
        )


class PointSelect(_Mysql):
    """One row by its primary key."""

    name = "mysql.point_select"
    unit = "ops/s"

    def prepare(self, bench: Bench) -> None:
        """`rows` rows."""
        _recreate(bench.target, _ITEMS_TABLE)
        rows, chunk = int(bench.params["rows"]), 2000
        with _session(bench.target, DATABASE, "MySQL's benchmark data") as cursor:
            cursor.execute("BEGIN")
            for first in range(1, rows + 1, chunk):
                if bench.stop.is_set():
                    return
                ids = range(first, min(first + chunk, rows + 1))
                values = ", ".join(f"({i}, MD5({i}))" for i in ids)
                cursor.execute(f"INSERT INTO items VALUES {values}")  # noqa: S608 - numbers
            cursor.execute("COMMIT")
            cursor.execute("ANALYZE TABLE items")

    def run(self, bench: Bench) -> Measurement:
        """Random ids, evenly over all rows."""
        rows = int(bench.params["rows"])
        return run_for_seconds(
            bench,
            lambda number: _Selector(
                connect(bench.target, _LIMIT_S, DATABASE, False), rows, _chance(number)
            ),
        )


class _Inserter:
    """One connection that sends ready-made statements in turn."""

    def __init__(self, connection: Connection[Cursor], statements: list[bytes], rows: int) -> None:
        self._connection = connection
        self._statements = statements
        self._rows = rows
        self._next = 0

    def request(self) -> int:
        """One statement, committed by the server before it answers."""
        statement = self._statements[self._next % len(self._statements)]
        self._next += 1
        # Bytes: the driver sends them as they are.
        inserted = self._connection.query(statement)
        if inserted != self._rows:
            raise WrongAnswer(f"{inserted} of {self._rows} rows were inserted")
        return self._rows

    def close(self) -> None:
        self._connection.close()


class _Selector:
    """One connection that asks for random rows."""

    def __init__(self, connection: Connection[Cursor], rows: int, chance: random.Random) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._rows = rows
        self._chance = chance

    def request(self) -> int:
        """One SELECT, whose row must come."""
        wanted = int(self._chance.random() * self._rows) + 1
        self._cursor.execute(f"SELECT payload FROM items WHERE id = {wanted}")  # noqa: S608
        if len(self._cursor.fetchall()) != 1:
            raise WrongAnswer(f"no row {wanted}")
        return 1

    def close(self) -> None:
        self._connection.close()


def bulk_statement(rows: int, seed: int) -> bytes:
    """An INSERT of `rows` rows of about 60 bytes, the same for the same seed."""
    chance = _chance(seed)
    values = (
        f"('user {chance.getrandbits(64):016x}',"
        f"'{chance.getrandbits(64):016x}@example.org',{chance.randrange(1_000_000)})"
        for _ in range(rows)
    )
    return (_BULK_INSERT + ",".join(values)).encode()


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - nothing secret is made of it


@contextlib.contextmanager
def _session(target: Target, database: str, what: str) -> Iterator[Cursor]:
    with (
        driver_errors(what),
        contextlib.closing(connect(target, _PREPARE_LIMIT_S, database, False)) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def _recreate(target: Target, table: str) -> None:
    who = name_of(target.credentials)
    with _session(target.as_admin(), "", "MySQL's benchmark database") as cursor:
        _drop(cursor, target)
        cursor.execute(_CREATE)
        cursor.execute(f"GRANT ALL PRIVILEGES ON {pattern(DATABASE)}.* TO {who}")
        cursor.execute(f"USE {DATABASE}")
        cursor.execute(table)


def _drop(cursor: Cursor, target: Target) -> None:
    # Not there is as good as dropped: MariaDB would warn.
    cursor.execute("SET SESSION sql_notes = 0")
    cursor.execute(_DROP)
    who = name_of(target.credentials)
    if cursor.execute(_GRANTED, (who, pattern(DATABASE).strip("`"))):
        cursor.execute(f"REVOKE ALL PRIVILEGES ON {pattern(DATABASE)}.* FROM {who}")


WORKLOADS: tuple[Workload, ...] = (BulkInsert(), PointSelect())
