"""Redis' parameters: the catalogue, in the order of the editor.

Every node of the cluster gets the same. Ranges are those that Redis 7.0 enforces, or narrower
where it takes what cannot work. `activedefrag` is not among them: whether a build has it cannot be
asked, and a node that has not does not start with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from devstack_tui.contracts.tunable import Apply, Kind, Parameter
from devstack_tui.core import units

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
LEAST_MEMORY = 16 * MB
"""An empty node of a cluster uses 2 to 3 MB before its first client."""
NO_SNAPSHOTS = "off"
NODE_TIMEOUT = "cluster-node-timeout"
MIN_REPLICAS = "min-replicas-to-write"
POLICIES = (
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)


def _make(name: str, kind: Kind, default: str, help: str, **more: Any) -> Parameter:
    more.setdefault("apply", Apply.LIVE)
    more.setdefault("reader", "CONFIG GET on every node")
    more.setdefault("limits_from", "Redis 7.0")
    return Parameter(service="redis", name=name, kind=kind, default=default, help=help, **more)


def _memory() -> list[Parameter]:
    return [
        _make(
            "maxmemory",
            Kind.BYTES,
            "0",
            "How much memory one node may fill with keys; beyond it the policy decides.",
            minimum=LEAST_MEMORY,
            maximum=1024 * GB,
            limits_from="devstack-tui: the node takes less, and then refuses every write",
            special={"0": "no limit"},
            candidates=("256MB", "512MB", "1GB"),
        ),
        _make(
            "maxmemory-policy",
            Kind.CHOICE,
            "noeviction",
            "What happens when maxmemory is reached: writes fail, or keys are dropped.",
            choices=POLICIES,
        ),
        _make(
            "maxmemory-samples",
            Kind.INTEGER,
            "5",
            "How many keys are compared to find one to drop: more is more exact and slower.",
            minimum=1,
            maximum=64,
            candidates=("3", "5", "10"),
        ),
    ]


def _durability() -> list[Parameter]:
    return [
        _make(
            "save",
            Kind.TEXT,
            "3600 1 300 100 60 10000",
            "When a snapshot is written: pairs of seconds and changes, or `off`.",
            relaxed=(NO_SNAPSHOTS,),
            durability="without AOF a restart of all nodes loses everything",
            candidates=("3600 1 300 100 60 10000", "3600 1", NO_SNAPSHOTS),
        ),
        _make(
            "appendonly",
            Kind.BOOLEAN,
            "off",
            "Whether every write is appended to a file (AOF), which a restart replays.",
            relaxed=("off",),
            durability="a crash loses all writes since the last snapshot (`save`)",
            candidates=("off", "on"),
        ),
        _make(
            "appendfsync",
            Kind.CHOICE,
            "everysec",
            "How often the AOF is synced to the disk.",
            choices=("always", "everysec", "no"),
            relaxed=("no",),
            durability="everysec: a crash of the machine loses up to 2 s; no: about 30 s",
            candidates=("everysec", "no", "always"),
        ),
        _make(
            "no-appendfsync-on-rewrite",
            Kind.BOOLEAN,
            "off",
            "Whether the AOF is left unsynced while it or a snapshot is being written anew.",
            relaxed=("on",),
            durability="a crash of the machine during a rewrite loses about 30 s",
            candidates=("off", "on"),
        ),
        _make(
            "auto-aof-rewrite-percentage",
            Kind.INTEGER,
            "100",
            "By how much the AOF may grow before it is written anew.",
            minimum=0,
            maximum=10000,
            special={"0": "never"},
            candidates=("100", "200"),
        ),
        _make(
            "rdbcompression",
            Kind.BOOLEAN,
            "on",
            "Whether snapshots are compressed: smaller files for more CPU.",
            candidates=("on", "off"),
        ),
        _make(
            "rdbchecksum",
            Kind.BOOLEAN,
            "on",
            "Whether snapshots end with a checksum; it costs about a tenth of writing one.",
            apply=Apply.RESTART,
            relaxed=("off",),
            durability="a damaged snapshot is not noticed when it is loaded",
        ),
        _make(
            MIN_REPLICAS,
            Kind.INTEGER,
            "0",
            "A master with fewer replicas in sync refuses writes, so that a failover loses less.",
            minimum=0,
            maximum=2,
            limits_from="stack.toml: replicas",
        ),
    ]


def _cluster() -> list[Parameter]:
    return [
        _make(
            NODE_TIMEOUT,
            Kind.DURATION,
            "1s",
            "How long a node may be silent before the others hold it for dead.",
            minimum=100,
            maximum=60000,
            step=1,
            limits_from="stack.toml: node_timeout_ms",
        ),
        _make(
            "repl-backlog-size",
            Kind.BYTES,
            "1MB",
            "How much of the stream is kept for a replica that was away, to spare a full copy.",
            minimum=16 * KB,
            maximum=16 * GB,
            candidates=("1MB", "16MB", "64MB"),
        ),
        _make(
            "repl-diskless-sync-delay",
            Kind.DURATION,
            "0",
            "How long a master waits for more replicas before it sends a full copy.",
            minimum=0,
            maximum=60000,
            step=1000,
        ),
    ]


def _threads() -> list[Parameter]:
    return [
        _make(
            "io-threads",
            Kind.INTEGER,
            "1",
            "How many threads write to clients; TLS connections stay with the main one.",
            apply=Apply.RESTART,
            minimum=1,
            maximum=128,
            candidates=("1", "2", "4"),
        ),
        _make(
            "io-threads-do-reads",
            Kind.BOOLEAN,
            "off",
            "Whether the threads read and parse requests as well.",
            apply=Apply.RESTART,
            candidates=("off", "on"),
        ),
        _make(
            "hz",
            Kind.INTEGER,
            "10",
            "How often a second the background work runs: expiry, time-outs, the cluster.",
            minimum=1,
            maximum=500,
            candidates=("10", "50", "100"),
        ),
        _make(
            "dynamic-hz",
            Kind.BOOLEAN,
            "on",
            "Whether hz rises by itself with the number of clients.",
            candidates=("on", "off"),
        ),
        *(
            _make(
                f"lazyfree-lazy-{when}",
                Kind.BOOLEAN,
                "off",
                f"Whether memory is freed by a thread of its own {what}.",
                candidates=("off", "on"),
            )
            for when, what in (
                ("eviction", "when maxmemory drops a key"),
                ("expire", "when a key expires"),
                ("server-del", "when a command replaces a key"),
                ("user-del", "on DEL, as UNLINK does"),
                ("user-flush", "on FLUSHALL and FLUSHDB"),
            )
        ),
    ]


def _connections() -> list[Parameter]:
    return [
        _make(
            "tcp-backlog",
            Kind.INTEGER,
            "511",
            "How many connections may wait to be accepted; the kernel's somaxconn caps it.",
            apply=Apply.RESTART,
            minimum=1,
            maximum=65535,
            candidates=("511", "4096"),
        ),
        _make(
            "tcp-keepalive",
            Kind.DURATION,
            "5min",
            "After how long a silent client is asked whether it is still there.",
            minimum=0,
            maximum=86400e3,
            step=1000,
            special={"0": "never"},
        ),
        _make(
            "timeout",
            Kind.DURATION,
            "0",
            "After how long an idle client is disconnected.",
            minimum=0,
            maximum=86400e3,
            step=1000,
            special={"0": "never"},
        ),
        _make(
            "maxclients",
            Kind.INTEGER,
            "10000",
            "How many clients a node takes; its limit of open files caps it.",
            minimum=100,
            maximum=1000000,
        ),
    ]


def _since_7() -> list[Parameter]:
    return [
        _make(
            "latency-tracking",
            Kind.BOOLEAN,
            "on",
            "Whether a histogram of latencies is kept for every command.",
            candidates=("on", "off"),
        )
    ]


def parameters(version: str) -> tuple[Parameter, ...]:
    """All that this version has, in the order of the editor."""
    newer = _since_7() if int(version.partition(".")[0]) >= 7 else []
    return (*_memory(), *_durability(), *_cluster(), *_threads(), *_connections(), *newer)


def in_stack(parameter: Parameter, options: Mapping[str, int | str | bool]) -> Parameter:
    """The parameter with what a stack of these `options` makes of its default and its range."""
    if parameter.name == NODE_TIMEOUT:
        default = units.show(Kind.DURATION, float(options["node_timeout_ms"]))
        return msgspec.structs.replace(parameter, default=default)
    if parameter.name == MIN_REPLICAS:
        return msgspec.structs.replace(parameter, maximum=int(options["replicas"]))
    return parameter
