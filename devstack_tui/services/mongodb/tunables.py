"""MongoDB's tunable part: what mongod works with, and how that is changed while it runs.

WiredTiger's own settings go through `wiredTigerEngineRuntimeConfig`. mongod keeps the last text
that was set and nothing else tells them, so every change repeats what was in the text before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.tunable import (
    Advice,
    Apply,
    Effective,
    Kind,
    Parameter,
    Problem,
    Reading,
    Share,
    Tunables,
    Values,
)
from devstack_tui.core import units
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.machine import Machine
from devstack_tui.core.redact import redact
from devstack_tui.services.mongodb.advice import advise
from devstack_tui.services.mongodb.config_syntax import engine_text, find, parse_engine
from devstack_tui.services.mongodb.parameters import (
    CACHE_KEY,
    COMPRESSORS,
    LEAST_CACHE,
    MB,
    Knob,
    Via,
    default_cache,
    knobs,
)
from devstack_tui.services.mongodb.wire import Refused, Wire

TIMEOUT_S = 5.0
_RUNTIME = "wiredTigerEngineRuntimeConfig"
_ITSELF = 128 * MB  # resident with an empty cache: measured 123 MB with 6.0
_CONNECTIONS = 100


class _Answers(msgspec.Struct, frozen=True):
    """What mongod said in one session, and what its configuration file holds (None: unread)."""

    status: dict[str, Any]
    started: dict[str, Any]
    parameters: dict[str, Any]
    slowms: int
    memory: int
    file: dict[str, Any] | None
    path: str


class MongodbTunables:
    """See `devstack_tui.contracts.tunable.Tunables`."""

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """See the Protocol."""
        return tuple(knob.parameter for knob in knobs(installation))

    def read(self, target: Target, installation: Installation) -> Reading:
        """See the Protocol. The cache's default comes from the memory that mongod sees."""
        with _session(target) as wire:
            answers = _ask(wire)
        cache = units.show(Kind.BYTES, default_cache(answers.memory))
        parameters: list[Parameter] = []
        effective: dict[str, Effective] = {}
        for knob in knobs(installation):
            if knob.spelled == CACHE_KEY:
                parameter = msgspec.structs.replace(knob.parameter, default=cache)
            else:
                parameter = knob.parameter
            parameters.append(parameter)
            effective[knob.name] = _effective(knob, parameter.default, answers)
        return Reading(tuple(parameters), effective, _counters(answers))

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """See the Protocol."""
        with _session(target) as wire:
            version = str(wire.command("admin", {"buildInfo": 1})["version"])
            known = {knob.name: knob for knob in knobs(Installation(Path(), version, "", ""))}
            engine: dict[str, str] = {}
            for parameter in parameters:
                knob = known[parameter.name]
                text = values[parameter.name] or parameter.default
                if knob.via is Via.ENGINE:
                    engine[knob.spelled] = _engine_value(knob, text)
                else:
                    _set(wire, knob, text)
            if engine:
                _set_engine(
                    wire, engine, [p.name for p in parameters if known[p.name].via is Via.ENGINE]
                )
        return ()

    def problems(
        self,
        values: Values,
        machine: Machine,
        counters: Mapping[str, float],  # noqa: ARG002
    ) -> tuple[Problem, ...]:
        """See the Protocol."""
        return tuple(_problems(values, machine))

    def memory(
        self,
        values: Values,
        options: Mapping[str, int | str | bool],  # noqa: ARG002
    ) -> tuple[Share, ...]:
        """See the Protocol."""
        cache = int(units.parse(Kind.BYTES, values["wiredTigerCacheSizeGB"]))
        sort = int(
            units.parse(
                Kind.BYTES, values.get("internalQueryMaxBlockingSortMemoryUsageBytes", "100MB")
            )
        )
        return (
            Share("mongodb", "WiredTiger's cache", cache),
            Share("mongodb", "mongod itself", _ITSELF),
            Share("mongodb", f"{_CONNECTIONS} connections of 1 MB", _CONNECTIONS * MB, True),
            Share("mongodb", "one sort in memory", sort, True),
        )

    def advise(
        self, values: Values, machine: Machine, counters: Mapping[str, float], durable: bool
    ) -> tuple[Advice, ...]:
        """See the Protocol."""
        return tuple(advise(values, machine, counters, durable))


