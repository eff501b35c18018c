"""Generated values of every parameter, in every spelling, applied to the real servers by the
product's own apply: what it says is in effect, and what the server says in its own words, is what
was meant."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from devstack_tui.contracts.registry import service
from devstack_tui.contracts.tunable import Apply, Kind, Parameter
from devstack_tui.core.errors import UsageError
from devstack_tui.stack.stack import Stack
from devstack_tui.tuning import apply as applying
from devstack_tui.tuning.events import Outcome, TuneDone
from tests.conftest import Cli
from tests.stack import clients

TUNED = ("postgres", "mysql", "mongodb", "redis")
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
SECOND = 1000.0
Meant = int | float | bool | str
"""Bytes, milliseconds, a number, a switch, or a word."""

# What a bare number means to the server, where it is not a byte or a millisecond (PostgreSQL says
# it itself, in pg_settings.unit).
BARE: dict[str, float] = {
    "postgres.commit_delay": 0.001,  # microseconds, which pg_settings does not say
    "mysql.innodb_flush_log_at_timeout": SECOND,
    "mongodb.wiredTigerCacheSizeGB": GB,
    "mongodb.syncdelay": SECOND,
    "redis.repl-diskless-sync-delay": SECOND,
    "redis.tcp-keepalive": SECOND,
    "redis.timeout": SECOND,
}
# Where a value as such would be taken, but a stack that shares a small machine could not work, or
# where two parameters limit one another.
RANGES: dict[str, tuple[float, float]] = {
    "postgres.shared_buffers": (16 * MB, 512 * MB),
    "postgres.effective_cache_size": (8 * MB, 64 * GB),
    "postgres.work_mem": (64 * KB, 64 * MB),
    "postgres.maintenance_work_mem": (MB, GB),
    "postgres.max_connections": (40, 200),
    "postgres.max_wal_senders": (0, 20),
    "postgres.wal_buffers": (64 * KB, 64 * MB),
    "postgres.wal_writer_flush_after": (0, GB),
    "postgres.max_wal_size": (256 * MB, 64 * GB),
    "postgres.min_wal_size": (32 * MB, 128 * MB),
    "postgres.max_worker_processes": (8, 32),
    "postgres.max_parallel_workers": (0, 8),
    "postgres.max_parallel_workers_per_gather": (0, 8),
    "postgres.max_parallel_maintenance_workers": (0, 8),
    "postgres.autovacuum_max_workers": (1, 8),
    "postgres.random_page_cost": (0, 100),
    "mysql.innodb_buffer_pool_size": (64 * MB, 512 * MB),
    "mysql.innodb_log_file_size": (16 * MB, 256 * MB),
    "mysql.innodb_log_buffer_size": (2 * MB, 64 * MB),
    "mysql.innodb_io_capacity": (100, 1000),
    "mysql.innodb_io_capacity_max": (2000, 20000),
    "mysql.innodb_max_dirty_pages_pct": (1, 99),
    "mysql.max_connections": (50, 500),
    "mysql.thread_cache_size": (0, 400),
    "mysql.table_open_cache": (400, 4000),
    "mysql.tmp_table_size": (16 * KB, 256 * MB),
    "mysql.max_heap_table_size": (16 * KB, 256 * MB),
    "mysql.sort_buffer_size": (KB, 16 * MB),
    "mysql.join_buffer_size": (128, 16 * MB),
    "mongodb.wiredTigerCacheSizeGB": (256 * MB, 2 * GB),
    "mongodb.eviction_dirty_target": (1, 10),
    "mongodb.eviction_dirty_trigger": (15, 60),
    "mongodb.internalQueryMaxBlockingSortMemoryUsageBytes": (MB, GB),
    "mongodb.wiredTigerConcurrentReadTransactions": (16, 512),
    "mongodb.wiredTigerConcurrentWriteTransactions": (16, 512),
    "redis.maxmemory": (64 * MB, 256 * MB),
    "redis.min-replicas-to-write": (0, 1),
    "redis.cluster-node-timeout": (SECOND, 20 * SECOND),
    "redis.repl-backlog-size": (16 * KB, 64 * MB),
    "redis.hz": (1, 100),
    "redis.timeout": (60 * SECOND, 86400 * SECOND),
    "redis.maxclients": (200, 5000),
    "redis.io-threads": (1, 4),
    "redis.tcp-backlog": (1, 511),
}
WORDS: dict[str, dict[str, str]] = {
    "redis.save": {"3600 1": "3600 1", "": "off", '""': "off", " 900 1   300 10 ": "900 1 300 10"},
    "mongodb.networkMessageCompressors": {"zstd, snappy": "zstd,snappy", "zlib": "zlib"},
}
# Not here: what the machine or the build may not have, and what makes two others impossible.
LEFT_OUT = ("postgres.huge_pages", "postgres.wal_sync_method", "postgres.wal_level",
            "mysql.innodb_flush_method", "mysql.log_bin")  # fmt: skip
SIZES = {"B": 1, "kB": KB, "KB": KB, "MB": MB, "mb": MB, "GB": GB, " MB": MB, "MiB": MB, "gb": GB}
TIMES = {"us": 0.001, "ms": 1, "s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND, " s": SECOND}
SWITCHES = {True: ("on", "ON", "yes", "true", "1", "True"), False: ("off", "no", "false", "0")}


@dataclass(frozen=True, slots=True)
class Value:
    """`written` for a parameter, and what that means."""

    parameter: Parameter
    name: str
    written: str
    meant: Meant


@dataclass
class Found:
    """What came of it: how many values were applied and how many refused, and what was wrong."""

    applied: int = 0
    refused: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def value_of(parameter: Parameter, bare: float, chance: random.Random) -> Value:
    """A value of the parameter in some spelling; `bare` is what a bare number counts."""
    meant, written = _KINDS[parameter.kind](parameter, bare, chance)
    return Value(parameter, _name(parameter, chance), _pasted(parameter, written, chance), meant)


def _name(parameter: Parameter, chance: random.Random) -> str:
    if parameter.service == "mysql" and chance.random() < 0.2:
        return parameter.name.replace("_", "-")
    return parameter.name


def _pasted(parameter: Parameter, written: str, chance: random.Random) -> str:
    return f"{parameter.name} = {written}" if written and chance.random() < 0.1 else written


def _range(parameter: Parameter) -> tuple[float, float]:
    low, high = parameter.minimum or 0, parameter.maximum or 1e9
    return RANGES.get(parameter.key, (low, high))


def _within(low: float, high: float, chance: random.Random) -> float:
    """Somewhere between, as often near the small end as near the large one."""
    if low <= 0 and chance.random() < 0.1:
        return 0
    return math.exp(chance.uniform(math.log(max(low, high / 1e6)), math.log(high)))


def _measured(units: Mapping[str, float]) -> Callable[..., tuple[Meant, str]]:
    def make(parameter: Parameter, bare: float, chance: random.Random) -> tuple[Meant, str]:
        low, high = _range(parameter)
        grain = parameter.step or bare  # the server counts in these
        round_ones = [one for one in units.values() if grain <= one <= high and one % grain == 0]
        coarse = chance.choice([grain, *round_ones])
        count = max(round(_within(low, high, chance) / coarse), math.ceil(low / coarse))
        meant = min(count, high // coarse) * coarse
        ways = [f"{text}{unit}" for unit, one in units.items() if (text := _exact(meant, one))]
        ways += [text] * 3 if (text := _exact(meant, bare)) else []
        written = chance.choice(ways)
        return meant, written[1:] if written.startswith("0.") else written

    return make


def _exact(meant: float, factor: float) -> str:
    """`meant` counted in `factor`, with few digits; empty where it would not be exact."""
    texts = (f"{meant / factor:.{digits}f}" for digits in range(4))
    return next((text for text in texts if math.isclose(float(text) * factor, meant)), "")


def _short(text: str) -> str:
    """`.9` for `0.9`."""
    return text[1:] if text.startswith("0.") else text


def _integer(parameter: Parameter, _: float, chance: random.Random) -> tuple[Meant, str]:
    low, high = _range(parameter)
    meant = round(_within(low, high, chance))
    if parameter.service == "mysql" and meant >= 2 * KB:
        meant -= meant % KB
        return meant, f"{meant // KB}{chance.choice('kK')}"
    return meant, chance.choice((str(meant), str(meant), f" {meant} ", f"{meant}.0"))


def _real(parameter: Parameter, _: float, chance: random.Random) -> tuple[Meant, str]:
    low, high = _range(parameter)
    meant = round(chance.uniform(low, high), chance.choice((0, 1, 2)))
    text = f"{meant:g}"
    return meant, chance.choice((text, text, _short(text), f"{meant:.4e}"))


def _switch(_: Parameter, __: float, chance: random.Random) -> tuple[Meant, str]:
    meant = chance.random() < 0.5
    return meant, chance.choice(SWITCHES[meant])


def _choice(parameter: Parameter, _: float, chance: random.Random) -> tuple[Meant, str]:
    word = chance.choice(parameter.choices)
    return word, chance.choice((word, word, word.upper(), f" {word}"))


def _words(parameter: Parameter, _: float, chance: random.Random) -> tuple[Meant, str]:
    written, meant = chance.choice(sorted(WORDS[parameter.key].items()))
    return meant, written


_KINDS: dict[Kind, Callable[..., tuple[Meant, str]]] = {
    Kind.BYTES: _measured(SIZES),
    Kind.DURATION: _measured(TIMES),
    Kind.INTEGER: _integer,
    Kind.REAL: _real,
    Kind.BOOLEAN: _switch,
    Kind.CHOICE: _choice,
    Kind.TEXT: _words,
}


# -- what the servers say --------------------------------------------------------------------

Words = Mapping[str, Meant]
"""By the parameter's name, in bytes, milliseconds, plain numbers, or as the server writes it."""


