"""MySQL's rules: what cannot work, what memory it uses, and what the machine and the server's own
status call for."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.contracts.tunable import Advice, Problem, Share
from devstack_tui.core.units import size
from devstack_tui.state.parameter_advice import GB, KB, MB, Facts, Rules, rounded_down

STACK_NEEDS = 20
"""Connections: the reference API's pool (8), a benchmark's clients, the probes and the tuning."""
CACHE_SHARE = 0.12
"""Of the machine's memory for one database's cache: it also runs all the rest of the stack."""
ENOUGH_READS = 10_000
"""Below this a hit rate says nothing."""
GOOD_HIT_RATE = 0.99
_POOL, _LOG = "innodb_buffer_pool_size", "innodb_log_file_size"
_REDO, _BUFFER = "innodb_redo_log_capacity", "innodb_log_buffer_size"
_IO, _IO_MAX = "innodb_io_capacity", "innodb_io_capacity_max"
_COMMIT, _TIMEOUT = "innodb_flush_log_at_trx_commit", "innodb_flush_log_at_timeout"


def _log_name(facts: Facts) -> str:
    return _LOG if _LOG in facts.values else _REDO


# -- what cannot work ------------------------------------------------------------------------


def _memory_problems(facts: Facts) -> Iterator[Problem]:
    pool, step, memory = facts[_POOL], facts.count("pool_step"), facts.machine.memory_bytes
    if pool > memory:
        message = f"{size(pool)} is more than the {facts.memory}: it would not start"
        yield facts.fatal(_POOL, message)
    elif pool > memory / 2:
        yield facts.warning(_POOL, f"{size(pool)} is more than half of the {facts.memory}")
    elif step and pool % step > 0:
        yield facts.warning(_POOL, f"the server rounds it to a multiple of {size(step)}")


def _session_problems(facts: Facts) -> Iterator[Problem]:
    limit = facts["max_connections"]
    if limit < STACK_NEEDS:
        yield facts.fatal(
            "max_connections",
            f"{limit:.0f} is less than the {STACK_NEEDS} that the stack itself needs: the "
            "reference API's pool of 8, the clients of a benchmark, the probes and the tuning",
        )
    tables, files = facts["table_open_cache"], facts.count("open_files_limit")
    # The server counts two files for a table, and one for a session.
    if files and limit + 2 * tables > files:
        yield facts.warning(
            "table_open_cache",
            f"{tables:.0f} tables of two files and {limit:.0f} sessions are more than "
            f"open_files_limit ({files:.0f}): the server may keep fewer",
        )
    table, heap = facts["tmp_table_size"], facts["max_heap_table_size"]
    if table > heap:
        message = f"{size(table)} is more than max_heap_table_size ({size(heap)})"
        yield facts.warning("tmp_table_size", f"{message}, which then counts")


def _log_problems(facts: Facts) -> Iterator[Problem]:
    name = _log_name(facts)
    log, buffer, pool = facts[name], facts[_BUFFER], facts[_POOL]
    if name == _LOG and log < buffer:
        yield facts.fatal(name, f"{size(log)} is less than {_BUFFER} ({size(buffer)})")
    if log > pool:
        yield facts.warning(
            name,
            f"{size(log)} is more than {_POOL} ({size(pool)}): what of it can be used is limited "
            "by the pages that may be dirty",
        )
    usual, most = facts[_IO], facts[_IO_MAX]
    if usual > most:
        yield facts.fatal(_IO, f"{usual:.0f} is more than {_IO_MAX} ({most:.0f})")


def _durability_problems(facts: Facts) -> Iterator[Problem]:
    commit, every = facts.text(_COMMIT), facts[_TIMEOUT]
    if commit in ("0", "2") and every > 1000:
        message = f"with {_COMMIT} = {commit} a crash loses up to {every / 1000:g} s of commits"
        yield facts.warning(_TIMEOUT, message)
    synced = facts.get("sync_binlog", 1)
    if facts.text("log_bin") == "on" and synced != 1:
        message = f"{synced:.0f}: a crash of the machine loses the end of the binary log"
        yield facts.warning("sync_binlog", message)


# -- memory ----------------------------------------------------------------------------------


def _memory(facts: Facts) -> Iterator[Share]:
    for name in (_POOL, _BUFFER):
        yield from facts.share(name, facts[name])
    each = facts.get("sort_buffer_size", 0) + facts.get("join_buffer_size", 0)
    each += min(facts.get("tmp_table_size", 0), facts.get("max_heap_table_size", 0))
    sessions = facts["max_connections"]
    label = f"sort, join and temporary table of {sessions:.0f} sessions"
    yield from facts.share(label, sessions * each, worst_only=True)


# -- advice ----------------------------------------------------------------------------------


def _cache_advice(facts: Facts) -> Iterator[Advice]:
    pool, memory = facts[_POOL], facts.machine.memory_bytes
    asked, missed = facts.count("pool_read_requests"), facts.count("pool_reads")
    held, waits = facts.count("pool_bytes_data"), facts.count("pool_waits")
    known = asked >= ENOUGH_READS
    reason = (
        f"at most {CACHE_SHARE:.0%} of the {facts.memory}, which also runs the rest of the stack"
    )
    if known:
        reason += f"; {1 - missed / asked:.1%} of {asked:.0f} page reads were hits"
    if held:
        reason += f"; the pool of {size(pool)} holds {size(held)}"
    if waits:
        reason += f"; {waits:.0f} times no page was free"
    # A pool that is full may lack room; more than twice of it is a guess.
    wanted = min(memory * CACHE_SHARE, max(GB, 2 * pool))
    served = known and 1 - missed / asked >= GOOD_HIT_RATE and held < pool * 0.8 and not waits
    if (pool < wanted * 0.75 and not served) or pool > memory / 4:
        yield facts.suggest(_POOL, rounded_down(wanted, 128 * MB, 128 * MB), reason)


def _log_advice(facts: Facts) -> Iterator[Advice]:
    name = _log_name(facts)
    log, written, seconds = facts[name], facts.count("log_bytes"), facts.count("uptime_s")
    # Room for a quarter of an hour at the average rate, and for the whole of a short peak.
    wanted = min(max(written / seconds * 900, written / 4), 4 * GB) if seconds else 0
    if wanted > log * 1.5:
        reason = f"{size(written)} of log in {seconds / 60:.0f} min; it has room for {size(log)}"
        yield facts.suggest(name, rounded_down(wanted, 128 * MB, 128 * MB), reason)
    waits, buffer = facts.count("log_waits"), facts[_BUFFER]
    if waits and buffer < 64 * MB:
        reason = f"{waits:.0f} times the log's buffer of {size(buffer)} was full"
        yield facts.suggest(_BUFFER, rounded_down(buffer * 2, MB, MB), reason)
    if facts.text("log_bin") == "on":
        reason = "every change is written twice, and nothing in this stack reads the binary log"
        yield facts.suggest("log_bin", "off", reason)


def _session_advice(facts: Facts) -> Iterator[Advice]:
    limit, used = facts["max_connections"], facts.count("max_used_connections")
    if used > limit * 0.85:
        reason = f"{used:.0f} of {limit:.0f} connections were in use at once"
        yield facts.suggest("max_connections", str(int(limit * 2)), reason)
    tables, on_disk = facts.count("tmp_tables"), facts.count("tmp_disk_tables")
    for name in ("tmp_table_size", "max_heap_table_size"):
        if on_disk >= 100 and on_disk > tables * 0.1 and facts[name] < 64 * MB:
            reason = f"{on_disk:.0f} of {tables:.0f} temporary tables went to disk with"
            yield facts.suggest(name, "64MB", f"{reason} {size(facts[name])}")
    passes, sort = facts.count("sort_merge_passes"), facts["sort_buffer_size"]
    if passes >= 10 and sort < 4 * MB:
        reason = f"{passes:.0f} sorts went on in files with {size(sort)}"
        value = rounded_down(sort * 2, 256 * KB, 512 * KB)
        yield facts.suggest("sort_buffer_size", value, reason)


def _reuse_advice(facts: Facts) -> Iterator[Advice]:
    made, created = facts.count("connections_made"), facts.count("threads_created")
    kept, opened = facts["thread_cache_size"], facts["table_open_cache"]
    if kept >= 0 and created >= 100 and created > made * 0.1:
        reason = f"{created:.0f} threads were made for {made:.0f} sessions, {kept:.0f} are kept"
        yield facts.suggest("thread_cache_size", str(int(max(kept * 2, 16))), reason)
    if (overflows := facts.count("table_cache_overflows")) >= 100 and opened > 0:
        reason = f"{overflows:.0f} times a table had to leave the cache of {opened:.0f}"
        yield facts.suggest("table_open_cache", str(int(opened * 2)), reason)


def _disk_advice(facts: Facts) -> Iterator[Advice]:
    if facts.text("innodb_flush_method") == "fsync":
        reason = "through the system's cache every page is in memory twice"
        yield facts.suggest("innodb_flush_method", "o_direct", reason)
    if facts.machine.rotational is not False:
        return
    if (usual := facts[_IO]) < 1000:
        reason = f"the disk does not turn: {usual:.0f} writes a second are fewer than it can do"
        yield facts.suggest(_IO, "1000", reason)
        if facts[_IO_MAX] < 1000:
            yield facts.suggest(_IO_MAX, "2000", reason)
    if facts.text("innodb_flush_neighbors") in ("1", "2"):
        reason = "the disk does not turn: neighbours of a page gain nothing from its write"
        yield facts.suggest("innodb_flush_neighbors", "0", reason)


def _commit_advice(facts: Facts) -> Iterator[Advice]:
    if not facts.durable and facts.text(_COMMIT) in ("1", "3"):
        yield facts.suggest(
            _COMMIT,
            "2",
            "commits then do not wait for the disk; a crash of the server loses nothing, one of "
            f"the machine the last {facts.get(_TIMEOUT, 1000) / 1000:g} s",
        )


RULES = Rules(
    "mysql",
    (_memory_problems, _session_problems, _log_problems, _durability_problems),
    _memory,
    (
        _cache_advice,
        _log_advice,
        _session_advice,
        _reuse_advice,
        _disk_advice,
        _commit_advice,
    ),
)
