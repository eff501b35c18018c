"""PostgreSQL's probe: a committed write, read back, over verified TLS."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import SaturatedError
from devstack_tui.services.postgres.client import connect

if TYPE_CHECKING:
    import psycopg

TABLE = "devstack_tui_probe"
RELAXABLE = ("synchronous_commit", "fsync", "full_page_writes")
"""Settings that can be relaxed: see configs/parameters."""
_NO_MORE = re.compile(r"sorry, too many clients.*|remaining connection slots.*|too many conn.*")
_FACTS = """
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('transaction_read_only'),
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
       (SELECT sum(numbackends)::int FROM pg_stat_database),
       current_setting('max_connections')::int,
       (SELECT array_agg(current_setting(name, true)) FROM unnest(%s::text[]) AS name)
"""


def probe(target: Target, timeout: float) -> Observation:
    """Write a fresh value and read it back. The latency is of the write and the read."""
    with _connect(target, timeout) as connection:
        row = _row(connection.execute(_FACTS, [list(RELAXABLE)]))
        version, recovery, read_only, tls, clients, limit, settings = row
        assert isinstance(settings, list)
        token = time.time_ns()
        started = time.perf_counter()
        problems: list[str] = []
        if recovery or read_only == "on":
            connection.execute("SELECT 1")
            problems.append("read-only: it is in recovery")
        else:
            connection.execute(
                f"INSERT INTO {TABLE} (id, token) VALUES (1, %s) "  # noqa: S608 - a constant
                "ON CONFLICT (id) DO UPDATE SET token = EXCLUDED.token",
                (token,),
            )
            (seen,) = _row(
                connection.execute(f"SELECT token FROM {TABLE} WHERE id = 1")  # noqa: S608
            )
            # Another probe may have written a newer token in between; an older one is a lost write.
            if not isinstance(seen, int) or seen < token:
                problems.append("a committed write could not be read back")
        latency = (time.perf_counter() - started) * 1000
    if isinstance(clients, int) and isinstance(limit, int) and clients >= limit - 3:
        problems.append(f"{clients} of {limit} connections are in use")
    return Observation(
        latency_ms=latency,
        version=str(version).partition(" ")[0],
        role="replica" if recovery else "primary",
        tls=str(tls or ""),
        problems=tuple(problems),
        facts={"connections": f"{clients} of {limit}"},
        settings=dict(zip(RELAXABLE, ((str(one),) for one in settings), strict=True)),
    )


def _connect(target: Target, timeout: float) -> psycopg.Connection[tuple[object, ...]]:
    import psycopg

    try:
        return connect(target, timeout)
    except psycopg.OperationalError as error:
        # The driver has no code of an error that comes before the login.
        if found := _NO_MORE.search(str(error)):
            raise SaturatedError(target.service, found[0]) from None
        raise


def _row(cursor: object) -> tuple[object, ...]:
    row = cursor.fetchone()  # type: ignore[attr-defined]
    return tuple(row)
