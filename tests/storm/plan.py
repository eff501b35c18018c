"""What a round does to the stack: made from the seed and the round's number alone."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of ours. After `after_s` seconds a signal may go to it, to a child of it (not to a
    server), or to it and all its children; `streams` and `environment` name what it is run with
    (see `verbs.py`)."""

    words: tuple[str, ...]
    signal: signal.Signals | None = None
    after_s: float = 0.0
    whom: str = "itself"
    streams: str = "read"
    environment: str = ""

    def __str__(self) -> str:
        text = f"`{' '.join(self.words)}`"
        if self.streams != "read":
            text += f" with {self.streams}"
        if self.environment:
            text += f" in an environment with {self.environment}"
        if self.signal:
            text += f", {self.signal.name} to {self.whom} after {self.after_s:.2f} s"
        return text


@dataclass(frozen=True, slots=True)
class Hurt:
    """A signal to a unit of the stack: to its main process (`a server`), to one of its children, or
    to all processes of all units. `pick` (0 to 1) chooses among those that run."""

    signal: signal.Signals
    pick: float
    whom: str

    def __str__(self) -> str:
        return f"{self.signal.name} to {self.whom}"


@dataclass(frozen=True, slots=True)
class Damage:
    """One of the files that match `pattern`, below the state directory, is damaged. `down`: while
    nothing runs."""

    pattern: str
    how: str
    pick: float
    down: bool

    def __str__(self) -> str:
        return f"{self.pattern} {self.how}{' while the stack is down' if self.down else ''}"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """The file system has `free_kb` left, until `up` has been tried."""

    free_kb: int

    def __str__(self) -> str:
        return f"a disk with {self.free_kb} kB left"


@dataclass(frozen=True, slots=True)
class UsedUp:
    """All connections of a service are taken, until `up` has been tried."""

    service: str

    def __str__(self) -> str:
        return f"all connections of {self.service} taken"


Step = Verb | Hurt | Damage | SmallDisk | UsedUp

STREAMS = (
    "a reader of one line",
    "standard output closed",
    "standard error closed",
    "standard input closed",
    "every stream closed",
    "standard output full",
    "standard error full",
)
ENVIRONMENTS = ("PG*", "MYSQL*", "VAULT_*", "proxies", "TLS", "no home", "another locale")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# What can be made anew, or be named. Not here: Vault's keys and storage, the data of the databases,
# whose loss nothing can mend.
FILES: dict[str, tuple[str, ...]] = {
    "STACK/journal.jsonl": ("given bad lines", "replaced by a directory", "garbled"),
    "STACK/bench.jsonl": ("given bad lines", "garbled"),
    "STACK/tuning.json": ("replaced by a pipe", "emptied", "cut", "garbled", "given wrong types"),
    "STACK/instance.json": ("replaced by a pipe", "emptied", "cut", "removed", "given wrong types"),
    "STACK/lock": ("garbled", "removed"),
    "STACK/ca.crt": ("emptied", "removed", "garbled"),
    "STACK/run/*.json": (
        "replaced by a pipe",
        "replaced by a directory",
        "emptied",
        "cut",
        "removed",
        "garbled",
        "given wrong types",
    ),
    "STACK/logs/*.log": ("removed",),
    "STACK/secrets/approles/*": ("removed",),
    "STACK/secrets/approles/*/secret-id": ("emptied", "removed", "garbled"),
    "STACK/secrets/approles/*/role-id": ("emptied", "removed", "garbled"),
    "STACK/secrets/credentials/*.json": ("emptied", "removed", "garbled", "given wrong types"),
    "STACK/data/redis/redis-*/nodes.conf": ("emptied", "cut", "removed"),
    "STACK/data/vault/**/audit.log": ("emptied", "removed"),
    "STACK/data/rabbitmq/**/.erlang.cookie": ("emptied", "removed", "given another mode"),
    "STACK/data/*/tls/server.*": ("emptied", "removed", "garbled"),
    "STACK/data/*/series": ("emptied", "removed", "garbled"),
    "STACK/data/redis/topology": ("removed",),
    "CONFIG/tuning/broken.toml": ("given bad lines",),
}
KINDS = (
    *("killed verb",) * 5,
    *("hurt server",) * 3,
    *("damaged file",) * 4,
    *("streams", "environment", "small disk", "used-up connections", "several"),
)
VALUES = {
    "postgres": ("work_mem=8MB", "work_mem=0.5GB", "shared_buffers=160MB", "max_wal_size=2GB"),
    "mysql": ("max_connections=200", "innodb_buffer_pool_size=256MB", "innodb_flush_method=fsync"),
    "mongodb": ("syncdelay=30", "journalCommitInterval=50"),
    "redis": ("hz=20", "maxmemory-samples=7", "timeout=60", "io-threads=2"),
}
WORKLOADS = {
    "postgres": ("postgres.tpcb", "postgres.point_select"),
    "mysql": ("mysql.bulk_insert",),
    "mongodb": ("mongodb.bulk_insert",),
    "redis": ("redis.set", "redis.mixed"),
    "rabbitmq": ("rabbitmq.publish_get",),
    "vault": ("vault.read_secret",),
    "reference_api": ("api.database_query",),
}
SHORT = 3
"""A stack of so many services is there for a quick storm: no verb takes long."""
CONNECTIONS = ("postgres", "mysql", "redis")


