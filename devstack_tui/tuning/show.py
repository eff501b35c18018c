"""One look at every parameter of a stack: what is effective, who won, and what could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.registry import services as all_services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.tunable import (
    DEFAULT,
    Advice,
    Apply,
    Effective,
    Kind,
    Parameter,
    Problem,
    Reading,
    Share,
)
from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.history import History
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.redact import brief, redact
from devstack_tui.stack import parameter_apply
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store, parameter_values
from devstack_tui.state.parameter_store import StoredParameters
from devstack_tui.state.parameter_values import reading
from devstack_tui.tuning import profiles, rules
from devstack_tui.tuning.catalogue import known, tunable, tunable_services
from devstack_tui.tuning.events import Budget, CostReport, HistoryRow, Row, Show
from devstack_tui.tuning.profiles import BASELINE, Profile

COST = "cost"
"""The kind of a measured cost in the stack's history; its document is a `CostReport`."""
DEVELOPMENT_ONLY = "for development only"
_UNITS = {Kind.BYTES: "bytes", Kind.DURATION: "ms"}


UNFINISHED = "by a `tune` that has not ended: if it was interrupted, the next change takes it back"


@dataclass(frozen=True, slots=True)
class _ShowContext:
    """What is known beside what the servers report: `homes` are the directories of their services,
    as these know them; `costs` by `service.name=value`; `unfinished` as in `parameter_apply`."""

    paths: StackPaths
    homes: Mapping[str, str]
    store: StoredParameters
    profiles: Sequence[Profile]
    costs: Mapping[str, str]
    unfinished: frozenset[str]


def look(stack: Stack, services: Sequence[str] = (), *, durable: bool = False) -> Show:
    """Read the running services that can be tuned, or those that are named. Blocks.

    The others count in the memory budget by what the stack sets for them. A service that does
    not answer is in `down`, with its parameters from knowledge alone. `durable` leaves what a
    crash could lose out of the advice. Raises `UsageError` for a wrong name.
    """
    members = stack.selected()
    wanted = {tunable(name).name for name in services}
    chosen = [s for s in tunable_services() if s.name in (wanted or members)]
    engine = stack.engine()
    store = parameter_store.read(stack.paths)
    readings, down = _read(engine, chosen)
    machine = engine.limits()
    loaded, unread = profiles.load_all(engine)
    broken = [
        Problem("", "", f"profile {name}: {reason}", fatal=False) for name, reason in unread.items()
    ]
    homes = {service.name: engine.files(service).path() for service in chosen}
    unfinished = parameter_apply.unfinished(stack.paths)
    beside = _ShowContext(stack.paths, homes, store, loaded, _costs(stack), unfinished)
    rows: list[Row] = []
    catalogue: list[Parameter] = []
    for service in chosen:
        reading = readings.get(service.name) or Reading(
            tuple(known(engine, service.name).values()), {}
        )
        catalogue += reading.parameters
        values = {name: one.value for name, one in reading.effective.items() if not one.nodes}
        for parameter in reading.parameters:
            found = reading.effective.get(parameter.name)
            rows.append(_row(beside, parameter, found, values))
    show = Show(
        stack=stack.name,
        parameters=tuple(rows),
        catalogue=tuple(catalogue),
        profiles=tuple(one.name for one in loaded),
        down=down,
        counters={
            # A driver may have its own class of numbers.
            name: {key: float(value) for key, value in reading.counters.items()}
            for name, reading in readings.items()
        },
        options={service.name: engine.target(service).options for service in chosen},
        memory_bytes=machine.memory_bytes,
        cores=machine.cores,
        history=history(store),
        # What cannot be judged from the catalogue: measured, or by the settings of the stack.
        budget=Budget(
            machine.memory_bytes, machine.memory_from, 0, 0, _others(stack, engine, chosen, store)
        ),
    )
    budget, problems = rules.judge(show, {})
    return msgspec.structs.replace(
        show, budget=budget, problems=(*broken, *problems), advice=_advise(show, engine, durable)
    )


def _read(engine: Engine, chosen: Sequence[Service]) -> tuple[dict[str, Reading], dict[str, str]]:
    """The reading of every service that answers, and why the others do not. All at once."""

    def one(service: Service) -> Reading | str:
        units = engine.units(service)
        if not units:
            return f"{service.name} is stopped"
        try:
            part = service.tunables()
            assert part is not None  # chosen among those that have it
            found = part.read(engine.target(service), engine.locate(service), engine.files(service))
            limit = engine.limits(service).open_files
            return parameter_values.with_open_files(found, limit)
        except DevstackError as error:
            return error.message
        except Exception as error:  # a driver's own class: the server does not answer
            reason = brief(redact(str(error).strip().partition("\n")[0]))
            return engine.exit_reason(service) or f"{type(error).__name__}: {reason}"

    if not chosen:
        return {}, {}
    with ThreadPoolExecutor(len(chosen), thread_name_prefix="tunables") as pool:
        answers = dict(zip((s.name for s in chosen), pool.map(one, chosen), strict=True))
    readings = {name: answer for name, answer in answers.items() if isinstance(answer, Reading)}
    return readings, {name: str(a) for name, a in answers.items() if isinstance(a, str)}