@contextlib.contextmanager
def _session(target: Target) -> Iterator[Wire]:
    """A session of its own, whose failures are sentences."""
    try:
        with Wire(target, TIMEOUT_S) as wire:
            wire.login(target.credentials.user, target.credentials.password)
            yield wire
    except OSError as error:
        raise UnreachableError(
            f"MongoDB cannot be reached: {redact(str(error))}", "`devstack-tui up mongodb`"
        ) from None


def _ask(wire: Wire) -> _Answers:
    started = dict(wire.command("admin", {"getCmdLineOpts": 1}).get("parsed", {}))
    path = str(started.get("config", ""))
    limit = wire.command("admin", {"hostInfo": 1})["system"]
    return _Answers(
        status=wire.command("admin", {"serverStatus": 1}),
        started=started,
        parameters=wire.command("admin", {"getParameter": "*"}),
        slowms=int(wire.command("admin", {"profile": -1})["slowms"]),
        memory=int(limit.get("memLimitMB", limit["memSizeMB"])) * MB,
        file=_file(path),
        path=path,
    )


def _file(path: str) -> dict[str, Any] | None:
    """The configuration file as it is now, where it is JSON that we may read."""
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _effective(knob: Knob, default: str, answers: _Answers) -> Effective:
    """The value, and who won: the file as it is now, the start, or somebody meanwhile."""
    native = _native(knob, answers)
    value = default if native is None else knob.canonical(native)
    file = _said(knob, answers.file or {})
    started = _said(knob, answers.started)
    # A file that was written after the start counts for what comes next, not for what is.
    restart = knob.parameter.apply is Apply.RESTART
    pending = restart and answers.file is not None and (file or default) != value
    if file == value:
        source = "configuration file"
    elif started == value:
        source = "configuration at the start" if answers.path else "command line"
    else:
        source = "default" if value == default else "set at run time"
    where = answers.path if source == "configuration file" else ""
    return Effective(
        name=knob.name, value=value, source=source, where=where, pending_restart=pending
    )


def _said(knob: Knob, config: Mapping[str, Any]) -> str | None:
    found = find(config, knob)
    return None if found is None else knob.canonical(found)


def _native(knob: Knob, answers: _Answers) -> Any:
    """The server's own value; None: it says nothing, so it is the default."""
    engine = answers.status["wiredTiger"]
    if knob.spelled == CACHE_KEY:
        return engine["cache"]["maximum bytes configured"] / knob.unit
    if knob.via is Via.ENGINE:
        set_live = parse_engine(str(answers.parameters.get(_RUNTIME, ""))).get(knob.spelled)
        return set_live or find(answers.started, knob)
    if knob.via is Via.PROFILE:
        return answers.slowms
    if knob.name.startswith("wiredTigerConcurrent"):
        # The parameter itself also shows values that were refused.
        kind = "read" if "Read" in knob.name else "write"
        return engine["concurrentTransactions"][kind]["totalTickets"]
    if knob.via is Via.SET_PARAMETER:
        return answers.parameters.get(knob.spelled)
    return find(answers.started, knob)


