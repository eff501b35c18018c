"""What values of PostgreSQL's parameters mean together: what cannot work, what memory they take,
and what the machine and the server's own counters call for."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share, Values
from devstack_tui.core import units
from devstack_tui.core.machine import Machine
from devstack_tui.state.parameter_catalogue import kinds

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
SEGMENT = 16 * MB
HUGE_PAGE = 2 * MB
RESERVED = 3
WORKERS = 8
"""max_worker_processes, which is not among the parameters, as the server comes."""
MAX_BACKENDS = 262143
"""All processes together, from PostgreSQL's source."""
STACK_NEEDS = 20
"""Connections: the reference API's pool (10), a benchmark's clients (10 as delivered). Probes and
the tuning come in by the ones that are reserved for superusers."""
CACHE_SHARE = 0.12
"""Of the machine's memory for one database's cache: it also runs all the rest of the stack."""
ENOUGH_BLOCKS = 10_000
"""Below this a hit rate says nothing."""
GOOD_HIT_RATE = 0.99


def number(values: Values, name: str) -> float | None:
    """The value in bytes, milliseconds or as it is; None if there is none that can be read."""
    try:
        return float(units.parse(kinds("postgres")[name], values[name]))
    except (KeyError, ValueError):
        return None


def size(bytes_: float) -> str:
    """Bytes for a sentence."""
    if bytes_ >= GB:
        return f"{bytes_ / GB:.3g} GB"
    return f"{bytes_ / MB:.3g} MB" if bytes_ >= MB else f"{bytes_ / KB:.3g} kB"


