"""The parameters of MySQL and MariaDB: the catalogue by flavour and version.

Limits and defaults are those of the two manuals; a running server's own replace them
(`tunables.read`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
SECOND = 1000.0
_WORD = 2**32 - 1

_BYTES, _DURATION, _INTEGER = Kind.BYTES, Kind.DURATION, Kind.INTEGER
_REAL, _BOOLEAN, _CHOICE = Kind.REAL, Kind.BOOLEAN, Kind.CHOICE
_LIVE, _RESTART = Apply.LIVE, Apply.RESTART
_SWITCH = ("on", "off")


@dataclass(frozen=True, slots=True)
class Release:
    """One flavour and version."""

    mariadb: bool
    version: tuple[int, ...]

    @classmethod
    def of(cls, installation: Installation) -> Release:
        """Of a program that was found."""
        numbers = tuple(int(part) for part in installation.version.split(".") if part.isdigit())
        return cls(installation.flavour == "MariaDB", numbers)

    def maria(self, *since: int) -> bool:
        """Whether it is MariaDB, of this version or later."""
        return self.mariadb and self.version >= since

    def mysql(self, *since: int) -> bool:
        """Whether it is MySQL, of this version or later."""
        return not self.mariadb and self.version >= since

    @property
    def grows(self) -> bool:
        """Whether a running server can make its buffer pool larger than it was at its start.

        Some MariaDB reserve no room for that and refuse without a word.
        """
        if not self.mariadb:
            return True
        series, patch = self.version[:2], self.version[2] if len(self.version) > 2 else 0
        if series == (10, 11):
            return not 12 <= patch <= 16
        # Of later series it is not known which patch has the repair: a restart always works.
        first = 6 if series == (11, 4) else 2 if series == (11, 8) else 0
        return series < (12, 0) and (series < (11, 4) or patch < first)


def parameters(installation: Installation) -> tuple[Parameter, ...]:
    """The catalogue for this flavour and version, in the order of the editor."""
    return catalogue(Release.of(installation))


def catalogue(release: Release) -> tuple[Parameter, ...]:
    """The same by what matters of the installation."""
    flavour = "MariaDB" if release.mariadb else "MySQL"
    one = partial(
        _parameter,
        limits_from=f"{flavour} {'.'.join(map(str, release.version[:2]))}",
        reader=(
            "information_schema.SYSTEM_VARIABLES in a fresh session"
            if release.mariadb
            else "performance_schema.variables_info in a fresh session"
        ),
    )
    return (
        *_cache(one, release),
        *_log(one, release),
        *_safety(one, release),
        *_disk(one, release),
        *_sessions(one, release),
        *_buffers(one, release),
    )


def _parameter(
    name: str, kind: Kind, apply: Apply, default: str, help_: str, **more: Any
) -> Parameter:
    return Parameter(
        service="mysql", name=name, kind=kind, apply=apply, default=default, help=help_, **more
    )


def _cache(one: Any, release: Release) -> list[Parameter]:
    found = [
        one(
            "innodb_buffer_pool_size",
            _BYTES,
            _LIVE if release.grows else _RESTART,
            "128MB",
            "The memory in which InnoDB keeps the pages of tables and indexes.",
            minimum=2 * MB if release.maria(10, 11) else 5 * MB,
            maximum=2.0**63,
            step=MB if release.maria(10, 11, 12) else 128 * MB,
            candidates=("256MB", "512MB", "1GB", "2GB"),
        ),
        one(
            "innodb_adaptive_hash_index",
            _BOOLEAN,
            _LIVE,
            "off" if release.mariadb or release.mysql(8, 4) else "on",
            "Whether InnoDB hashes the index pages that are read most.",
            candidates=_SWITCH,
        ),
    ]
    if not release.maria(11, 0):
        found.append(
            one(
                "innodb_change_buffering",
                _CHOICE,
                _LIVE,
                "none" if release.maria(10, 5, 15) or release.mysql(8, 4) else "all",
                "Which changes of secondary indexes wait in a buffer until the page is read.",
                choices=("none", "inserts", "deletes", "changes", "purges", "all"),
                candidates=("none", "all"),
            )
        )
    return found


def _log(one: Any, release: Release) -> list[Parameter]:
    if release.mysql(8, 0, 30):
        log = one(
            "innodb_redo_log_capacity",
            _BYTES,
            _LIVE,
            "100MB",
            "How large the redo log is: a larger one writes pages less often, and recovers longer.",
            minimum=8 * MB,
            maximum=512 * GB,
            candidates=("128MB", "512MB", "1GB"),
        )
    else:
        log = one(
            "innodb_log_file_size",
            _BYTES,
            _LIVE if release.maria(10, 9) else _RESTART,
            "96MB" if release.maria(10, 5) else "48MB",
            "How large the redo log is: a larger one writes pages less often, and recovers longer.",
            minimum=4 * MB if release.maria(10, 8) or not release.mariadb else MB,
            maximum=512 * GB,
            step=4 * KB if release.mariadb else MB,
            candidates=("96MB", "128MB", "512MB", "1GB"),
        )
    buffer = one(
        "innodb_log_buffer_size",
        _BYTES,
        _LIVE if release.mysql(8, 0) else _RESTART,
        "64MB" if release.mysql(8, 4) else "16MB",
        "The memory for redo records that are not written yet.",
        minimum=2 * MB if release.maria(10, 11, 8) else 256 * KB,
        maximum=2**31 - 4 * KB if release.mariadb else _WORD,
        step=4 * KB if release.maria(10, 11) else KB,
        candidates=("16MB", "64MB"),
    )
    return [log, buffer]


def _safety(one: Any, release: Release) -> list[Parameter]:
    found = [
        one(
            "innodb_flush_log_at_trx_commit",
            _CHOICE,
            _LIVE,
            "1",
            "What a commit does with the log: 1 writes and syncs it, 2 writes it, 0 nothing.",
            # 3 is 1 with one sync more, for the binary log of old versions.
            choices=("0", "1", "2", "3") if release.mariadb else ("0", "1", "2"),
            durability=(
                "the log is synced every innodb_flush_log_at_timeout (1 s by default): with 2 a "
                "crash of the machine, with 0 also one of the server loses the commits since"
            ),
            relaxed=("0", "2"),
            candidates=("1", "2", "0"),
        ),
        one(
            "innodb_flush_log_at_timeout",
            _DURATION,
            _LIVE,
            "1s",
            "How often the log is synced that no commit syncs.",
            minimum=0 if release.mariadb else SECOND,
            maximum=2700 * SECOND,
            step=SECOND,
            candidates=("1s", "2s"),
        ),
        one(
            "innodb_doublewrite",
            _BOOLEAN,
            _LIVE if release.maria(11, 0, 6) else _RESTART,
            "on",
            "Whether every page is written to a safe place before it is written to its own.",
            durability="a power cut in the middle of a page's write corrupts that page for good",
            relaxed=("off",),
            candidates=_SWITCH,
        ),
        one(
            "innodb_flush_method",
            _CHOICE,
            _RESTART,
            "o_direct" if release.maria(10, 6) or release.mysql(8, 4) else "fsync",
            "How pages are written: `o_direct` past the system's cache, `fsync` through it.",
            choices=("fsync", "o_dsync", "o_direct", "o_direct_no_fsync"),
            durability="without fsync a power cut may lose pages on some file systems",
            relaxed=("o_direct_no_fsync",),
            candidates=("o_direct", "fsync", "o_direct_no_fsync"),
        ),
        one(
            "log_bin",
            _BOOLEAN,
            _RESTART,
            "on" if release.mysql(8, 0) else "off",
            "Whether every change is also written to a binary log, which replicas read.",
            candidates=_SWITCH if release.mysql(8, 0) else (),
        ),
    ]
    cost = "a crash of the machine loses the end of the binary log, and replicas go astray"
    found.append(
        one(
            "sync_binlog",
            _INTEGER,
            _LIVE,
            "0" if release.mariadb else "1",
            "After how many commits the binary log is synced; 0: when the system likes.",
            minimum=0,
            maximum=_WORD,
            # Where there is no binary log, as MariaDB comes, nothing can be lost from it.
            durability="" if release.mariadb else cost,
            relaxed=() if release.mariadb else ("0",),
            relaxed_above=None if release.mariadb else 1,
            candidates=() if release.mariadb else ("0", "1"),
        )
    )
    return found


def _disk(one: Any, release: Release) -> list[Parameter]:
    modern = release.mysql(8, 4)
    readers = max(4, (os.cpu_count() or 1) // 2) if modern else 4
    threads = _LIVE if release.maria(10, 11) else _RESTART
    return [
        one(
            "innodb_io_capacity",
            _INTEGER,
            _LIVE,
            "10000" if modern else "200",
            "How many pages a second the server writes in the background when it has time.",
            minimum=100,
            maximum=_WORD,
            candidates=("200", "1000", "4000"),
        ),
        one(
            "innodb_io_capacity_max",
            _INTEGER,
            _LIVE,
            "20000" if modern else "2000",
            "How many it writes at most when it falls behind.",
            minimum=100,
            maximum=_WORD,
            candidates=("2000", "8000"),
        ),
        one(
            "innodb_flush_neighbors",
            _CHOICE,
            _LIVE,
            "1" if release.mariadb else "0",
            "Whether dirty pages beside a page are written with it: good for disks that turn.",
            choices=("0", "1", "2"),
            candidates=("0", "1"),
        ),
        one(
            "innodb_max_dirty_pages_pct",
            _REAL,
            _LIVE,
            "90",
            "Percent of the buffer pool that may be dirty.",
            minimum=0,
            maximum=99.999,
            candidates=("75", "90"),
        ),
        *(
            one(
                f"innodb_{what}_io_threads",
                _INTEGER,
                threads,
                default,
                f"How many threads {what} pages.",
                minimum=least,
                maximum=64,
                candidates=("2", "4", "8"),
            )
            for what, default, least in (
                ("read", str(readers), 1),
                ("write", "4", 2 if release.maria(10, 11) else 1),
            )
        ),
    ]


def _sessions(one: Any, release: Release) -> list[Parameter]:
    found = [
        one(
            "max_connections",
            _INTEGER,
            _LIVE,
            "151",
            "How many sessions there may be at once.",
            minimum=10 if release.mariadb else 1,
            maximum=100000,
        ),
        one(
            "thread_cache_size",
            _INTEGER,
            _LIVE,
            str(default_thread_cache(151, release.mariadb)),
            "How many threads are kept for the next sessions.",
            minimum=0,
            maximum=16384,
            candidates=("16", "64", "151"),
        ),
        one(
            "table_open_cache",
            _INTEGER,
            _LIVE,
            "4000" if release.mysql(8, 0) else "2000",
            "How many tables are kept open over all sessions.",
            minimum=10 if release.mariadb else 1,
            maximum=2**20 if release.mariadb else 2**19,
            candidates=("2000", "4000"),
        ),
    ]
    if release.mariadb:
        found.append(
            one(
                "thread_handling",
                _CHOICE,
                _RESTART,
                "one-thread-per-connection",
                "Whether each session has a thread, or all share a few.",
                choices=("one-thread-per-connection", "pool-of-threads"),
                candidates=("one-thread-per-connection", "pool-of-threads"),
            )
        )
    return found


def _buffers(one: Any, release: Release) -> list[Parameter]:
    sort = "2MB" if release.mariadb else "256kB"
    heap = ("16MB", "64MB")
    little, small = (0, KB) if release.mariadb else (KB, 32 * KB)
    rows: list[tuple[str, str, int, int | None, tuple[str, ...], str]] = [
        ("tmp_table_size", "16MB", little, 16 * KB, heap, "temporary table has in memory"),
        ("max_heap_table_size", "16MB", 16 * KB, KB, heap, "table in memory may take at all"),
        ("sort_buffer_size", sort, small, None, ("256kB", "2MB", "4MB"), "sort may take in memory"),
        ("join_buffer_size", "256kB", 128, 128, ("256kB", "1MB"), "join may take without an index"),
    ]
    return [
        one(
            name,
            _BYTES,
            _LIVE,
            default,
            f"What one {what}.",
            minimum=least,
            maximum=2.0**63,
            step=step if release.mariadb else None,
            candidates=tries,
        )
        for name, default, least, step, tries, what in rows
    ]


def default_thread_cache(max_connections: int, mariadb: bool) -> int:
    """What the server takes by itself."""
    if mariadb:
        return min(256, max_connections)
    return min(100, 8 + max_connections // 100)