def planned(seed: int, number: int, services: Sequence[str]) -> list[Step]:
    """The steps of round `number`, counted from 1. The rounds go through all kinds in turn."""
    turn, place = divmod(number - 1, len(KINDS))
    kinds = list(KINDS)
    random.Random(f"{seed}/kinds/{turn}").shuffle(kinds)
    chance = random.Random(f"{seed}/{number}")
    kind = kinds[place]
    if kind != "several":
        return _MAKERS[kind](chance, services)
    several = chance.sample(sorted(set(KINDS) - {"several"}), 2)
    return [step for one in several for step in _MAKERS[one](chance, services)]


def _killed(chance: random.Random, services: Sequence[str]) -> list[Step]:
    number = chance.choice(SIGNALS)
    whom = chance.choice(("itself", "itself", "a child", "all of it"))
    words = _changing(chance, services)
    limit = {"bench": 4.0, "check": 4.0, "drill": 12.0}.get(words[0], 2.5)
    return [Verb(words, number, chance.uniform(0.05, limit), whom)]


def _hurt(chance: random.Random, services: Sequence[str]) -> list[Step]:
    number = chance.choice((signal.SIGKILL, signal.SIGSTOP))
    whom = chance.choice(("a server", "a server", "a child of a server", "every server"))
    hurt = Hurt(number, chance.random(), whom)
    return [hurt, Verb(_looking(chance, services))]


def _damaged(chance: random.Random, services: Sequence[str]) -> list[Step]:
    pattern = chance.choice([name for name in FILES if _concerns(name, services)])
    how = chance.choice(FILES[pattern])
    damage = Damage(pattern, how, chance.random(), chance.random() < 0.5)
    return [damage, Verb(_looking(chance, services))]


def _streams(chance: random.Random, services: Sequence[str]) -> list[Step]:
    return [Verb(_changing(chance, services), streams=chance.choice(STREAMS))]


def _environment(chance: random.Random, services: Sequence[str]) -> list[Step]:
    words = chance.choice((("up", *services), ("restart",), _looking(chance, services)))
    return [Verb(words, environment=chance.choice(ENVIRONMENTS))]


def _small_disk(chance: random.Random, services: Sequence[str]) -> list[Step]:
    return [SmallDisk(chance.choice((0, 4, 64, 512))), Verb(_changing(chance, services))]


def _used_up(chance: random.Random, services: Sequence[str]) -> list[Step]:
    found = [name for name in CONNECTIONS if name in services]
    return [UsedUp(chance.choice(found)), Verb(_changing(chance, services))]


_MAKERS: dict[str, Callable[[random.Random, Sequence[str]], list[Step]]] = {
    "killed verb": _killed,
    "hurt server": _hurt,
    "damaged file": _damaged,
    "streams": _streams,
    "environment": _environment,
    "small disk": _small_disk,
    "used-up connections": _used_up,
}


def _concerns(pattern: str, services: Sequence[str]) -> bool:
    folder = pattern.removeprefix("STACK/data/").partition("/")[0]
    return "STACK/data" not in pattern or folder == "*" or folder in services


def _changing(chance: random.Random, services: Sequence[str]) -> tuple[str, ...]:
    """A verb that changes the stack, or works on it."""
    one = chance.choice(services)
    tuned = chance.choice([name for name in services if name in VALUES])
    workload = chance.choice([w for name in services for w in WORKLOADS.get(name, ())])
    long = (
        ("drill", "run", "redis.failover", "--yes"),
        ("drill", "run", f"{tuned}.restart", "--yes"),
        ("tune", "cost", tuned, "--kills", "1", "--yes"),
        ("check", "run"),
        ("check", "run", "--suite", "approle"),
    )
    return chance.choice(
        (
            *(long if len(services) > SHORT else ()),
            ("up", *services),
            ("down",),
            ("down", one),
            ("restart",),
            ("restart", one),
            ("certs", "rotate", chance.choice([name for name in services if name != "vault"])),
            ("tune", "set", tuned, chance.choice(VALUES[tuned]), "--now", "--yes"),
            ("tune", "apply", "optimized", "--service", tuned, "--yes"),
            ("tune", "revert", "--yes"),
            ("bench", "run", "--size", "smoke", "--runs", "1", workload),
        )
    )


def _looking(chance: random.Random, services: Sequence[str]) -> tuple[str, ...]:
    one = chance.choice(services)
    return chance.choice(
        (
            ("status", "--json"),
            ("logs", one, "-n", "5"),
            ("tune", "show", "--json"),
            ("certs", "list"),
            ("report", "--json"),
        )
    )
