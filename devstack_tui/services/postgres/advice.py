"""PostgreSQL's rules: what cannot work, what memory it uses, and what the machine and the server's
own counters call for."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.contracts.tunable import Advice, Problem, Share
from devstack_tui.core.units import size
from devstack_tui.state.parameter_advice import GB, KB, MB, Facts, Rules, rounded_down

SEGMENT = 16 * MB
HUGE_PAGE = 2 * MB
RESERVED = 3
WORKERS = 8
"""max_worker_processes, which is not among the parameters, as the server comes."""
MAX_BACKENDS = 262143
"""All processes together, from PostgreSQL's source."""
STACK_NEEDS = 25
"""Connections: the reference API's pool (10), a benchmark's clients (10 as delivered), two probes,
and the three that are reserved for superusers, by which the tuning comes in."""
CACHE_SHARE = 0.12
"""Of the machine's memory for one database's cache: it also runs all the rest of the stack."""
ENOUGH_BLOCKS = 10_000
"""Below this a hit rate says nothing."""
GOOD_HIT_RATE = 0.99


def default_wal_buffers(shared_buffers: int, segment: int = SEGMENT) -> int:
    """What the server takes by itself, bytes: 1/32 of shared_buffers, 64 kB to one segment."""
    return max(64 * KB, min(shared_buffers // 32 // (8 * KB) * 8 * KB, segment))


# -- what cannot work ------------------------------------------------------------------------


def _memory_problems(facts: Facts) -> Iterator[Problem]:
    name, shared, memory = "shared_buffers", facts["shared_buffers"], facts.machine.memory_bytes
    if shared > memory:
        message = f"{size(shared)} is more than the {facts.memory}: it would not start"
        yield facts.fatal(name, message)
    elif shared > memory / 2:
        yield facts.warning(name, f"{size(shared)} is more than half of the {facts.memory}")
    if (planned := facts["effective_cache_size"]) > memory:
        yield facts.warning(
            "effective_cache_size",
            f"{size(planned)} is more than the {facts.memory}: plans will count on pages that are "
            "not there",
        )
    if facts.text("huge_pages") == "on" and shared > 0:
        yield facts.warning(
            "huge_pages",
            f"it starts only if the kernel keeps at least {-(-int(shared) // HUGE_PAGE)} free huge "
            f"pages of 2 MB for shared_buffers ({size(shared)}): see vm.nr_hugepages",
        )


def _connection_problems(facts: Facts) -> Iterator[Problem]:
    name, limit = "max_connections", facts["max_connections"]
    reserved = facts.count("superuser_reserved_connections", RESERVED)
    reserved += facts.count("reserved_connections")
    others = facts.get("autovacuum_max_workers", 0) + facts.get("max_wal_senders", 0)
    if limit <= reserved:
        yield facts.fatal(
            name,
            f"{limit:.0f} must be more than superuser_reserved_connections ({reserved:.0f}): it "
            "would not start",
        )
    elif limit + others + WORKERS >= MAX_BACKENDS:
        yield facts.fatal(
            name,
            f"{limit:.0f} and the server's own processes are more than {MAX_BACKENDS}: it would "
            "not start",
        )
    elif limit < STACK_NEEDS:
        yield facts.fatal(
            name,
            f"{limit:.0f} is less than the {STACK_NEEDS} that the stack itself needs: the "
            "reference API's pool, the clients of a benchmark, probes and superusers",
        )


def _log_problems(facts: Facts) -> Iterator[Problem]:
    if facts.text("wal_level") == "minimal" and (senders := facts["max_wal_senders"]) > 0:
        yield facts.fatal(
            "wal_level",
            f"minimal excludes max_wal_senders = {senders:.0f}, which must be 0: it would not "
            "start",
        )
    least = 2 * facts.count("wal_segment_size", SEGMENT)
    for name in ("max_wal_size", "min_wal_size"):
        if (value := facts[name]) < least:
            message = f"{size(value)} is less than two WAL segments ({size(least)})"
            yield facts.fatal(name, f"{message}: it would not start")
    low, high = facts["min_wal_size"], facts["max_wal_size"]
    if low > high:
        message = f"{size(low)} is more than max_wal_size ({size(high)}), which then holds alone"
        yield facts.warning("min_wal_size", message)


def _durability_problems(facts: Facts) -> Iterator[Problem]:
    commit = facts.text("synchronous_commit")
    waits, unsafe = commit not in ("", "off"), facts.text("fsync") == "off"
    if unsafe and waits:
        yield facts.warning("fsync", f"off: synchronous_commit = {commit} then promises nothing")
    if facts["commit_delay"] > 0 and (unsafe or not waits):
        why = "fsync is off" if unsafe else "synchronous_commit is off"
        yield facts.warning("commit_delay", f"it has no effect: {why}, no commit waits for a flush")
    if (delay := facts["wal_writer_delay"]) > 200 and not waits:
        message = f"with synchronous_commit off a crash loses up to {3 * delay / 1000:g} s"
        yield facts.warning("wal_writer_delay", f"{message} of commits")
    if facts.text("autovacuum") == "off":
        yield facts.warning("autovacuum", "off: dead rows stay, tables grow and plans get stale")


# -- memory ----------------------------------------------------------------------------------


def _memory(facts: Facts) -> Iterator[Share]:
    for name in ("shared_buffers", "wal_buffers"):
        yield from facts.share(name, facts[name])
    sessions = facts["max_connections"]
    label = f"work_mem of {sessions:.0f} sessions, one sort each"
    yield from facts.share(label, sessions * facts["work_mem"], worst_only=True)
    workers = facts["autovacuum_max_workers"] if facts.text("autovacuum") != "off" else 1
    label = f"maintenance_work_mem of {workers:.0f} vacuums"
    yield from facts.share(label, workers * facts["maintenance_work_mem"], worst_only=True)


# -- advice ----------------------------------------------------------------------------------


def _cache_advice(facts: Facts) -> Iterator[Advice]:
    memory, shared, data = (
        facts.machine.memory_bytes,
        facts["shared_buffers"],
        facts.count("database_bytes"),
    )
    wanted = min(memory * CACHE_SHARE, max(GB, 2 * data))
    hit, blocks = facts.count("blocks_hit"), facts.count("blocks_hit") + facts.count("blocks_read")
    known = blocks >= ENOUGH_BLOCKS
    reason = (
        f"at most {CACHE_SHARE:.0%} of the {facts.memory}, which also runs the rest of the stack"
    )
    if known:
        reason += f"; {hit / blocks:.1%} of {blocks:.0f} block reads were hits"
    if data:
        reason += f"; the databases have {size(data)}"
    served = known and hit / blocks >= GOOD_HIT_RATE and shared >= data
    if (shared < wanted * 0.75 and not served) or shared > memory / 4:
        yield facts.suggest("shared_buffers", rounded_down(wanted, 64 * MB, 128 * MB), reason)
    planned, third = facts["effective_cache_size"], memory / 3
    if planned < third * 0.6 or planned > memory * 0.6:
        reason = f"a third of the {facts.memory}: what its caches and the system's may hold of this"
        value = rounded_down(third, 256 * MB, 512 * MB)
        yield facts.suggest("effective_cache_size", value, f"{reason} server")
    share = min(memory * 0.01, 512 * MB)
    if facts["maintenance_work_mem"] < share * 0.75:
        value = rounded_down(share, 32 * MB, 64 * MB)
        reason = f"1 % of the {facts.memory} for each VACUUM and CREATE INDEX"
        yield facts.suggest("maintenance_work_mem", value, reason)


def _session_advice(facts: Facts) -> Iterator[Advice]:
    spilled, files = facts.count("temp_bytes"), facts.count("temp_files")
    each, sessions = facts["work_mem"], facts["max_connections"]
    if files and sessions > 0:
        # At worst an eighth of the machine, with one sort in every session.
        ceiling = facts.machine.memory_bytes / 8 / sessions
        wanted = min(max(spilled / files * 2, each * 2), ceiling)
        if wanted >= each * 1.5:
            yield facts.suggest(
                "work_mem",
                rounded_down(wanted, MB, 4 * MB),
                f"{files:.0f} sorts or hashes spilled {size(spilled)} to disk with {size(each)}; "
                f"{sessions:.0f} sessions take {size(sessions * wanted)} at worst",
            )
    if (used := facts.count("connections")) > sessions * 0.8:
        reason = f"{used:.0f} of {sessions:.0f} connections are in use"
        yield facts.suggest("max_connections", str(int(sessions * 2)), reason)


def _checkpoint_advice(facts: Facts) -> Iterator[Advice]:
    forced, timed = facts.count("checkpoints_requested"), facts.count("checkpoints_timed")
    written, seconds = facts.count("wal_bytes"), facts.count("wal_since_s")
    room, every = facts["max_wal_size"], facts["checkpoint_timeout"]
    if room > 0 and every > 0 and seconds and forced >= 3 and forced > timed:
        wanted = min(max(room * 2, written / seconds * every / 1000 * 2), 16 * GB)
        yield facts.suggest(
            "max_wal_size",
            rounded_down(wanted, GB, GB),
            f"{forced:.0f} of {forced + timed:.0f} checkpoints did not wait for their time; "
            f"{size(written)} of WAL in {seconds / 60:.0f} min",
        )
    full = facts.count("wal_full_pages") * facts.count("block_size", 8 * KB)
    if written > GB and full > written / 2:
        reason = f"whole pages are up to {min(1.0, full / written):.0%} of {size(written)} of WAL"
        if facts.count("knows_lz4") and facts.text("wal_compression") == "off":
            yield facts.suggest("wal_compression", "lz4", reason)
        if every < 900_000:
            reason += "; each checkpoint begins them anew, and recovery takes longer"
            yield facts.suggest("checkpoint_timeout", "15min", reason)
    if (spread := facts["checkpoint_completion_target"]) < 0.9:
        reason = f"{spread:g} leaves the disk idle for {1 - spread:.0%} of the time, busier before"
        yield facts.suggest("checkpoint_completion_target", "0.9", reason)


def _log_advice(facts: Facts) -> Iterator[Advice]:
    waits, buffers = facts.count("wal_buffers_full"), facts["wal_buffers"]
    if waits >= 100 and buffers < 64 * MB:
        value = rounded_down(max(buffers * 2, 16 * MB), MB, MB)
        reason = f"it was full {waits:.0f} times with {size(buffers)}"
        yield facts.suggest("wal_buffers", value, reason)


def _commit_advice(facts: Facts) -> Iterator[Advice]:
    if not facts.durable and facts.text("synchronous_commit") not in ("", "off"):
        delay = facts.get("wal_writer_delay", 200)
        yield facts.suggest(
            "synchronous_commit",
            "off",
            "commits then do not wait for the disk, which is most of what a short transaction "
            f"takes; a crash loses the last {3 * delay / 1000:g} s of them at most",
        )


def _disk_advice(facts: Facts) -> Iterator[Advice]:
    cost, reads = facts["random_page_cost"], facts["effective_io_concurrency"]
    if facts.machine.rotational is False:
        if cost > 2:
            reason = "a page out of order costs hardly more than one in order"
            yield facts.suggest("random_page_cost", "1.1", f"the disk does not turn: {reason}")
        if reads < 16:
            reason = "the disk does not turn: it serves many reads at once"
            yield facts.suggest("effective_io_concurrency", "200", reason)
    if facts.machine.rotational and cost < 2:
        reason = "the disk turns: a page out of order costs a movement of its heads"
        yield facts.suggest("random_page_cost", "4", reason)


RULES = Rules(
    "postgres",
    (_memory_problems, _connection_problems, _log_problems, _durability_problems),
    _memory,
    (_cache_advice, _session_advice, _checkpoint_advice, _log_advice, _disk_advice, _commit_advice),
)