def _row(
    beside: _ShowContext,
    parameter: Parameter,
    found: Effective | None,
    others: Mapping[str, str],
) -> Row:
    store = beside.store
    mine = store.values.get(parameter.service, {}).get(parameter.name)
    if found is not None and mine is None and found.source == "set at run time":
        # A value that was given back while the server runs is as it comes: nobody has won it.
        found = _as_it_comes(parameter, found)
    service, name = parameter.service, parameter.name
    pending = store.pending.get(service, {}).get(name)
    effective = found.value if found else ""
    given = {one.name: one.values.get(service, {}).get(name) for one in beside.profiles}
    home = beside.homes[service]
    foreign = parameter_values.overruled(parameter, mine, found, home) if found else ""
    halfway = bool(foreign) and parameter.key in beside.unfinished
    is_relaxed = found is not None and parameter_values.relaxed_anywhere(parameter, found, others)
    target = parameter.default if pending == DEFAULT else pending
    return Row(
        service=service,
        name=name,
        effective=effective,
        source=found.source if found else "not running",
        pending=pending,
        default=parameter.default,
        apply=parameter.apply.value,
        durability=parameter.durability,
        baseline=given.get(BASELINE),
        profiles={k: text for k, text in given.items() if text is not None and k != BASELINE},
        tuned=mine,
        set_by=store.set_by.get(parameter.key, ""),
        understood=reading(store.written.get(parameter.key, pending or ""), pending or ""),
        lives=_lives(beside.paths, found, mine),
        changed=mine is not None or bool(foreign),
        relaxed=is_relaxed,
        restart=parameter.apply is Apply.RESTART
        and target is not None
        and not parameter_values.same(parameter, target, effective),
        warning=_warning(parameter, found, UNFINISHED if halfway else foreign, is_relaxed),
        elsewhere="" if halfway else foreign,
        unit=_UNITS.get(parameter.kind, ""),
        help=parameter.help,
        cost=beside.costs.get(f"{parameter.key}={effective}", ""),
    )


def _as_it_comes(parameter: Parameter, found: Effective) -> Effective:
    if found.nodes or not parameter_values.same(parameter, parameter.default, found.value):
        return found
    return msgspec.structs.replace(found, source="default", where="")


def _lives(paths: StackPaths, found: Effective | None, mine: str | None) -> str:
    """Where the value that won is kept."""
    if mine is not None:
        written = f", written to {found.where}" if found and found.where else ""
        return f"{parameter_store.path_of(paths)}{written}"
    if found is None or not found.where:
        return "in the server" if found is None or found.source == "default" else found.source
    return found.where


def _warning(parameter: Parameter, found: Effective | None, foreign: str, is_relaxed: bool) -> str:
    notes = []
    if found is not None and found.nodes:
        notes.append(parameter_values.describe(found))
    elif foreign == UNFINISHED:
        notes.append(foreign)
    elif foreign:
        notes.append(f"changed by somebody else: {foreign}")
    elif found is not None and found.source.startswith(parameter_values.LOWERED):
        notes.append(f"{found.source}: raise that by `ulimit -n`, then restart it")
    elif found is not None and found.pending_restart:
        notes.append("waits for a restart")
    if is_relaxed:
        notes.append(f"{DEVELOPMENT_ONLY}: {parameter.durability}")
    return "; ".join(notes)


def _others(
    stack: Stack, engine: Engine, chosen: Sequence[Service], store: StoredParameters
) -> tuple[Share, ...]:
    """What the services take that are not looked at: measured where nothing else is known."""
    shares: list[Share] = []
    asked = {service.name for service in chosen}
    for service in all_services():
        if service.name not in stack.selected() or service.name in asked:
            continue
        part, parameters = service.tunables(), known(engine, service.name)
        if part is not None and parameters:
            mine = store.values.get(service.name, {})
            full = {name: mine.get(name, p.default) for name, p in parameters.items()}
            shares += part.memory(full, engine.target(service).options)
            continue
        if usage := engine.usage(service):
            used = sum(one.memory_bytes or 0 for one in usage.values())
            shares.append(Share(service.name, "measured", used))
    return tuple(shares)


def _costs(stack: Stack) -> dict[str, str]:
    """The last measured sentence for each `service.name=value` that it was measured with."""
    found: dict[str, str] = {}
    try:
        for row in reversed(History.of(stack.paths).list(COST, limit=200)):
            report = codec.decode(row.document, CostReport)
            found.update({f"{report.service}.{one}": report.sentence for one in report.relaxed})
    except (DevstackError, ValueError):
        return {}  # `tune cost` reports a history that cannot be read
    return found


def _advise(show: Show, engine: Engine, durable: bool) -> tuple[Advice, ...]:
    """What the limits and the counters call for, of the services that answered."""
    advice: list[Advice] = []
    for service in tunable_services():
        part = service.tunables()
        if part is not None and service.name in show.counters:
            mine = [row for row in show.parameters if row.service == service.name]
            effective = {row.name: row.effective or row.default for row in mine}
            counters = show.counters[service.name]
            advice += part.advise(effective, engine.limits(service), counters, durable)
    return tuple(advice)


def history(store: StoredParameters) -> tuple[HistoryRow, ...]:
    """What was applied, oldest first."""
    return tuple(
        HistoryRow(entry.number, entry.at, entry.by, entry.values, entry.undone, entry.sources)
        for entry in store.history
    )
