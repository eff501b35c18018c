"""What values of MySQL's parameters mean together: what cannot work, what memory they take, and
what the machine and the server's own status call for."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.tunable import Advice, Kind, Problem, Share, Values
from devstack_tui.core import units
from devstack_tui.core.machine import Machine
from devstack_tui.state.parameter_catalogue import kinds

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
STACK_NEEDS = 20
"""Connections: the reference API's pool (8), a benchmark's clients, the probes and the tuning."""
CACHE_SHARE = 0.12
"""Of the machine's memory for one database's cache: it also runs all the rest of the stack."""
ENOUGH_READS = 10_000
"""Below this a hit rate says nothing."""
GOOD_HIT_RATE = 0.99
_POOL, _LOG = "innodb_buffer_pool_size", "innodb_log_file_size"
_REDO = "innodb_redo_log_capacity"


def number(values: Values, name: str) -> float | None:
    """The value in bytes, milliseconds or as it is; None if there is none that can be read."""
    try:
        return float(units.parse(kinds("mysql")[name], values[name]))
    except (KeyError, ValueError):
        return None


def size(bytes_: float) -> str:
    """Bytes for a sentence."""
    if bytes_ >= GB:
        return f"{bytes_ / GB:.3g} GB"
    return f"{bytes_ / MB:.3g} MB" if bytes_ >= MB else f"{bytes_ / KB:.3g} kB"


# -- what cannot work ------------------------------------------------------------------------

Found = list[tuple[str, str, bool]]


def problems(
    values: Values, machine: Machine, counters: Mapping[str, float]
) -> tuple[Problem, ...]:
    """See `Tunables.problems`."""
    found = (
        *_memory_problems(values, machine, counters),
        *_session_problems(values, counters),
        *_log_problems(values),
        *_durability_problems(values),
    )
    return tuple(Problem("mysql", name, text, fatal) for name, text, fatal in found)


def _memory_problems(values: Values, machine: Machine, counters: Mapping[str, float]) -> Found:
    pool, step = number(values, _POOL), counters.get("pool_step", 0)
    has = f"{size(machine.memory_bytes)} of {machine.memory_from}"
    if pool and pool > machine.memory_bytes:
        return [(_POOL, f"{size(pool)} is more than the {has}: it would not start", True)]
    if pool and pool > machine.memory_bytes / 2:
        return [(_POOL, f"{size(pool)} is more than half of the {has}", False)]
    if pool and step and pool % step:
        return [(_POOL, f"the server rounds it to a multiple of {size(step)}", False)]
    return []


def _session_problems(values: Values, counters: Mapping[str, float]) -> Found:
    found: Found = []
    limit = number(values, "max_connections")
    if limit is not None and limit < STACK_NEEDS:
        text = (
            f"{limit:.0f} is less than the {STACK_NEEDS} that the stack itself needs: the "
            "reference API's pool of 8, the clients of a benchmark, the probes and the tuning"
        )
        found.append(("max_connections", text, True))
    tables, files = number(values, "table_open_cache"), counters.get("open_files_limit", 0)
    # The server counts two files for a table, and one for a session.
    if limit and tables and files and limit + 2 * tables > files:
        text = (
            f"{tables:.0f} tables of two files and {limit:.0f} sessions are more than "
            f"open_files_limit ({files:.0f}): the server may keep fewer"
        )
        found.append(("table_open_cache", text, False))
    table, heap = number(values, "tmp_table_size"), number(values, "max_heap_table_size")
    if table and heap and table > heap:
        text = f"{size(table)} is more than max_heap_table_size ({size(heap)}), which then counts"
        found.append(("tmp_table_size", text, False))
    return found


def _log_problems(values: Values) -> Found:
    found: Found = []
    log, buffer = number(values, _LOG), number(values, "innodb_log_buffer_size")
    if log and buffer and log < buffer:
        text = f"{size(log)} is less than innodb_log_buffer_size ({size(buffer)})"
        found.append((_LOG, text, True))
    name = _LOG if log else _REDO
    log, pool = number(values, name), number(values, _POOL)
    if log and pool and log > pool:
        text = (
            f"{size(log)} is more than innodb_buffer_pool_size ({size(pool)}): what of it can be "
            "used is limited by the pages that may be dirty"
        )
        found.append((name, text, False))
    usual, most = number(values, "innodb_io_capacity"), number(values, "innodb_io_capacity_max")
    if usual and most and usual > most:
        text = f"{usual:.0f} is more than innodb_io_capacity_max ({most:.0f})"
        found.append(("innodb_io_capacity", text, True))
    return found


def _durability_problems(values: Values) -> Found:
    found: Found = []
    every = number(values, "innodb_flush_log_at_timeout")
    if values.get("innodb_flush_log_at_trx_commit") in ("0", "2") and every and every > 1000:
        text = (
            f"with innodb_flush_log_at_trx_commit = {values['innodb_flush_log_at_trx_commit']} "
            f"a crash loses up to {every / 1000:g} s of commits"
        )
        found.append(("innodb_flush_log_at_timeout", text, False))
    synced = number(values, "sync_binlog")
    if values.get("log_bin") == "on" and synced is not None and synced != 1:
        text = f"{synced:.0f}: a crash of the machine loses the end of the binary log"
        found.append(("sync_binlog", text, False))
    return found


# -- memory ----------------------------------------------------------------------------------


def memory(values: Values) -> tuple[Share, ...]:
    """See `Tunables.memory`."""
    shares = [
        Share("mysql", name, int(taken))
        for name in (_POOL, "innodb_log_buffer_size")
        if (taken := number(values, name))
    ]
    table = min(
        number(values, "tmp_table_size") or 0.0, number(values, "max_heap_table_size") or 0.0
    )
    each = (
        (number(values, "sort_buffer_size") or 0.0)
        + (number(values, "join_buffer_size") or 0.0)
        + table
    )
    sessions = number(values, "max_connections")
    if sessions and each:
        label = f"sort, join and temporary table of {sessions:.0f} sessions"
        shares.append(Share("mysql", label, int(sessions * each), worst_only=True))
    return tuple(shares)


# -- advice ----------------------------------------------------------------------------------

Suggested = list[tuple[str, str, str]]


def advise(
    values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
) -> tuple[Advice, ...]:
    """See `Tunables.advise`."""
    found = [
        *_cache_advice(values, machine, counters),
        *_log_advice(values, counters),
        *_session_advice(values, counters),
        *_disk_advice(values, machine),
    ]
    if not durable and values.get("innodb_flush_log_at_trx_commit") in ("1", "3"):
        every = (number(values, "innodb_flush_log_at_timeout") or 1000) / 1000
        why = (
            "commits then do not wait for the disk; a crash of the server loses nothing, one of "
            f"the machine the last {every:g} s"
        )
        found.append(("innodb_flush_log_at_trx_commit", "2", why))
    return tuple(
        Advice("mysql", name, value, why)
        for name, value, why in found
        if name in values and values[name] != value
    )


def _floor(bytes_: float, unit: int, least: int) -> str:
    return units.show(Kind.BYTES, max(least, int(bytes_) // unit * unit))


def _cache_advice(values: Values, machine: Machine, counters: Mapping[str, float]) -> Suggested:
    pool = number(values, _POOL)
    if not pool:
        return []
    has = f"{size(machine.memory_bytes)} of {machine.memory_from}"
    told = f"at most {CACHE_SHARE:.0%} of the {has}, which also runs the rest of the stack"
    asked, missed = counters.get("pool_read_requests", 0), counters.get("pool_reads", 0)
    known = asked >= ENOUGH_READS
    rate = 1 - missed / asked if known else 0.0
    held, waits = counters.get("pool_bytes_data", 0), counters.get("pool_waits", 0)
    if known:
        told += f"; {rate:.1%} of {asked:.0f} page reads were hits"
    if held:
        told += f"; the pool of {size(pool)} holds {size(held)}"
    if waits:
        told += f"; {waits:.0f} times no page was free"
    # A pool that is full may lack room; more than twice of it is a guess.
    wanted = min(machine.memory_bytes * CACHE_SHARE, max(GB, 2 * pool))
    served = known and rate >= GOOD_HIT_RATE and held < pool * 0.8 and not waits
    if (pool < wanted * 0.75 and not served) or pool > machine.memory_bytes / 4:
        ceiling = min(wanted, machine.memory_bytes * CACHE_SHARE)
        return [(_POOL, _floor(ceiling, 128 * MB, 128 * MB), told)]
    return []


def _log_advice(values: Values, counters: Mapping[str, float]) -> Suggested:
    found: Suggested = []
    name = _LOG if _LOG in values else _REDO
    log = number(values, name)
    written, seconds = counters.get("log_bytes", 0), counters.get("uptime_s", 0)
    # Room for a quarter of an hour at the average rate, and for the whole of a short peak.
    wanted = min(max(written / seconds * 900, written / 4), 4 * GB) if seconds else 0
    if log and wanted > log * 1.5:
        told = f"{size(written)} of log in {seconds / 60:.0f} min; it has room for {size(log)}"
        found.append((name, _floor(wanted, 128 * MB, 128 * MB), told))
    waits, buffer = counters.get("log_waits", 0), number(values, "innodb_log_buffer_size")
    if waits and buffer and buffer < 64 * MB:
        told = f"{waits:.0f} times the log's buffer of {size(buffer)} was full"
        found.append(("innodb_log_buffer_size", _floor(buffer * 2, MB, MB), told))
    if values.get("log_bin") == "on":
        told = "every change is written twice, and nothing in this stack reads the binary log"
        found.append(("log_bin", "off", told))
    return found


def _session_advice(values: Values, counters: Mapping[str, float]) -> Suggested:
    found: Suggested = []
    limit, used = number(values, "max_connections"), counters.get("max_used_connections", 0)
    if limit and used > limit * 0.85:
        told = f"{used:.0f} of {limit:.0f} connections were in use at once"
        found.append(("max_connections", str(int(limit * 2)), told))
    tables, on_disk = counters.get("tmp_tables", 0), counters.get("tmp_disk_tables", 0)
    for name in ("tmp_table_size", "max_heap_table_size"):
        now = number(values, name)
        if now and on_disk >= 100 and on_disk > tables * 0.1 and now < 64 * MB:
            told = f"{on_disk:.0f} of {tables:.0f} temporary tables went to disk with {size(now)}"
            found.append((name, "64MB", told))
    passes, sort = counters.get("sort_merge_passes", 0), number(values, "sort_buffer_size")
    if passes >= 10 and sort and sort < 4 * MB:
        told = f"{passes:.0f} sorts went on in files with {size(sort)}"
        found.append(("sort_buffer_size", _floor(sort * 2, 256 * KB, 512 * KB), told))
    made, created = counters.get("connections_made", 0), counters.get("threads_created", 0)
    kept = number(values, "thread_cache_size")
    if kept is not None and created >= 100 and created > made * 0.1:
        told = f"{created:.0f} threads were made for {made:.0f} sessions, {kept:.0f} are kept"
        found.append(("thread_cache_size", str(int(max(kept * 2, 16))), told))
    overflows, open_ = counters.get("table_cache_overflows", 0), number(values, "table_open_cache")
    if overflows >= 100 and open_:
        told = f"{overflows:.0f} times a table had to leave the cache of {open_:.0f}"
        found.append(("table_open_cache", str(int(open_ * 2)), told))
    return found


def _disk_advice(values: Values, machine: Machine) -> Suggested:
    found: Suggested = []
    if values.get("innodb_flush_method") == "fsync":
        told = "through the system's cache every page is in memory twice"
        found.append(("innodb_flush_method", "o_direct", told))
    if machine.rotational is None:
        return found
    usual, most = number(values, "innodb_io_capacity"), number(values, "innodb_io_capacity_max")
    if not machine.rotational and usual and usual < 1000:
        told = f"the disk does not turn: {usual:.0f} writes a second are fewer than it can do"
        found.append(("innodb_io_capacity", "1000", told))
        if most and most < 1000:
            found.append(("innodb_io_capacity_max", "2000", told))
    if not machine.rotational and values.get("innodb_flush_neighbors") in ("1", "2"):
        told = "the disk does not turn: neighbours of a page gain nothing from its write"
        found.append(("innodb_flush_neighbors", "0", told))
    return found
