"""What to think of values for Redis: what cannot work, what it takes, what would be better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share, Values
from devstack_tui.core import units
from devstack_tui.core.machine import Machine
from devstack_tui.services.redis.config_syntax import NO_SNAPSHOTS, wrong_save

MB, GB = 1 << 20, 1 << 30
LEAST_MEMORY = 16 * MB
"""An empty node of a cluster uses 2 to 3 MB before its first client."""
NODE_TIMEOUT = "cluster-node-timeout"
MIN_REPLICAS = "min-replicas-to-write"
ITSELF = 10 * MB
"""What an idle node has resident: measured 9 MB with 7.0 and TLS."""
SMALL_MEMORY = 64 * MB
HASTY_MS = 200
SLOW_MS = 2000
AWAY_S = 10
"""How long a replica may be away and still go on from the backlog."""
LATE_FORK_US = 20000
ENOUGH_LOOKS = 10000


def _bytes(values: Values, name: str, default: str) -> int:
    return int(units.parse(Kind.BYTES, values.get(name, default)))


def _timeout_ms(values: Values) -> float:
    return float(units.parse(Kind.DURATION, values.get(NODE_TIMEOUT, "1s")))


def _mb(size: float) -> str:
    return f"{size / MB:,.1f} MB" if size < 10 * MB else f"{size / MB:,.0f} MB"


def _forks(values: Values) -> bool:
    return values.get("save") != NO_SNAPSHOTS or values.get("appendonly") == "on"


def problems(values: Values, machine: Machine, counters: Mapping[str, float]) -> Iterator[Problem]:
    """See `devstack_tui.contracts.tunable.Tunables.problems`."""
    if wrong := wrong_save(values.get("save", NO_SNAPSHOTS)):
        yield Problem("redis", "save", wrong)
    yield from _of_memory(values, machine, counters)
    if int(values.get("io-threads", "1")) > machine.cores:
        yield Problem(
            "redis",
            "io-threads",
            f"more threads than the {machine.cores:g} cores of {machine.memory_from} slow it down",
            fatal=False,
        )
    if values.get("appendonly") == "off" and values.get("save") == NO_SNAPSHOTS:
        yield Problem(
            "redis",
            "save",
            "with appendonly off too, a restart of all nodes loses everything",
            fatal=False,
        )
    wanted, there = int(values.get(MIN_REPLICAS, "0")), counters.get("replicas")
    if there is not None and wanted >= max(1, there):
        always = wanted > there
        when = "always" if always else "as long as one of its replicas is away"
        yield Problem(
            "redis",
            MIN_REPLICAS,
            f"a master has {there:.0f} in this stack: it would refuse writes {when}",
            fatal=always,
        )
    if _timeout_ms(values) < HASTY_MS:
        yield Problem(
            "redis",
            NODE_TIMEOUT,
            f"below {HASTY_MS} ms a node that is merely busy is held for dead: false failovers",
            fatal=False,
        )


def _of_memory(
    values: Values, machine: Machine, counters: Mapping[str, float]
) -> Iterator[Problem]:
    limit = _bytes(values, "maxmemory", "0")
    if limit == 0:
        return
    used = counters.get("used_memory", 0)
    total = int(counters.get("nodes", 1)) * limit
    if limit < LEAST_MEMORY:
        yield Problem(
            "redis",
            "maxmemory",
            f"below {_mb(LEAST_MEMORY)} a node, which uses memory for itself too, refuses every "
            "write (the limit is devstack-tui's: Redis answers OK)",
        )
    elif limit < used:
        yield Problem(
            "redis",
            "maxmemory",
            f"{_mb(limit)} is less than the {_mb(used)} that a node uses now (INFO used_memory): "
            "it would drop keys or refuse every write",
        )
    elif limit < SMALL_MEMORY and values.get("maxmemory-policy") == "noeviction":
        yield Problem(
            "redis",
            "maxmemory",
            f"with noeviction all writes fail once a node holds {_mb(limit)}",
            fatal=False,
        )
    if total > machine.memory_bytes:
        yield Problem(
            "redis",
            "maxmemory",
            f"{_mb(total)} on all nodes is more than the {_mb(machine.memory_bytes)} of "
            f"{machine.memory_from}",
        )


def memory(values: Values, nodes: int) -> Iterator[Share]:
    """See `devstack_tui.contracts.tunable.Tunables.memory`."""
    limit = _bytes(values, "maxmemory", "0")
    backlog = _bytes(values, "repl-backlog-size", "1MB")
    yield Share("redis", f"{nodes} nodes themselves", nodes * ITSELF)
    if limit:
        yield Share("redis", f"maxmemory of {nodes} nodes", nodes * limit)
        if _forks(values):
            # One fork at a time is what its own schedule gives; all at once is the worst.
            label = f"copies of changed pages while {nodes} nodes save"
            yield Share("redis", label, nodes * limit, worst_only=True)
    else:
        label = f"{nodes} nodes without maxmemory: no limit, this is what they need to start"
        yield Share("redis", label, nodes * LEAST_MEMORY, worst_only=True)
    yield Share("redis", f"replication backlog of {nodes} nodes", nodes * backlog, worst_only=True)


def advise(
    values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
) -> Iterator[Advice]:
    """See `devstack_tui.contracts.tunable.Tunables.advise`."""
    yield from _advise_memory(values, machine, counters, durable)
    yield from _advise_saving(values, counters, durable)
    timeout = _timeout_ms(values)
    if timeout > SLOW_MS:
        yield Advice(
            "redis",
            NODE_TIMEOUT,
            "1s",
            f"with {timeout:g} ms a dead master's slots are unwritable for longer than that: "
            "7.6 to 8.9 s were measured with 5000 ms, 2.1 to 2.6 s with 1000 ms",
        )
    rate = counters.get("stream_bytes_per_s", 0)
    backlog = _bytes(values, "repl-backlog-size", "1MB")
    if rate * AWAY_S > backlog:
        wanted = 1 << int(rate * AWAY_S).bit_length()
        yield Advice(
            "redis",
            "repl-backlog-size",
            units.show(Kind.BYTES, wanted),
            f"a master writes {_mb(rate)}/s: the backlog covers {backlog / rate:.1f} s, and a "
            f"replica that is away for longer needs a full copy",
        )


def _advise_memory(
    values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
) -> Iterator[Advice]:
    limit = _bytes(values, "maxmemory", "0")
    nodes = max(1, int(counters.get("nodes", 1)))
    peak, evicted = counters.get("used_memory_peak", 0), counters.get("evicted_keys", 0)
    # A power of two, so that all nodes together, copies of pages included, take half at most.
    largest = 1 << max(0, (machine.memory_bytes // 4 // nodes).bit_length() - 1)
    if limit == 0 and largest >= max(LEAST_MEMORY, peak):
        fitting = min(largest, max(512 * MB, 1 << int(2 * peak).bit_length()))
        yield Advice(
            "redis",
            "maxmemory",
            units.show(Kind.BYTES, fitting),
            f"{nodes} nodes without a limit share {_mb(machine.memory_bytes)}; the largest one "
            f"had {_mb(peak)} at its peak",
        )
        if not durable and values.get("maxmemory-policy") == "noeviction":
            yield Advice(
                "redis",
                "maxmemory-policy",
                "allkeys-lru",
                f"at {_mb(fitting)} noeviction refuses writes, a cache drops what is least used",
            )
    hits, misses = counters.get("keyspace_hits", 0), counters.get("keyspace_misses", 0)
    looks = hits + misses
    if limit and evicted and 2 * limit <= largest and looks > ENOUGH_LOOKS:
        yield Advice(
            "redis",
            "maxmemory",
            units.show(Kind.BYTES, 2 * limit),
            f"{evicted:,.0f} keys were dropped and {misses / looks:.0%} of {looks:,.0f} reads "
            "missed",
        )
    if evicted and values.get("lazyfree-lazy-eviction") == "off":
        yield Advice(
            "redis",
            "lazyfree-lazy-eviction",
            "on",
            f"{evicted:,.0f} keys were dropped, each freed while clients waited",
        )


def _advise_saving(
    values: Values, counters: Mapping[str, float], durable: bool
) -> Iterator[Advice]:
    saves = counters.get("rdb_saves", 0)
    fork_us = counters.get("latest_fork_usec", 0)
    if durable and values.get("appendonly") == "off":
        yield Advice(
            "redis",
            "appendonly",
            "on",
            "a crash loses all writes since the last snapshot; synced every second it is 2 s "
            "at most",
        )
    if not durable and values.get("save") not in (None, NO_SNAPSHOTS):
        cow = counters.get("rdb_last_cow_size", 0)
        yield Advice(
            "redis",
            "save",
            NO_SNAPSHOTS,
            f"{saves:,.0f} snapshots were written; the last fork stopped a node for "
            f"{fork_us / 1000:.1f} ms and copied {_mb(cow)}. Development only: a restart of all "
            "nodes then loses everything",
        )
    elif fork_us > LATE_FORK_US and values.get("save", "").count(" ") > 1:
        yield Advice(
            "redis",
            "save",
            "3600 1",
            f"a fork stops a node for {fork_us / 1000:.0f} ms: fewer snapshots, fewer stops",
        )