def _postgres(cli: Cli) -> tuple[Words, dict[str, float]]:
    factors = {"8kB": 8 * KB, "kB": KB, "B": 1, "MB": MB, "us": 0.001, "ms": 1, "s": SECOND,
               "min": 60 * SECOND}  # fmt: skip
    with clients.postgres(cli) as connection:
        rows = connection.execute("SELECT name, setting, unit FROM pg_settings").fetchall()
    bare = {name: factors[unit] for name, _, unit in rows if unit}
    bare["commit_delay"] = BARE["postgres.commit_delay"]
    return {name: _times(text, bare.get(name)) for name, text, _ in rows}, bare


def _mysql(cli: Cli) -> tuple[Words, dict[str, float]]:
    import pymysql

    found, at = clients.secret(cli, "mysql"), clients.ports(cli, "mysql")["main"]
    user, password = found["user"], found["password"]
    with contextlib.closing(
        pymysql.connect(host="127.0.0.1", port=at, user=user, password=password,
                        ssl=clients.trusting(cli))
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute("SHOW GLOBAL VARIABLES")
        rows = cursor.fetchall()
    return {name: _times(text, BARE.get(f"mysql.{name}")) for name, text in rows}, {}


def _redis(cli: Cli) -> tuple[Words, dict[str, float]]:
    import redis

    from devstack_tui.services.redis.client import node_count

    found, at = clients.secret(cli, "redis-admin"), clients.ports(cli, "redis")["main"]
    answers = []
    for index in range(node_count(Stack(cli.stack).engine().target(service("redis")))):
        with contextlib.closing(
            redis.Redis(
                port=at + index,
                username=found["user"],
                password=found["password"],
                decode_responses=True,
            )
        ) as node:
            answers.append(node.config_get("*"))
    same = {name: text for name, text in answers[0].items()
            if all(answer.get(name) == text for answer in answers)}  # fmt: skip
    return {name: _times(text, BARE.get(f"redis.{name}")) for name, text in same.items()}, {}


def _mongodb(cli: Cli) -> tuple[Words, dict[str, float]]:
    import pymongo

    found, at = clients.secret(cli, "mongodb-admin"), clients.ports(cli, "mongodb")["main"]
    with pymongo.MongoClient(
        "127.0.0.1", at, username=found["user"], password=found["password"], tls=True,
        tlsCAFile=clients.ca(cli),
    ) as client:  # fmt: skip
        told: dict[str, Any] = client.admin.command("getParameter", "*")
        told["slowOpThresholdMs"] = client.admin.command("profile", -1)["slowms"]
        cache = client.admin.command("serverStatus")["wiredTiger"]["cache"]
    words = {name: _times(str(text), BARE.get(f"mongodb.{name}")) for name, text in told.items()}
    return {**words, "wiredTigerCacheSizeGB": cache["maximum bytes configured"]}, {}


WITNESSES: dict[str, Callable[[Cli], tuple[Words, dict[str, float]]]] = {
    "postgres": _postgres,
    "mysql": _mysql,
    "mongodb": _mongodb,
    "redis": _redis,
}


def _times(text: str, factor: float | None) -> Meant:
    try:
        return float(text) * (factor or 1)
    except ValueError:
        return text


def agree(parameter: Parameter, meant: Meant, said: Meant) -> bool:
    """Whether the server's word is what was meant, its own rounding aside."""
    if isinstance(meant, bool):
        return str(said).lower() in ({"on", "yes", "true", "1", "1.0"} if meant else
                                     {"off", "no", "false", "0", "0.0"})  # fmt: skip
    if isinstance(meant, str):
        word = f"{said:g}" if isinstance(said, float) else str(said)
        return (word or "off").lower().replace(", ", ",") == meant.lower()
    if isinstance(said, str):
        return False
    slack = max(parameter.step or 0, abs(meant) * 1e-6)
    return abs(float(said) - meant) < slack or float(said) == meant


# -- applying --------------------------------------------------------------------------------


def apply(cli: Cli, count: int, seed: int, say: Callable[[str], None]) -> Found:
    """Apply `count` generated values to the running stack, many at a time, and put everything back.

    Most batches change what changes live; every sixth also what needs a restart.
    """
    chance, found = random.Random(seed), Found()
    with pytest.MonkeyPatch.context() as patch:
        cli.enter(patch)
        stack = Stack(cli.stack)
        try:
            batch = 0
            while found.applied < count and batch < count:
                batch += 1
                values = _batch(cli, stack, chance, count - found.applied, batch % 6 == 0)
                asyncio.run(_applied(cli, stack, values, found))
                refused = f"{len(found.refused)} refused, {len(found.faults)} faults"
                say(f"  values, batch {batch}: {found.applied} applied, {refused}")
        finally:
            asyncio.run(_drained(applying.revert(stack, everything=True)))
    return found


def _batch(cli: Cli, stack: Stack, chance: random.Random, most: int, restarts: bool) -> list[Value]:
    values = []
    for name in TUNED:
        part = service(name).tunables()
        assert part is not None
        installed = stack.engine().locate(service(name))
        bare = {**WITNESSES[name](cli)[1]}
        for parameter in part.parameters(installed):
            if parameter.key in LEFT_OUT or (parameter.apply is Apply.RESTART and not restarts):
                continue
            unit = bare.get(parameter.name, BARE.get(parameter.key, 1))
            values.append(value_of(parameter, unit, chance))
    return chance.sample(values, min(most, len(values)))


async def _applied(cli: Cli, stack: Stack, values: Sequence[Value], found: Found) -> None:
    left = list(values)
    while left:
        wanted: dict[str, dict[str, str | None]] = {}
        for value in left:
            wanted.setdefault(value.parameter.service, {})[value.name] = value.written
        try:
            done = await _drained(applying.apply(stack, wanted, by="generated values"))
        except UsageError as error:
            refused = [one for one in left if one.parameter.key in str(error)]
            found.refused += [f"{one.parameter.key}={one.written!r}: {error}" for one in refused]
            if not refused:
                found.faults.append(f"refused without a name: {error}")
                return
            left = [one for one in left if one not in refused]
            continue
        if done.exit_code:
            found.faults.append(f"the apply failed: {done.message}; of {_listed(left)}")
        else:
            found.applied += len(left)
            found.faults += _compared(cli, left, done.outcomes)
        return


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(f"{one.parameter.key}={one.written!r}" for one in values)


def _compared(cli: Cli, values: Sequence[Value], outcomes: Sequence[Outcome]) -> list[str]:
    """What we say against what was meant, and against what each server says itself."""
    said = {f"{one.service}.{one.parameter}": one for one in outcomes}
    words = {name: WITNESSES[name](cli)[0] for name in {one.parameter.service for one in values}}
    faults = []
    for one in values:
        key, name = one.parameter.key, one.parameter.name
        own = words[one.parameter.service].get(name)
        if own is not None and not agree(one.parameter, one.meant, own):
            faults.append(f"{key}={one.written!r} means {one.meant}, the server has {own}")
        outcome = said.get(key)  # none for what it had before
        if outcome is not None and not outcome.ok:
            faults.append(f"{key}={one.written!r}: {outcome.reason}")
    return faults


async def _drained(events: applying.Applied) -> TuneDone:
    last = None
    async with contextlib.aclosing(events) as stream:
        async for event in stream:
            last = event
    assert isinstance(last, TuneDone), last
    return last


def described(found: Found) -> str:
    """All that was wrong, a line each."""
    return "\n".join([*found.faults, *(f"refused: {text}" for text in found.refused)])
