"""PostgreSQL's workloads: pgbench makes the load, in a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen.driver_errors import driver_errors
from devstack_tui.services.postgres import pgbench
from devstack_tui.services.postgres.client import connect

if TYPE_CHECKING:
    import psycopg

DATABASE = "devstack_tui_bench"
_DROP: LiteralString = f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"
_CREATE: LiteralString = f"CREATE DATABASE {DATABASE} OWNER {{}}"
_TIMEOUT_S = 60.0
_SETTINGS = (
    "shared_buffers",
    "synchronous_commit",
    "fsync",
    "full_page_writes",
    "max_wal_size",
    "wal_compression",
    "wal_buffers",
    "checkpoint_timeout",
    "checkpoint_completion_target",
    "effective_cache_size",
    "work_mem",
    "max_connections",
)
_READ_SETTINGS = """
SELECT name, current_setting(name), source, pending_restart
FROM pg_settings WHERE name = ANY(%s)
"""
_CHUNK = 100_000


class _Pgbench:
    """What both workloads share."""

    unit = "TPS"
    drivers: tuple[str, ...] = ("pgbench",)

    def engine(self, client: FindClient) -> tuple[str, str]:
        """pgbench and its version; what it measured without TLS cannot be compared."""
        return "pgbench over TLS", pgbench.version(client)

    def settings(self, bench: Bench) -> dict[str, str]:
        """Each with its source, for a value may come from the server's command line, a file, the
        database or the role: read as the workload's role in the workload's database."""
        with (
            driver_errors("PostgreSQL's settings"),
            connect(bench.target, 10, DATABASE) as connection,
        ):
            rows = connection.execute(_READ_SETTINGS, (list(_SETTINGS),)).fetchall()
        found = {
            str(name): f"{value} ({source}{', restart pending' if pending else ''})"
            for name, value, source, pending in rows
        }
        ordered = {name: found[name] for name in _SETTINGS if name in found}
        return {**ordered, "connection": "TCP, TLS"}

    def cleanup(self, target: Target) -> None:
        """Drop the database, with whoever is still in it."""
        pgbench.PgbenchFiles(target, DATABASE).remove()
        with driver_errors("PostgreSQL's benchmark database"), _administrator(target) as connection:
            connection.execute(_DROP)


class Tpcb(_Pgbench):
    """TPC-B as pgbench plays it: three updates, a select and an insert in each transaction."""

    name = "postgres.tpcb"

    def prepare(self, bench: Bench) -> None:
        """pgbench's own tables, at `scale` × 100,000 accounts."""
        _recreate(bench.target)
        with driver_errors("pgbench"):
            pgbench.initialise(bench, DATABASE, int(bench.params["scale"]))

    def run(self, bench: Bench) -> Measurement:
        """The built-in script by simple queries: pgbench's defaults."""
        with driver_errors("pgbench"):
            return pgbench.run(bench, DATABASE, ["--builtin=tpcb-like", "--protocol=simple"])


class PointSelect(_Pgbench):
    """One row by its primary key, by a prepared statement."""

    name = "postgres.point_select"

    def prepare(self, bench: Bench) -> None:
        """`rows` rows of about 100 bytes, vacuumed."""
        rows = int(bench.params["rows"])
        _recreate(bench.target)
        with (
            driver_errors("PostgreSQL's benchmark data"),
            connect(bench.target, _TIMEOUT_S, DATABASE) as connection,
        ):
            connection.execute("CREATE TABLE items (id int PRIMARY KEY, payload text NOT NULL)")
            for first in range(1, rows + 1, _CHUNK):
                if bench.stop.is_set():
                    return
                connection.execute(
                    "INSERT INTO items SELECT i, md5(i::text) || md5((-i)::text) "
                    "FROM generate_series(%s::int, %s::int) AS i",
                    (first, min(first + _CHUNK - 1, rows)),
                )
            connection.execute("VACUUM ANALYZE items")

    def run(self, bench: Bench) -> Measurement:
        """Random ids, evenly over all rows."""
        script = (
            f"\\set id random(1, {int(bench.params['rows'])})\n"
            "SELECT payload FROM items WHERE id = :id;\n"
        )
        arguments = ["--protocol=prepared", "--file=select.sql"]
        with driver_errors("pgbench"):
            return pgbench.run(bench, DATABASE, arguments, {"select.sql": script})


def _administrator(target: Target) -> psycopg.Connection[tuple[object, ...]]:
    return connect(target.as_admin(), _TIMEOUT_S, "postgres")


def _recreate(target: Target) -> None:
    from psycopg import sql

    with driver_errors("PostgreSQL's benchmark database"), _administrator(target) as connection:
        connection.execute(_DROP)
        owner = sql.Identifier(target.credentials.user)
        connection.execute(sql.SQL(_CREATE).format(owner))


WORKLOADS: tuple[Workload, ...] = (Tpcb(), PointSelect())
