"""MongoDB's rules: what cannot work, what memory it uses, and what the machine and mongod's own
counters call for."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share
from devstack_tui.core import units
from devstack_tui.core.units import size
from devstack_tui.state.parameter_advice import GB, MB, Facts, Rules

LEAST_CACHE = 256 * MB
ENOUGH_REQUESTS = 10000
"""Fewer page requests than these say nothing about the cache."""
ENOUGH_JOURNAL = 10 * MB
_CACHE, _JOURNAL = "wiredTigerCacheSizeGB", "wiredTigerJournalCompressor"
_COMMIT, _NETWORK = "journalCommitInterval", "networkMessageCompressors"
_ITSELF = 128 * MB  # resident with an empty cache: measured 123 MB with 6.0
_CONNECTIONS = 100


# -- what cannot work ------------------------------------------------------------------------


def _cache_problems(facts: Facts) -> Iterator[Problem]:
    cache = facts[_CACHE]
    if cache < LEAST_CACHE:
        yield facts.fatal(_CACHE, f"mongod does not start below {size(LEAST_CACHE)}")
    elif cache > facts.machine.memory_bytes:
        yield facts.fatal(_CACHE, f"{size(cache)} is more than the {facts.memory}")
    target, trigger = facts.get("eviction_dirty_target", 5), facts.get("eviction_dirty_trigger", 20)
    if target >= trigger:
        yield facts.fatal(
            "eviction_dirty_target",
            f"WiredTiger wants it below eviction_dirty_trigger, which is {trigger:.0f}",
        )


def _journal_problems(facts: Facts) -> Iterator[Problem]:
    if (compressor := facts.text(_JOURNAL)) in ("zlib", "zstd"):
        yield facts.warning(
            _JOURNAL,
            f"{compressor} costs CPU for every write: with zstd bulk inserts were 14 to 25 % "
            "slower",
        )
    if facts["syncdelay"] == 0:
        yield facts.warning(
            "syncdelay",
            "without checkpoints the journal grows without end, and a start replays all of it",
        )


def _server_problems(facts: Facts) -> Iterator[Problem]:
    if facts.text("ttlMonitorEnabled") == "off":
        yield facts.warning("ttlMonitorEnabled", "documents that expire stay for ever")
    known, given = ("snappy", "zlib", "zstd"), facts.text(_NETWORK) or "disabled"
    wrong = [word for word in given.split(",") if word not in known]
    if given != "disabled" and wrong:
        message = f"{wrong[0]!r} is none of {', '.join(known)}, or `disabled` alone"
        yield facts.fatal(_NETWORK, message)


# -- memory ----------------------------------------------------------------------------------


def _memory(facts: Facts) -> Iterator[Share]:
    sort = facts.get("internalQueryMaxBlockingSortMemoryUsageBytes", 100 * MB)
    yield from facts.share("WiredTiger's cache", facts[_CACHE])
    yield from facts.share("mongod itself", _ITSELF)
    label = f"{_CONNECTIONS} connections of 1 MB"
    yield from facts.share(label, _CONNECTIONS * MB, worst_only=True)
    yield from facts.share("one sort in memory", sort, worst_only=True)


# -- advice ----------------------------------------------------------------------------------


def _cache_advice(facts: Facts) -> Iterator[Advice]:
    cache, memory = facts[_CACHE], facts.machine.memory_bytes
    used = facts.count("cache_used_bytes")
    requested, read = facts.count("pages_requested"), facts.count("pages_read")
    if used > 0.75 * cache and requested > ENOUGH_REQUESTS and read > 0.01 * requested:
        if (wanted := min(2 * cache, memory // 2 // GB * GB)) > cache:
            yield facts.suggest(
                _CACHE,
                units.show(Kind.BYTES, wanted),
                f"the cache is {used / cache:.0%} full and {read / requested:.1%} of "
                f"{requested:,.0f} page requests went to the disk",
            )
        return
    fitting = max(GB, -(-int(2 * used) // GB) * GB)
    if cache > memory // 4 and fitting < cache:
        yield facts.suggest(
            _CACHE,
            units.show(Kind.BYTES, fitting),
            f"{size(used)} of {size(cache)} are in use, and the other servers share the "
            f"{facts.memory}",
        )


def _eviction_advice(facts: Facts) -> Iterator[Advice]:
    evicted, by_clients = facts.count("pages_evicted"), facts.count("pages_evicted_by_clients")
    threads = facts.get("eviction_threads_max", 4)
    if by_clients > 0.05 * evicted and evicted > ENOUGH_REQUESTS and facts.machine.cores > threads:
        reason = f"clients had to make room for {by_clients / evicted:.0%} of {evicted:,.0f} pages"
        yield facts.suggest("eviction_threads_max", str(int(min(20, 2 * threads))), reason)


def _journal_advice(facts: Facts) -> Iterator[Advice]:
    written, payload = facts.count("journal_bytes"), facts.count("journal_payload_bytes")
    compressor = facts.text(_JOURNAL) or "snappy"
    if compressor != "none" and payload > ENOUGH_JOURNAL:
        yield facts.suggest(
            _JOURNAL,
            "none",
            f"{compressor} saves {max(0.0, 1 - written / payload):.0%} of {size(payload)} of "
            "journal and takes CPU for every write; it costs no durability",
        )
    if not facts.durable and facts.text(_COMMIT) == "100ms":
        yield facts.suggest(
            _COMMIT,
            "500ms",
            f"the journal was synced {facts.count('journal_syncs'):,.0f} times: a longer interval "
            "syncs up to five times less; with an uncompressed journal inserts gained 28 to 33 %",
        )


RULES = Rules(
    "mongodb",
    (_cache_problems, _journal_problems, _server_problems),
    _memory,
    (_cache_advice, _eviction_advice, _journal_advice),
)
