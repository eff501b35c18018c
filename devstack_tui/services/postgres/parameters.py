"""PostgreSQL's parameters: the catalogue by version.

Limits and defaults are those of PostgreSQL's documentation; a running server's own replace them
(`tunables.read`).
"""

from __future__ import annotations

from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter

KB, MB = 1 << 10, 1 << 20
SECOND = 1000.0
PAGE = 8 * KB
_INT_MAX = 2**31 - 1
_MAX_BACKENDS = 262143

_BYTES, _DURATION, _INTEGER = Kind.BYTES, Kind.DURATION, Kind.INTEGER
_REAL, _BOOLEAN, _CHOICE = Kind.REAL, Kind.BOOLEAN, Kind.CHOICE
_LIVE, _RELOAD, _RESTART = Apply.LIVE, Apply.RELOAD, Apply.RESTART
_CORRUPTS = "a crash of the machine or a power cut can corrupt the whole cluster"


def parameters(installation: Installation) -> tuple[Parameter, ...]:
    """The catalogue for this version, in the order of the editor."""
    return catalogue(int(installation.version.partition(".")[0]))


def catalogue(major: int) -> tuple[Parameter, ...]:
    """The same by the major version."""
    limits = f"PostgreSQL {major}"

    def one(name: str, kind: Kind, apply: Apply, default: str, **more: Any) -> Parameter:
        return Parameter(
            service="postgres",
            name=name,
            kind=kind,
            apply=apply,
            default=default,
            limits_from=limits,
            reader="pg_settings in a fresh session",
            **more,
        )

    return (
        *_memory(one, major),
        *_durability(one),
        *_log(one, major),
        *_checkpoints(one, major),
        *_planner(one, major),
        *_vacuum(one, major),
    )


def _memory(one: Any, major: int) -> list[Parameter]:
    return [
        one(
            "shared_buffers",
            _BYTES,
            _RESTART,
            "128MB",
            help="The memory in which all sessions share the pages of tables and indexes.",
            minimum=16 * PAGE,
            maximum=(2**30 - 1) * PAGE,
            step=PAGE,
            candidates=("256MB", "512MB", "1GB", "2GB"),
        ),
        one(
            "effective_cache_size",
            _BYTES,
            _LIVE,
            "4GB",
            help="What the planner takes the server's and the system's caches for; takes nothing.",
            minimum=PAGE,
            maximum=_INT_MAX * PAGE,
            step=PAGE,
            candidates=("1GB", "2GB", "4GB", "8GB"),
        ),
        one(
            "work_mem",
            _BYTES,
            _LIVE,
            "4MB",
            help="What each sort or hash of a query may take before it spills to disk.",
            minimum=64 * KB,
            maximum=_INT_MAX * KB,
            step=KB,
            candidates=("4MB", "8MB", "16MB", "32MB"),
        ),
        one(
            "maintenance_work_mem",
            _BYTES,
            _LIVE,
            "64MB",
            help="What VACUUM, CREATE INDEX and ALTER TABLE may take, each.",
            minimum=64 * KB if major >= 17 else MB,
            maximum=_INT_MAX * KB,
            step=KB,
            candidates=("64MB", "128MB", "256MB"),
        ),
        one(
            "max_connections",
            _INTEGER,
            _RESTART,
            "100",
            help="How many sessions there may be at once.",
            minimum=1,
            maximum=_MAX_BACKENDS,
        ),
        one(
            "huge_pages",
            _CHOICE,
            _RESTART,
            "try",
            help="Whether shared memory is in huge pages; `on` does not start without enough.",
            choices=("off", "on", "try"),
            candidates=("try", "off"),
        ),
    ]


def _durability(one: Any) -> list[Parameter]:
    return [
        one(
            "synchronous_commit",
            _CHOICE,
            _LIVE,
            "on",
            help="Whether a commit is answered only once it is on disk.",
            choices=("on", "off", "local", "remote_write", "remote_apply"),
            durability=(
                "a crash of the server or the machine loses the last acknowledged commits, up to "
                "three times wal_writer_delay (0.6 s by default); nothing is corrupted"
            ),
            relaxed=("off",),
            candidates=("on", "off"),
        ),
        one(
            "fsync",
            _BOOLEAN,
            _RELOAD,
            "on",
            help="Whether writes are forced to the disk at all.",
            durability=_CORRUPTS,
            relaxed=("off",),
            candidates=("on", "off"),
        ),
        one(
            "full_page_writes",
            _BOOLEAN,
            _RELOAD,
            "on",
            help="Whether a page's first change after a checkpoint puts all of it into the WAL.",
            durability="a power cut in the middle of a page's write corrupts that page for good",
            relaxed=("off",),
            candidates=("on", "off"),
        ),
    ]


