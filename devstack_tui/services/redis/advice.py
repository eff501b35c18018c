"""Redis' rules: what cannot work, what memory it uses, and what its own counters call for."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share
from devstack_tui.core import units
from devstack_tui.core.units import size
from devstack_tui.services.redis.config_syntax import NO_SNAPSHOTS, wrong_save
from devstack_tui.state.parameter_advice import MB, Facts, Rules

LEAST_MEMORY = 16 * MB
"""An empty node of a cluster uses 2 to 3 MB before its first client."""
ITSELF = 10 * MB
"""What an idle node has resident: measured 9 MB with 7.0 and TLS."""
SMALL_MEMORY = 64 * MB
HASTY_MS = 200
SLOW_MS = 2000
AWAY_S = 10
"""How long a replica may be away and still go on from the backlog."""
LATE_FORK_US = 20000
ENOUGH_LOOKS = 10000
NODE_TIMEOUT = "cluster-node-timeout"
MIN_REPLICAS = "min-replicas-to-write"
_POLICY, _BACKLOG, _EVICTION = "maxmemory-policy", "repl-backlog-size", "lazyfree-lazy-eviction"


# -- what cannot work ------------------------------------------------------------------------


def _saving_problems(facts: Facts) -> Iterator[Problem]:
    save = facts.values.get("save", NO_SNAPSHOTS)
    if wrong := wrong_save(save):
        yield facts.fatal("save", wrong)
    if facts.text("appendonly") == "off" and save == NO_SNAPSHOTS:
        message = "with appendonly off too, a restart of all nodes loses everything"
        yield facts.warning("save", message)


def _memory_problems(facts: Facts) -> Iterator[Problem]:
    limit, used = facts.get("maxmemory", 0), facts.count("used_memory")
    if limit == 0:
        return
    if limit < LEAST_MEMORY:
        yield facts.fatal(
            "maxmemory",
            f"below {size(LEAST_MEMORY)} a node, which uses memory for itself too, refuses every "
            "write (the limit is devstack-tui's: Redis answers OK)",
        )
    elif limit < used:
        yield facts.fatal(
            "maxmemory",
            f"{size(limit)} is less than the {size(used)} that a node uses now (INFO used_memory): "
            "it would drop keys or refuse every write",
        )
    elif limit < SMALL_MEMORY and facts.text(_POLICY) == "noeviction":
        message = f"with noeviction all writes fail once a node holds {size(limit)}"
        yield facts.warning("maxmemory", message)
    if (total := facts.count("nodes", 1) * limit) > facts.machine.memory_bytes:
        message = f"{size(total)} on all nodes is more than the {facts.memory}"
        yield facts.fatal("maxmemory", message)


def _cluster_problems(facts: Facts) -> Iterator[Problem]:
    if facts["io-threads"] > facts.machine.cores:
        yield facts.warning(
            "io-threads",
            f"more threads than the {facts.machine.cores:g} cores of {facts.machine.memory_from} "
            "slow it down",
        )
    wanted, there = facts[MIN_REPLICAS], facts.counters.get("replicas")
    if there is not None and wanted >= max(1, there):
        always = wanted > there
        when = "always" if always else "as long as one of its replicas is away"
        yield (facts.fatal if always else facts.warning)(
            MIN_REPLICAS, f"a master has {there:.0f} in this stack: it would refuse writes {when}"
        )
    if facts[NODE_TIMEOUT] < HASTY_MS:
        yield facts.warning(
            NODE_TIMEOUT,
            f"below {HASTY_MS} ms a node that is merely busy is held for dead: false failovers",
        )


# -- memory ----------------------------------------------------------------------------------


def _memory(facts: Facts) -> Iterator[Share]:
    nodes = int(facts.options["masters"]) * (1 + int(facts.options["replicas"]))
    limit = facts.get("maxmemory", 0)
    yield from facts.share(f"{nodes} nodes themselves", nodes * ITSELF)
    yield from facts.share(f"maxmemory of {nodes} nodes", nodes * limit)
    if not limit:
        label = f"{nodes} nodes without maxmemory: no limit, this is what they need to start"
        yield from facts.share(label, nodes * LEAST_MEMORY, worst_only=True)
    elif facts.text("save") != NO_SNAPSHOTS or facts.text("appendonly") == "on":
        # One fork at a time is what its own schedule gives; all at once is the worst.
        label = f"copies of changed pages while {nodes} nodes save"
        yield from facts.share(label, nodes * limit, worst_only=True)
    label = f"replication backlog of {nodes} nodes"
    yield from facts.share(label, nodes * facts.get(_BACKLOG, MB), worst_only=True)


# -- advice ----------------------------------------------------------------------------------


def _largest(facts: Facts) -> int:
    """A power of two, so that all nodes together, copies of pages included, use half of the
    memory at most."""
    nodes = max(1, int(facts.count("nodes", 1)))
    return 1 << max(0, (facts.machine.memory_bytes // 4 // nodes).bit_length() - 1)


def _limit_advice(facts: Facts) -> Iterator[Advice]:
    peak, largest = facts.count("used_memory_peak"), _largest(facts)
    if facts.get("maxmemory", 0) or largest < max(LEAST_MEMORY, peak):
        return
    fitting = min(largest, max(512 * MB, 1 << int(2 * peak).bit_length()))
    yield facts.suggest(
        "maxmemory",
        units.show(Kind.BYTES, fitting),
        f"{facts.count('nodes', 1):.0f} nodes without a limit share "
        f"{size(facts.machine.memory_bytes)}; the largest one had {size(peak)} at its peak",
    )
    if not facts.durable and facts.text(_POLICY) == "noeviction":
        reason = f"at {size(fitting)} noeviction refuses writes, a cache drops what is least used"
        yield facts.suggest(_POLICY, "allkeys-lru", reason)


def _eviction_advice(facts: Facts) -> Iterator[Advice]:
    limit, evicted = facts.get("maxmemory", 0), facts.count("evicted_keys")
    misses = facts.count("keyspace_misses")
    looks = facts.count("keyspace_hits") + misses
    if limit and evicted and 2 * limit <= _largest(facts) and looks > ENOUGH_LOOKS:
        yield facts.suggest(
            "maxmemory",
            units.show(Kind.BYTES, 2 * limit),
            f"{evicted:,.0f} keys were dropped and {misses / looks:.0%} of {looks:,.0f} reads "
            "missed",
        )
    if evicted and facts.text(_EVICTION) == "off":
        reason = f"{evicted:,.0f} keys were dropped, each freed while clients waited"
        yield facts.suggest(_EVICTION, "on", reason)


def _saving_advice(facts: Facts) -> Iterator[Advice]:
    save, fork_ms = facts.text("save"), facts.count("latest_fork_usec") / 1000
    if facts.durable and facts.text("appendonly") == "off":
        yield facts.suggest(
            "appendonly",
            "on",
            "a crash loses all writes since the last snapshot; synced every second it is 2 s "
            "at most",
        )
    if not facts.durable and save not in ("", NO_SNAPSHOTS):
        yield facts.suggest(
            "save",
            NO_SNAPSHOTS,
            f"{facts.count('rdb_saves'):,.0f} snapshots were written; the last fork stopped a node "
            f"for {fork_ms:.1f} ms and copied {size(facts.count('rdb_last_cow_size'))}. "
            "Development only: a restart of all nodes then loses everything",
        )
    elif fork_ms > LATE_FORK_US / 1000 and save.count(" ") > 1:
        reason = f"a fork stops a node for {fork_ms:.0f} ms: fewer snapshots, fewer stops"
        yield facts.suggest("save", "3600 1", reason)


def _cluster_advice(facts: Facts) -> Iterator[Advice]:
    if (timeout := facts[NODE_TIMEOUT]) > SLOW_MS:
        yield facts.suggest(
            NODE_TIMEOUT,
            "1s",
            f"with {timeout:g} ms a dead master's slots are unwritable for longer than that: "
            "7.6 to 8.9 s were measured with 5000 ms, 2.1 to 2.6 s with 1000 ms",
        )
    rate, backlog = facts.count("stream_bytes_per_s"), facts.get(_BACKLOG, MB)
    if rate * AWAY_S > backlog:
        yield facts.suggest(
            _BACKLOG,
            units.show(Kind.BYTES, 1 << int(rate * AWAY_S).bit_length()),
            f"a master writes {size(rate)}/s: the backlog covers {backlog / rate:.1f} s, and a "
            "replica that is away for longer needs a full copy",
        )


RULES = Rules(
    "redis",
    (_saving_problems, _memory_problems, _cluster_problems),
    _memory,
    (_limit_advice, _eviction_advice, _saving_advice, _cluster_advice),
)
