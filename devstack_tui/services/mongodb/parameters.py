"""MongoDB's parameters: the catalogue, and how mongod spells each of them.

Ranges and times of application are those that mongod 6.0 enforces, asked one by one. What cannot
change once there is data (a directory for each database or index) is not among them.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Apply, Kind, Parameter
from devstack_tui.core import units

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
SECOND = 1000.0
COMPRESSORS = ("none", "snappy", "zlib", "zstd")
LEAST_CACHE = 256 * MB
CACHE_KEY = "cache_size"
_ENGINE = ("storage", "wiredTiger", "engineConfig")
STRING = (*_ENGINE, "configString")
"""WiredTiger's own settings for which mongod has no name."""


class Via(enum.Enum):
    """Which command changes a running mongod; START: none does."""

    START = enum.auto()
    SET_PARAMETER = enum.auto()
    ENGINE = enum.auto()
    PROFILE = enum.auto()


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter with its place in mongod's configuration.

    `spelled` is its name for the command that changes it, `unit` what one of the server's units
    is in bytes or milliseconds.
    """

    parameter: Parameter
    path: tuple[str, ...]
    via: Via = Via.START
    spelled: str = ""
    unit: float = 1

    @property
    def name(self) -> str:
        """The parameter's."""
        return self.parameter.name

    def native(self, text: str) -> Any:
        """The server's value for a canonical text. Raises `ValueError` with a sentence."""
        value = units.parse(self.parameter.kind, text)
        if self.parameter.kind not in (Kind.BYTES, Kind.DURATION):
            return value
        number = float(value) / self.unit
        return int(number) if number.is_integer() else number

    def canonical(self, native: Any) -> str:
        """The canonical text for what the server says."""
        if self.parameter.kind in (Kind.BYTES, Kind.DURATION):
            return units.show(self.parameter.kind, float(native) * self.unit)
        return units.canonical(self.parameter.kind, str(native))