def _log(one: Any, major: int) -> list[Parameter]:
    # `on` means pglz from 15 on, and reads back as that: a second name is not offered.
    compression = ("off", "pglz", "lz4", "zstd") if major >= 15 else ("off", "on")
    return [
        one(
            "wal_buffers",
            _BYTES,
            _RESTART,
            "4MB",
            help="The memory for WAL that is not written yet; by default 1/32 of shared_buffers.",
            minimum=4 * PAGE,
            maximum=_MAX_BACKENDS * PAGE,
            step=PAGE,
            candidates=("4MB", "16MB", "64MB"),
        ),
        one(
            "wal_compression",
            _CHOICE,
            _LIVE,
            "off",
            help="How whole pages in the WAL are compressed: less to write for more CPU.",
            choices=compression,
            candidates=tuple(name for name in compression if name != "pglz"),
        ),
        one(
            "wal_sync_method",
            _CHOICE,
            _RELOAD,
            "fdatasync",
            help="The system call that brings the WAL to disk; all of these are safe on Linux.",
            choices=("fdatasync", "fsync", "open_datasync", "open_sync"),
            candidates=("fdatasync", "open_datasync"),
        ),
        one(
            "wal_level",
            _CHOICE,
            _RESTART,
            "replica",
            help="What the WAL is good for; `minimal` excludes replicas and base backups.",
            choices=("minimal", "replica", "logical"),
            candidates=("minimal", "replica"),
        ),
        one(
            "max_wal_senders",
            _INTEGER,
            _RESTART,
            "10",
            help="How many replicas and base backups there may be at once.",
            minimum=0,
            maximum=_MAX_BACKENDS,
            candidates=("0", "10"),
        ),
        one(
            "wal_writer_delay",
            _DURATION,
            _RELOAD,
            "200ms",
            help="How often WAL that no commit waits for is written.",
            minimum=1,
            maximum=10 * SECOND,
            step=1,
            candidates=("50ms", "200ms", "1s"),
        ),
        one(
            "wal_writer_flush_after",
            _BYTES,
            _RELOAD,
            "1MB",
            help="After how much WAL its writer forces it to disk; 0: at every turn.",
            minimum=0,
            maximum=_INT_MAX * PAGE,
            step=PAGE,
            candidates=("1MB", "4MB"),
        ),
        one(
            "commit_delay",
            _DURATION,
            _LIVE,
            "0",
            help="How long a commit waits for others to share its flush; costs latency.",
            minimum=0,
            maximum=100,
            step=0.001,
            candidates=("0", "100us", "500us"),
        ),
    ]


def _checkpoints(one: Any, major: int) -> list[Parameter]:
    return [
        one(
            "max_wal_size",
            _BYTES,
            _RELOAD,
            "1GB",
            help="How much WAL may pile up before a checkpoint is forced.",
            minimum=2 * MB,
            maximum=_INT_MAX * MB,
            step=MB,
            candidates=("1GB", "2GB", "4GB", "8GB"),
        ),
        one(
            "min_wal_size",
            _BYTES,
            _RELOAD,
            "80MB",
            help="How much old WAL is kept for reuse, which is cheaper than new files.",
            minimum=2 * MB,
            maximum=_INT_MAX * MB,
            step=MB,
            candidates=("80MB", "512MB", "1GB"),
        ),
        one(
            "checkpoint_timeout",
            _DURATION,
            _RELOAD,
            "5min",
            help="The longest time between checkpoints; recovery takes longer with it.",
            minimum=30 * SECOND,
            maximum=86400 * SECOND,
            step=SECOND,
            candidates=("5min", "15min", "30min"),
        ),
        one(
            "checkpoint_completion_target",
            _REAL,
            _RELOAD,
            "0.9" if major >= 14 else "0.5",
            help="Over which part of the time to the next one a checkpoint's writes are spread.",
            minimum=0,
            maximum=1,
            candidates=("0.7", "0.9"),
        ),
        one(
            "checkpoint_flush_after",
            _BYTES,
            _RELOAD,
            "256kB",
            help="After how much a checkpoint tells the system to write; 0: when it likes.",
            minimum=0,
            maximum=256 * PAGE,
            step=PAGE,
            candidates=("0", "256kB", "1MB"),
        ),
        one(
            "bgwriter_lru_maxpages",
            _INTEGER,
            _RELOAD,
            "100",
            help="How many pages the background writer writes at most each time; 0: none.",
            minimum=0,
            maximum=2**30 - 1,
            candidates=("0", "100", "400"),
        ),
    ]


def _planner(one: Any, major: int) -> list[Parameter]:
    return [
        one(
            "random_page_cost",
            _REAL,
            _LIVE,
            "4",
            help="What the planner takes a page out of order to cost; one in order costs 1.",
            minimum=0,
            candidates=("1.1", "2", "4"),
        ),
        one(
            "effective_io_concurrency",
            _INTEGER,
            _LIVE,
            "16" if major >= 18 else "1",
            help="How many reads a bitmap scan asks the disk for in advance.",
            minimum=0,
            maximum=1000,
            candidates=("1", "16", "200"),
        ),
        one(
            "max_parallel_workers_per_gather",
            _INTEGER,
            _LIVE,
            "2",
            help="How many further processes one part of a query may have.",
            minimum=0,
            maximum=1024,
            candidates=("0", "2"),
        ),
        one(
            "jit",
            _BOOLEAN,
            _LIVE,
            "on",
            help="Whether expensive queries are compiled first.",
            candidates=("on", "off"),
        ),
    ]


def _vacuum(one: Any, major: int) -> list[Parameter]:
    return [
        one(
            "autovacuum",
            _BOOLEAN,
            _RELOAD,
            "on",
            help="Whether dead rows are cleared and statistics kept up by the server itself.",
        ),
        one(
            "autovacuum_naptime",
            _DURATION,
            _RELOAD,
            "1min",
            help="How often each database is looked at for tables that need a vacuum.",
            minimum=SECOND,
            maximum=2147483 * SECOND,
            step=SECOND,
            candidates=("15s", "1min"),
        ),
        one(
            "autovacuum_max_workers",
            _INTEGER,
            _RELOAD if major >= 18 else _RESTART,
            "3",
            help="How many vacuums of the server's own may run at once.",
            minimum=1,
            maximum=_MAX_BACKENDS,
            candidates=("2", "3"),
        ),
    ]
