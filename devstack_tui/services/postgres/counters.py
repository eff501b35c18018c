"""What PostgreSQL has counted, for the advice: sums over all databases since their last reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_DATABASES = """
SELECT sum(xact_commit + xact_rollback) AS transactions, sum(blks_hit) AS blocks_hit,
       sum(blks_read) AS blocks_read, sum(temp_files) AS temp_files,
       sum(temp_bytes) AS temp_bytes, sum(deadlocks) AS deadlocks,
       (SELECT sum(pg_database_size(oid)) FROM pg_database
        WHERE has_database_privilege(oid, 'connect')) AS database_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       extract(epoch FROM now() - pg_postmaster_start_time()) AS uptime_s
FROM pg_stat_database
"""
_CHECKPOINTS = """
SELECT checkpoints_timed, checkpoints_req AS checkpoints_requested,
       buffers_backend, buffers_checkpoint,
       extract(epoch FROM now() - stats_reset) AS checkpoints_since_s
FROM pg_stat_bgwriter
"""
_CHECKPOINTS_17 = """
SELECT num_timed AS checkpoints_timed, num_requested AS checkpoints_requested,
       buffers_written AS buffers_checkpoint,
       extract(epoch FROM now() - stats_reset) AS checkpoints_since_s
FROM pg_stat_checkpointer
"""
_WAL_14 = """
SELECT wal_bytes, wal_records, wal_fpi AS wal_full_pages, wal_buffers_full,
       extract(epoch FROM now() - stats_reset) AS wal_since_s
FROM pg_stat_wal
"""
# Not to be tuned, but what other values are held against.
_FACTS = """
SELECT name, setting::float8 FROM pg_settings WHERE name IN
  ('superuser_reserved_connections', 'reserved_connections', 'wal_segment_size', 'block_size')
UNION ALL SELECT 'knows_lz4', 1 FROM pg_settings
WHERE name = 'wal_compression' AND 'lz4' = ANY(enumvals)
"""


def counters(connection: psycopg.Connection[Any]) -> dict[str, float]:
    """Every counter by its name; one that this version does not have is missing."""
    major = connection.info.server_version // 10000
    found = dict(connection.execute(_FACTS).fetchall())
    found |= _row(connection, _DATABASES)
    found |= _row(connection, _CHECKPOINTS_17 if major >= 17 else _CHECKPOINTS)
    if major >= 14:
        found |= _row(connection, _WAL_14)
    return found


def _row(connection: psycopg.Connection[Any], statement: str) -> dict[str, float]:
    cursor = connection.execute(statement)
    names = [column.name for column in cursor.description or ()]
    values = cursor.fetchone() or ()
    return {
        name: float(value) for name, value in zip(names, values, strict=False) if value is not None
    }
