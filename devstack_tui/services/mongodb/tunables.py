"""MongoDB's tunable part: what mongod works with, and how that is changed while it runs.

WiredTiger's own settings go through `wiredTigerEngineRuntimeConfig`. mongod keeps the last text
that was set and nothing else reports them, so every change repeats what was in the text before.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service_files import ServiceFiles, own_name
from devstack_tui.contracts.tunable import Apply, Effective, Kind, Parameter, Reading, Tunables
from devstack_tui.core import units
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.mongodb import advice
from devstack_tui.services.mongodb.config_syntax import engine_text, find, parse_engine, server_name
from devstack_tui.services.mongodb.wire import Refused, Wire
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_advice import RuleBasedTunables
from devstack_tui.state.parameter_values import from_server, server_unit, to_server

MB = 1 << 20
TIMEOUT_S = 5.0
_CACHE = "wiredTigerCacheSizeGB"
_WIREDTIGER, _PROFILE = "wiredTiger", "profile"
"""The commands of parameters; the others are mongod's own (`setParameter`)."""
_RUNTIME = "wiredTigerEngineRuntimeConfig"


class _Answers(msgspec.Struct, frozen=True):
    """What mongod answered in one session, and what its configuration file holds (None: unread)."""

    status: dict[str, Any]
    started: dict[str, Any]
    parameters: dict[str, Any]
    slowms: int
    memory: int
    file: dict[str, Any] | None
    path: str


class MongodbTunables(RuleBasedTunables):
    """See `devstack_tui.contracts.tunable.Tunables`."""

    rules = advice.RULES

    def parameters(self, installation: Installation) -> tuple[Parameter, ...]:
        """See the Protocol. The cache's default comes from the memory of this machine."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return _catalogue(installation, memory)

    def read(self, target: Target, installation: Installation, files: ServiceFiles) -> Reading:
        """See the Protocol. The cache's default comes from the memory that mongod sees."""
        with _session(target) as wire:
            answers = _ask(wire, files)
        parameters = _catalogue(installation, answers.memory)
        effective = {found.name: _effective(found, answers) for found in parameters}
        return Reading(parameters, effective, _counters(answers))

    def set_live(
        self, target: Target, parameters: Sequence[Parameter], values: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """See the Protocol."""
        with _session(target) as wire:
            engine: dict[str, str] = {}
            for parameter in parameters:
                text = values[parameter.name] or parameter.default
                if parameter.server.command == _WIREDTIGER:
                    engine[server_name(parameter)] = _engine_value(parameter, text)
                else:
                    _set(wire, parameter, text)
            if engine:
                names = [p.name for p in parameters if p.server.command == _WIREDTIGER]
                _set_engine(wire, engine, names)
        return ()


def default_cache(memory: int) -> int:
    """What mongod takes for its cache by itself: half of the memory above 1 GB, 256 MB at least."""
    return max(advice.LEAST_CACHE, (memory // MB - 1024) // 2 * MB)


def _catalogue(installation: Installation, memory: int) -> tuple[Parameter, ...]:
    cache = units.show(Kind.BYTES, default_cache(memory))
    known = parameter_catalogue.parameters("mongodb", installation)
    return parameter_catalogue.with_fields(known, {_CACHE: {"default": cache}})


@contextlib.contextmanager
def _session(target: Target) -> Iterator[Wire]:
    """A session of our own account, whose failures are sentences."""
    try:
        ours = target.as_admin().credentials
        with Wire(target, TIMEOUT_S) as wire:
            wire.login(ours.user, ours.password)
            yield wire
    except OSError as error:
        raise UnreachableError(
            f"MongoDB cannot be reached: {redact(str(error))}", "`devstack-tui up mongodb`"
        ) from None


def _ask(wire: Wire, files: ServiceFiles) -> _Answers:
    started = dict(wire.command("admin", {"getCmdLineOpts": 1}).get("parsed", {}))
    path = str(started.get("config", ""))
    limit = wire.command("admin", {"hostInfo": 1})["system"]
    return _Answers(
        status=wire.command("admin", {"serverStatus": 1}),
        started=started,
        parameters=wire.command("admin", {"getParameter": "*"}),
        slowms=int(wire.command("admin", {"profile": -1})["slowms"]),
        memory=int(limit.get("memLimitMB", limit["memSizeMB"])) * MB,
        file=_file(files, path),
        path=path,
    )


def _file(files: ServiceFiles, path: str) -> dict[str, Any] | None:
    """The configuration file as it is now, where it is JSON that we may read."""
    try:
        found = json.loads(files.read(own_name(files, path)))
    except (OSError, ValueError, DevstackError):
        return None
    return found if isinstance(found, dict) else None


def _effective(parameter: Parameter, answers: _Answers) -> Effective:
    """The value, and who won: the file as it is now, the start, or somebody meanwhile."""
    default = parameter.default
    native = _native(parameter, answers)
    value = default if native is None else from_server(parameter, native)
    file = _configured(parameter, answers.file or {})
    started = _configured(parameter, answers.started)
    # A file that was written after the start counts for what comes next, not for what is.
    restart = parameter.apply is Apply.RESTART
    pending = restart and answers.file is not None and (file or default) != value
    if file == value:
        source = "configuration file"
    elif started == value:
        source = "configuration at the start" if answers.path else "command line"
    else:
        source = "default" if value == default else "set at run time"
    where = answers.path if source == "configuration file" else ""
    return Effective(
        name=parameter.name, value=value, source=source, where=where, pending_restart=pending
    )


def _configured(parameter: Parameter, config: Mapping[str, Any]) -> str | None:
    found = find(config, parameter)
    return None if found is None else from_server(parameter, found)


def _native(parameter: Parameter, answers: _Answers) -> Any:
    """The server's own value; None: it says nothing, so it is the default."""
    engine = answers.status["wiredTiger"]
    if parameter.name == _CACHE:
        return engine["cache"]["maximum bytes configured"] / server_unit(parameter)
    command = parameter.server.command
    if command == _WIREDTIGER:
        changed = parse_engine(str(answers.parameters.get(_RUNTIME, "")))
        return changed.get(server_name(parameter)) or find(answers.started, parameter)
    if command == _PROFILE:
        return answers.slowms
    if parameter.name.startswith("wiredTigerConcurrent"):
        # The parameter itself also shows values that were refused.
        kind = "read" if "Read" in parameter.name else "write"
        return engine["concurrentTransactions"][kind]["totalTickets"]
    if command:
        return answers.parameters.get(server_name(parameter))
    return find(answers.started, parameter)


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
        "documents_inserted": status["opcounters"]["insert"],
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


def _set(wire: Wire, parameter: Parameter, text: str) -> None:
    command: dict[str, Any] = {"setParameter": 1}
    if parameter.server.command == _PROFILE:
        # A level of -1 leaves the profiler itself alone, but changes nothing else either.
        command = {"profile": int(wire.command("admin", {"profile": -1})["was"])}
    with _naming(f"{parameter.name}={text}"):
        wire.command("admin", {**command, server_name(parameter): to_server(parameter, text)})


def _engine_value(parameter: Parameter, text: str) -> str:
    if parameter.name == _CACHE:
        return f"{int(units.parse(Kind.BYTES, text)) // MB}M"
    return str(to_server(parameter, text))


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


TUNABLES: Tunables = MongodbTunables()