def default_cache(memory: int) -> int:
    """What mongod takes for its cache by itself: half of the memory above 1 GB, 256 MB at least."""
    return max(LEAST_CACHE, (memory // MB - 1024) // 2 * MB)


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _parameter(
    name: str, kind: Kind, apply: Apply, default: str, help: str, **more: Any
) -> Parameter:
    return Parameter(
        service="mongodb",
        name=name,
        kind=kind,
        apply=apply,
        default=default,
        help=help,
        **{"limits_from": "mongod 6.0", **more},
    )


def _storage() -> list[Knob]:
    return [
        Knob(
            _parameter(
                "wiredTigerCacheSizeGB",
                Kind.BYTES,
                Apply.LIVE,
                units.show(Kind.BYTES, default_cache(_memory())),
                "How much memory WiredTiger keeps documents and indexes in, uncompressed.",
                minimum=LEAST_CACHE,
                maximum=10000 * GB,
                step=MB,
                reader='serverStatus().wiredTiger.cache["maximum bytes configured"]',
                candidates=("512MB", "1GB", "2GB", "4GB"),
            ),
            (*_ENGINE, "cacheSizeGB"),
            Via.ENGINE,
            CACHE_KEY,
            GB,
        ),
        Knob(
            _parameter(
                "wiredTigerJournalCompressor",
                Kind.CHOICE,
                Apply.RESTART,
                "snappy",
                "How the journal's records are compressed: less to write for more CPU.",
                choices=COMPRESSORS,
                reader="getCmdLineOpts (what mongod was started with)",
                candidates=("none", "snappy", "zstd"),
            ),
            (*_ENGINE, "journalCompressor"),
        ),
        Knob(
            _parameter(
                "journalCommitInterval",
                Kind.DURATION,
                Apply.LIVE,
                "100ms",
                "The longest time that writes wait in memory before the journal is synced.",
                minimum=1,
                maximum=500,
                step=1,
                durability="a crash loses what was acknowledged without j:true in this time",
                relaxed_above=100,
                reader="getParameter journalCommitInterval",
                candidates=("100ms", "300ms", "500ms"),
            ),
            ("storage", "journal", "commitIntervalMs"),
            Via.SET_PARAMETER,
            "journalCommitInterval",
        ),
        Knob(
            _parameter(
                "syncdelay",
                Kind.DURATION,
                Apply.LIVE,
                "1min",
                "The time between checkpoints: rarer ones write less, and recovery takes longer.",
                minimum=0,
                maximum=3600 * SECOND,
                special={"0": "no checkpoints: the journal grows without end"},
                reader="getParameter syncdelay",
                candidates=("30s", "1min", "5min"),
            ),
            ("storage", "syncPeriodSecs"),
            Via.SET_PARAMETER,
            "syncdelay",
            SECOND,
        ),
        Knob(
            _parameter(
                "wiredTigerCollectionBlockCompressor",
                Kind.CHOICE,
                Apply.RESTART,
                "snappy",
                "How the blocks of new collections are compressed; those that exist keep theirs.",
                choices=COMPRESSORS,
                reader="getCmdLineOpts (what mongod was started with)",
                candidates=("none", "snappy", "zstd"),
            ),
            ("storage", "wiredTiger", "collectionConfig", "blockCompressor"),
        ),
        Knob(
            _parameter(
                "wiredTigerIndexPrefixCompression",
                Kind.BOOLEAN,
                Apply.RESTART,
                "on",
                "Whether new indexes keep a common prefix of their keys once.",
                reader="getCmdLineOpts (what mongod was started with)",
                candidates=("on", "off"),
            ),
            ("storage", "wiredTiger", "indexConfig", "prefixCompression"),
        ),
        Knob(
            _parameter(
                "zstdDefaultCompressionLevel",
                Kind.INTEGER,
                Apply.RESTART,
                "6",
                "How hard zstd tries, where it is the compressor.",
                minimum=1,
                maximum=22,
                reader="getCmdLineOpts (what mongod was started with)",
                candidates=("1", "3", "6"),
            ),
            (*_ENGINE, "zstdCompressionLevel"),
        ),
    ]


def _eviction() -> list[Knob]:
    # The server tells these in no other way, and keeps the last text only: see `tunables`.
    reader = "getParameter wiredTigerEngineRuntimeConfig, else the configString of getCmdLineOpts"
    shares = {"minimum": 1, "maximum": 99, "limits_from": "WiredTiger", "reader": reader}
    return [
        Knob(
            _parameter(
                "eviction_dirty_target",
                Kind.INTEGER,
                Apply.LIVE,
                "5",
                "Percent of the cache that may be dirty before threads write it out.",
                candidates=("5", "10", "20"),
                **shares,
            ),
            STRING,
            Via.ENGINE,
            "eviction_dirty_target",
        ),
        Knob(
            _parameter(
                "eviction_dirty_trigger",
                Kind.INTEGER,
                Apply.LIVE,
                "20",
                "Percent of the cache that may be dirty before clients must write it out.",
                candidates=("20", "30", "40"),
                **shares,
            ),
            STRING,
            Via.ENGINE,
            "eviction_dirty_trigger",
        ),
        Knob(
            _parameter(
                "eviction_threads_max",
                Kind.INTEGER,
                Apply.LIVE,
                "4",
                "How many threads may make room in the cache; mongod never has fewer than 4.",
                minimum=4,
                maximum=20,
                limits_from="WiredTiger",
                reader=reader,
                candidates=("4", "8"),
            ),
            STRING,
            Via.ENGINE,
            "eviction.threads_max",
        ),
    ]


def _set(name: str, kind: Kind, default: str, help: str, **more: Any) -> Knob:
    """A parameter that is one to mongod as well."""
    more.setdefault("reader", f"getParameter {name}")
    return Knob(
        _parameter(name, kind, Apply.LIVE, default, help, **more),
        ("setParameter", name),
        Via.SET_PARAMETER,
        name,
    )


def _server() -> list[Knob]:
    return [
        _set(
            "internalQueryMaxBlockingSortMemoryUsageBytes",
            Kind.BYTES,
            "100MB",
            "How much memory one sort without an index may take before it goes to disk or fails.",
            minimum=MB,
            maximum=100 * GB,
            candidates=("32MB", "100MB", "256MB"),
        ),
        _set("ttlMonitorEnabled", Kind.BOOLEAN, "on", "Whether documents that expire are deleted."),
        _set(
            "diagnosticDataCollectionEnabled",
            Kind.BOOLEAN,
            "on",
            "Whether the server's state is recorded every second, for the diagnosis of a fault.",
            candidates=("on", "off"),
        ),
        Knob(
            _parameter(
                "slowOpThresholdMs",
                Kind.DURATION,
                Apply.LIVE,
                "100ms",
                "Operations that take longer are logged.",
                minimum=0,
                maximum=3600 * SECOND,
                step=1,
                reader="profile -1: slowms",
            ),
            ("operationProfiling", "slowOpThresholdMs"),
            Via.PROFILE,
            "slowms",
        ),
        Knob(
            _parameter(
                "networkMessageCompressors",
                Kind.TEXT,
                Apply.RESTART,
                "snappy,zstd,zlib",
                "What clients may compress messages with, the best first; or `disabled`.",
                reader="getCmdLineOpts (what mongod was started with)",
                candidates=("snappy,zstd,zlib", "disabled"),
            ),
            ("net", "compression", "compressors"),
        ),
    ]


def _tickets() -> list[Knob]:
    limits = {"minimum": 5, "maximum": 100000, "candidates": ("16", "64", "128")}
    return [
        _set(
            f"wiredTigerConcurrent{kind}Transactions",
            Kind.INTEGER,
            "128",
            f"How many {what} may be inside of WiredTiger at once; others wait.",
            reader=f"serverStatus().wiredTiger.concurrentTransactions.{what[:-1]}.totalTickets",
            **limits,
        )
        for kind, what in (("Read", "reads"), ("Write", "writes"))
    ]


def knobs(installation: Installation) -> tuple[Knob, ...]:
    """All that this version has, in the order of the editor."""
    major = int(installation.version.partition(".")[0])
    found = [*_storage(), *_eviction(), *_server()]
    if major < 5:
        found = [knob for knob in found if knob.name != "zstdDefaultCompressionLevel"]
    # From 7.0 on mongod finds their number by itself, and tells it elsewhere.
    return tuple(found + _tickets()) if major < 7 else tuple(found)