def _counters(answers: _Answers) -> dict[str, float]:
    engine, status = answers.status["wiredTiger"], answers.status

    def cache(*names: str) -> float:
        return sum(float(engine["cache"].get(name, 0)) for name in names)

    def log(name: str) -> float:
        return float(engine["log"].get(name, 0))

    return {
        "memory_bytes": answers.memory,
        "resident_bytes": status["mem"]["resident"] * MB,
        "connections": status["connections"]["current"],
        "cache_bytes": cache("maximum bytes configured"),
        "cache_used_bytes": cache("bytes currently in the cache"),
        "cache_dirty_bytes": cache("tracked dirty bytes in the cache"),
        "pages_evicted": cache("modified pages evicted", "unmodified pages evicted"),
        "pages_evicted_by_clients": cache("pages evicted by application threads"),
        "pages_read": cache("pages read into cache"),
        "pages_requested": cache("pages requested from the cache"),
        "journal_bytes": log("log bytes written"),
        "journal_payload_bytes": log("log bytes of payload data"),
        "journal_syncs": log("log sync operations"),
    }


def _set(wire: Wire, knob: Knob, text: str) -> None:
    native = knob.native(text)
    if knob.via is Via.PROFILE:
        # A level of -1 leaves the profiler itself alone, but changes nothing else either.
        level = int(wire.command("admin", {"profile": -1})["was"])
        command = {"profile": level, knob.spelled: native}
    else:
        command = {"setParameter": 1, knob.spelled: native}
    with _naming(f"{knob.name}={text}"):
        wire.command("admin", command)


def _engine_value(knob: Knob, text: str) -> str:
    if knob.spelled == CACHE_KEY:
        return f"{int(units.parse(Kind.BYTES, text)) // MB}M"
    return str(knob.native(text))


def _set_engine(wire: Wire, settings: Mapping[str, str], names: Sequence[str]) -> None:
    before = str(wire.command("admin", {"getParameter": 1, _RUNTIME: 1})[_RUNTIME])
    text = engine_text({**parse_engine(before), **settings})
    with _naming(" and ".join(names)):
        wire.command("admin", {"setParameter": 1, _RUNTIME: text})


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise DevstackError(f"MongoDB refuses {what}: {redact(error.message)}") from None


def _problems(values: Values, machine: Machine) -> Iterator[Problem]:
    def size(number: float) -> str:
        return f"{number / MB:,.0f} MB"

    cache = int(units.parse(Kind.BYTES, values["wiredTigerCacheSizeGB"]))
    name = "wiredTigerCacheSizeGB"
    if cache < LEAST_CACHE:
        yield Problem("mongodb", name, f"mongod does not start below {size(LEAST_CACHE)}")
    elif cache > machine.memory_bytes:
        yield Problem(
            "mongodb",
            name,
            f"{size(cache)} is more than the {size(machine.memory_bytes)} of {machine.memory_from}",
        )
    journal = values.get("wiredTigerJournalCompressor", "snappy")
    if journal in ("zlib", "zstd"):
        yield Problem(
            "mongodb",
            "wiredTigerJournalCompressor",
            f"{journal} costs CPU for every write: with zstd bulk inserts were 14 to 25 % slower",
            fatal=False,
        )
    target = int(values.get("eviction_dirty_target", "5"))
    trigger = int(values.get("eviction_dirty_trigger", "20"))
    if target >= trigger:
        yield Problem(
            "mongodb",
            "eviction_dirty_target",
            f"WiredTiger wants it below eviction_dirty_trigger, which is {trigger}",
        )
    if units.parse(Kind.DURATION, values.get("syncdelay", "1min")) == 0:
        yield Problem(
            "mongodb",
            "syncdelay",
            "without checkpoints the journal grows without end, and a start replays all of it",
            fatal=False,
        )
    if values.get("ttlMonitorEnabled") == "off":
        yield Problem(
            "mongodb", "ttlMonitorEnabled", "documents that expire stay for ever", fatal=False
        )
    network = values.get("networkMessageCompressors", "disabled")
    wrong = [word for word in network.split(",") if word not in COMPRESSORS[1:]]
    if network != "disabled" and wrong:
        yield Problem(
            "mongodb",
            "networkMessageCompressors",
            f"{wrong[0]!r} is none of {', '.join(COMPRESSORS[1:])}, or `disabled` alone",
        )


TUNABLES: Tunables = MongodbTunables()