def default_wal_buffers(shared_buffers: int, segment: int = SEGMENT) -> int:
    """What the server takes by itself, bytes: 1/32 of shared_buffers, 64 kB to one segment."""
    return max(64 * KB, min(shared_buffers // 32 // (8 * KB) * 8 * KB, segment))


# -- what cannot work ------------------------------------------------------------------------


def problems(
    values: Values, machine: Machine, counters: Mapping[str, float]
) -> tuple[Problem, ...]:
    """See `Tunables.problems`."""
    found = (
        *_memory_problems(values, machine),
        *_connection_problems(values, counters),
        *_log_problems(values, counters),
        *_durability_problems(values),
    )
    return tuple(Problem("postgres", name, text, fatal) for name, text, fatal in found)


Found = list[tuple[str, str, bool]]


def _memory_problems(values: Values, machine: Machine) -> Found:
    found: Found = []
    has = f"{size(machine.memory_bytes)} of {machine.memory_from}"
    shared = number(values, "shared_buffers")
    if shared and shared > machine.memory_bytes:
        found.append(
            ("shared_buffers", f"{size(shared)} is more than the {has}: it would not start", True)
        )
    elif shared and shared > machine.memory_bytes / 2:
        found.append(("shared_buffers", f"{size(shared)} is more than half of the {has}", False))
    planned = number(values, "effective_cache_size")
    if planned and planned > machine.memory_bytes:
        text = (
            f"{size(planned)} is more than the {has}: plans will count on pages that are not there"
        )
        found.append(("effective_cache_size", text, False))
    if values.get("huge_pages") == "on" and shared:
        pages = -(-int(shared) // HUGE_PAGE)
        text = (
            f"it starts only if the kernel keeps at least {pages} free huge pages of 2 MB for "
            f"shared_buffers ({size(shared)}): see vm.nr_hugepages"
        )
        found.append(("huge_pages", text, False))
    return found


def _connection_problems(values: Values, counters: Mapping[str, float]) -> Found:
    limit = number(values, "max_connections")
    if limit is None:
        return []
    reserved = counters.get("superuser_reserved_connections", RESERVED)
    reserved += counters.get("reserved_connections", 0)
    if limit <= reserved:
        text = (
            f"{limit:.0f} must be more than superuser_reserved_connections ({reserved:.0f}): "
            "it would not start"
        )
        return [("max_connections", text, True)]
    others = (number(values, name) or 0 for name in ("autovacuum_max_workers", "max_wal_senders"))
    if limit + sum(others) + WORKERS >= MAX_BACKENDS:
        text = (
            f"{limit:.0f} and the server's own processes are more than {MAX_BACKENDS}: "
            "it would not start"
        )
        return [("max_connections", text, True)]
    if limit < STACK_NEEDS:
        text = (
            f"{limit:.0f} is less than the {STACK_NEEDS} that the stack itself needs: the "
            "reference API's pool of 10 and the 10 clients of a benchmark"
        )
        return [("max_connections", text, True)]
    return []


def _log_problems(values: Values, counters: Mapping[str, float]) -> Found:
    found: Found = []
    senders = number(values, "max_wal_senders")
    if values.get("wal_level") == "minimal" and senders:
        text = (
            f"minimal excludes max_wal_senders = {senders:.0f}, which must be 0: it would not start"
        )
        found.append(("wal_level", text, True))
    least = 2 * counters.get("wal_segment_size", SEGMENT)
    for name in ("max_wal_size", "min_wal_size"):
        value = number(values, name)
        if value is not None and value < least:
            text = (
                f"{size(value)} is less than two WAL segments ({size(least)}): it would not start"
            )
            found.append((name, text, True))
    low, high = number(values, "min_wal_size"), number(values, "max_wal_size")
    if low and high and low > high:
        text = f"{size(low)} is more than max_wal_size ({size(high)}), which then holds alone"
        found.append(("min_wal_size", text, False))
    return found


def _durability_problems(values: Values) -> Found:
    found: Found = []
    waits = values.get("synchronous_commit") not in (None, "off")
    unsafe = values.get("fsync") == "off"
    if unsafe and waits:
        text = f"off: synchronous_commit = {values['synchronous_commit']} then promises nothing"
        found.append(("fsync", text, False))
    if number(values, "commit_delay") and (unsafe or not waits):
        why = "fsync is off" if unsafe else "synchronous_commit is off"
        found.append(
            ("commit_delay", f"it has no effect: {why}, no commit waits for a flush", False)
        )
    delay = number(values, "wal_writer_delay")
    if delay and delay > 200 and not waits:
        text = f"with synchronous_commit off a crash loses up to {3 * delay / 1000:g} s of commits"
        found.append(("wal_writer_delay", text, False))
    if values.get("autovacuum") == "off":
        found.append(("autovacuum", "off: dead rows stay, tables grow and plans get stale", False))
    return found


# -- memory ----------------------------------------------------------------------------------


def memory(values: Values) -> tuple[Share, ...]:
    """See `Tunables.memory`."""
    shares = [
        Share("postgres", name, int(taken))
        for name in ("shared_buffers", "wal_buffers")
        if (taken := number(values, name))
    ]
    sessions, each = number(values, "max_connections"), number(values, "work_mem")
    if sessions and each:
        label = f"work_mem of {sessions:.0f} sessions, one sort each"
        shares.append(Share("postgres", label, int(sessions * each), worst_only=True))
    upkeep = number(values, "maintenance_work_mem")
    workers = number(values, "autovacuum_max_workers") if values.get("autovacuum") != "off" else 1
    if upkeep and workers:
        label = f"maintenance_work_mem of {workers:.0f} vacuums"
        shares.append(Share("postgres", label, int(workers * upkeep), worst_only=True))
    return tuple(shares)


# -- advice ----------------------------------------------------------------------------------

Suggested = list[tuple[str, str, str]]


def advise(
    values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
) -> tuple[Advice, ...]:
    """See `Tunables.advise`."""
    found = [
        *_cache_advice(values, machine, counters),
        *_session_advice(values, machine, counters),
        *_log_advice(values, counters),
        *_disk_advice(values, machine),
    ]
    if not durable and values.get("synchronous_commit") not in (None, "off"):
        delay = number(values, "wal_writer_delay") or 200
        why = (
            "commits then do not wait for the disk, which is most of what a short transaction "
            f"takes; a crash loses the last {3 * delay / 1000:g} s of them at most"
        )
        found.append(("synchronous_commit", "off", why))
    return tuple(
        Advice("postgres", name, value, why)
        for name, value, why in found
        if name in values and values[name] != value
    )


def _floor(bytes_: float, unit: int, least: int) -> str:
    return units.show(Kind.BYTES, max(least, int(bytes_) // unit * unit))


def _cache_advice(values: Values, machine: Machine, counters: Mapping[str, float]) -> Suggested:
    found: Suggested = []
    has = f"{size(machine.memory_bytes)} of {machine.memory_from}"
    shared = number(values, "shared_buffers")
    data = counters.get("database_bytes", 0)
    wanted = min(machine.memory_bytes * CACHE_SHARE, max(GB, 2 * data))
    hit, read = counters.get("blocks_hit", 0), counters.get("blocks_read", 0)
    known = hit + read >= ENOUGH_BLOCKS
    rate = hit / (hit + read) if known else 0.0
    told = f"at most {CACHE_SHARE:.0%} of the {has}, which also runs the rest of the stack"
    if known:
        told += f"; {rate:.1%} of {hit + read:.0f} block reads were hits"
    if data:
        told += f"; the databases have {size(data)}"
    served = known and rate >= GOOD_HIT_RATE and (shared or 0) >= data
    too_small = shared and shared < wanted * 0.75 and not served
    if shared and (too_small or shared > machine.memory_bytes / 4):
        found.append(("shared_buffers", _floor(wanted, 64 * MB, 128 * MB), told))
    planned = number(values, "effective_cache_size")
    third = machine.memory_bytes / 3
    if planned and not third * 0.6 <= planned <= machine.memory_bytes * 0.6:
        told = f"a third of the {has}: what its caches and the system's may hold of this server"
        found.append(("effective_cache_size", _floor(third, 256 * MB, 512 * MB), told))
    upkeep = number(values, "maintenance_work_mem")
    share = min(machine.memory_bytes * 0.01, 512 * MB)
    if upkeep and upkeep < share * 0.75:
        told = f"1 % of the {has} for each VACUUM and CREATE INDEX"
        found.append(("maintenance_work_mem", _floor(share, 32 * MB, 64 * MB), told))
    return found


def _session_advice(values: Values, machine: Machine, counters: Mapping[str, float]) -> Suggested:
    found: Suggested = []
    spilled, files = counters.get("temp_bytes", 0), counters.get("temp_files", 0)
    each, sessions = number(values, "work_mem"), number(values, "max_connections")
    if files and each and sessions:
        # At worst an eighth of the machine, with one sort in every session.
        ceiling = machine.memory_bytes / 8 / sessions
        wanted = min(max(spilled / files * 2, each * 2), ceiling)
        if wanted >= each * 1.5:
            told = (
                f"{files:.0f} sorts or hashes spilled {size(spilled)} to disk with {size(each)}; "
                f"{sessions:.0f} sessions take {size(sessions * wanted)} at worst"
            )
            found.append(("work_mem", _floor(wanted, MB, 4 * MB), told))
    used = counters.get("connections", 0)
    if sessions and used > sessions * 0.8:
        told = f"{used:.0f} of {sessions:.0f} connections are in use"
        found.append(("max_connections", str(int(sessions * 2)), told))
    return found


def _log_advice(values: Values, counters: Mapping[str, float]) -> Suggested:
    found: Suggested = []
    forced, timed = counters.get("checkpoints_requested", 0), counters.get("checkpoints_timed", 0)
    written, seconds = counters.get("wal_bytes", 0), counters.get("wal_since_s", 0)
    room, every = number(values, "max_wal_size"), number(values, "checkpoint_timeout")
    if room and every and seconds and forced >= 3 and forced > timed:
        rate = written / seconds
        wanted = min(max(room * 2, rate * every / 1000 * 2), 16 * GB)
        told = (
            f"{forced:.0f} of {forced + timed:.0f} checkpoints did not wait for their time; "
            f"{size(written)} of WAL in {seconds / 60:.0f} min"
        )
        found.append(("max_wal_size", _floor(wanted, GB, GB), told))
    full = counters.get("wal_full_pages", 0) * counters.get("block_size", 8 * KB)
    if written > GB and full > written / 2:
        told = f"whole pages are up to {min(1.0, full / written):.0%} of {size(written)} of WAL"
        if counters.get("knows_lz4") and values.get("wal_compression") == "off":
            found.append(("wal_compression", "lz4", told))
        if every and every < 900_000:
            told += "; each checkpoint begins them anew, and recovery takes longer"
            found.append(("checkpoint_timeout", "15min", told))
    waits = counters.get("wal_buffers_full", 0)
    buffers = number(values, "wal_buffers")
    if waits >= 100 and buffers and buffers < 64 * MB:
        told = f"it was full {waits:.0f} times with {size(buffers)}"
        found.append(("wal_buffers", _floor(max(buffers * 2, 16 * MB), MB, MB), told))
    spread = number(values, "checkpoint_completion_target")
    if spread is not None and spread < 0.9:
        told = f"{spread:g} leaves the disk idle for {1 - spread:.0%} of the time, busier before"
        found.append(("checkpoint_completion_target", "0.9", told))
    return found


def _disk_advice(values: Values, machine: Machine) -> Suggested:
    if machine.rotational is None:
        return []
    found: Suggested = []
    cost = number(values, "random_page_cost")
    if not machine.rotational and cost and cost > 2:
        told = "the disk does not turn: a page out of order costs hardly more than one in order"
        found.append(("random_page_cost", "1.1", told))
    reads = number(values, "effective_io_concurrency")
    if not machine.rotational and reads is not None and reads < 16:
        told = "the disk does not turn: it serves many reads at once"
        found.append(("effective_io_concurrency", "200", told))
    if machine.rotational and cost and cost < 2:
        told = "the disk turns: a page out of order costs a movement of its heads"
        found.append(("random_page_cost", "4", told))
    return found
