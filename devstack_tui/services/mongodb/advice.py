"""What a machine and mongod's own counters call for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devstack_tui.contracts.tunable import Advice, Kind, Values
from devstack_tui.core import units
from devstack_tui.core.machine import Machine

MB, GB = 1 << 20, 1 << 30

ENOUGH_REQUESTS = 10000
"""Fewer page requests than these say nothing about the cache."""
ENOUGH_JOURNAL = 10 * MB


def advise(
    values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
) -> Iterator[Advice]:
    """See `devstack_tui.contracts.tunable.Tunables.advise`."""
    yield from _cache(values, machine, counters)
    yield from _eviction(values, machine, counters)
    yield from _journal(values, counters)
    if not durable and values.get("journalCommitInterval") == "100ms":
        syncs = counters.get("journal_syncs", 0)
        yield Advice(
            "mongodb",
            "journalCommitInterval",
            "500ms",
            f"the journal was synced {syncs:,.0f} times: a longer interval syncs up to five times "
            "less; with an uncompressed journal inserts gained 28 to 33 %",
        )


def _cache(values: Values, machine: Machine, counters: Mapping[str, float]) -> Iterator[Advice]:
    cache = int(units.parse(Kind.BYTES, values["wiredTigerCacheSizeGB"]))
    used = counters.get("cache_used_bytes", 0)
    requested, read = counters.get("pages_requested", 0), counters.get("pages_read", 0)
    largest = machine.memory_bytes // 2 // GB * GB
    name = "wiredTigerCacheSizeGB"
    if used > 0.75 * cache and requested > ENOUGH_REQUESTS and read > 0.01 * requested:
        wanted = min(2 * cache, largest)
        if wanted > cache:
            yield Advice(
                "mongodb",
                name,
                units.show(Kind.BYTES, wanted),
                f"the cache is {used / cache:.0%} full and {read / requested:.1%} of "
                f"{requested:,.0f} page requests went to the disk",
            )
        return
    fitting = max(GB, -(-int(2 * used) // GB) * GB)
    if cache > machine.memory_bytes // 4 and fitting < cache:
        yield Advice(
            "mongodb",
            name,
            units.show(Kind.BYTES, fitting),
            f"{used / MB:,.0f} MB of {cache / MB:,.0f} MB are in use, and the other servers share "
            f"the {machine.memory_bytes / MB:,.0f} MB of {machine.memory_from}",
        )


def _eviction(values: Values, machine: Machine, counters: Mapping[str, float]) -> Iterator[Advice]:
    evicted, by_clients = (
        counters.get(name, 0) for name in ("pages_evicted", "pages_evicted_by_clients")
    )
    threads = int(values.get("eviction_threads_max", "4"))
    if by_clients > 0.05 * evicted and evicted > ENOUGH_REQUESTS and machine.cores > threads:
        yield Advice(
            "mongodb",
            "eviction_threads_max",
            str(min(20, 2 * threads)),
            f"clients had to make room for {by_clients / evicted:.0%} of {evicted:,.0f} pages",
        )


def _journal(values: Values, counters: Mapping[str, float]) -> Iterator[Advice]:
    written = counters.get("journal_bytes", 0)
    payload = counters.get("journal_payload_bytes", 0)
    compressor = values.get("wiredTigerJournalCompressor", "snappy")
    if compressor != "none" and payload > ENOUGH_JOURNAL:
        saved = 1 - written / payload
        yield Advice(
            "mongodb",
            "wiredTigerJournalCompressor",
            "none",
            f"{compressor} saves {max(0.0, saved):.0%} of {payload / MB:,.0f} MB of journal and "
            "takes CPU for every write; it costs no durability",
        )
