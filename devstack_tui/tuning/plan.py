"""What an apply will do, and why it refuses: decided before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from devstack_tui.contracts.engine import Feature
from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.tunable import DEFAULT, Apply, Effective, Parameter, Problem
from devstack_tui.core.errors import UnreachableError, UsageError
from devstack_tui.core.lock import StackLock
from devstack_tui.stack.busy import require_none
from devstack_tui.stack.recovery import lock_of
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store, parameter_values
from devstack_tui.state.parameter_store import StoredParameters, Table
from devstack_tui.tuning import rules
from devstack_tui.tuning.catalogue import tunable
from devstack_tui.tuning.events import Change, Row, Show, TunePlanned
from devstack_tui.tuning.show import DEVELOPMENT_ONLY, look

T = TypeVar("T")

Wanted = Mapping[str, Mapping[str, str | None]]
"""Texts by service and parameter. None, and `default`: as the server comes."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an apply is meant. `replace`: the services that are named get exactly what is wanted.
    `force`: somebody else's changes are no obstacle; of the parameters that are named, they are
    taken over. `restart`: restart them in any case. `record`: it is to stay, also where a service
    is stopped and gets it with its next start."""

    by: str
    replace: bool = False
    force: bool = False
    record: bool = True
    restart: bool = False


@dataclass(frozen=True, slots=True)
class PreparedApply:
    """An apply that may begin: `restarts` are the services that need one; `before` and `after`
    the store, without the entry of the history. `stopped` are those that will find their values in
    the store when they start."""

    planned: TunePlanned
    show: Show
    before: StoredParameters
    after: StoredParameters
    restarts: frozenset[str]
    options: Options
    stopped: frozenset[str] = frozenset()

    @property
    def running(self) -> tuple[str, ...]:
        """The services that are changed now, in the order of their change."""
        return tuple(name for name in self.services if name not in self.stopped)

    @property
    def later(self) -> str:
        """When the stopped services will use what changes, in a sentence; empty without any."""
        names = " ".join(name for name in self.services if name in self.stopped)
        return f"used at the next `devstack-tui up {names}`" if names else ""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are touched, in the order of their change."""
        touched = {change.service for change in self.planned.changes} | self.restarts
        return tuple(service.name for service in services() if service.name in touched)

    def wanted(self, service: str) -> dict[str, str | None]:
        """What changes of one service."""
        return {c.parameter: c.after for c in self.planned.changes if c.service == service}


def prepare(stack: Stack, wanted: Wanted, options: Options) -> PreparedApply:
    """Decide what changes, or refuse with the parameter, the limit and its source. Blocks.

    A service that is stopped, or cannot start, is changed in the store alone. Raises `UsageError`
    for what cannot be, `UnreachableError` for a service that runs and does not answer, and
    `DevstackError` while a drill runs, unless forced.
    """
    for name in wanted:
        tunable(name)
    _require_right(stack)
    if not options.force:
        require_none(stack.paths, "drill")
    before = parameter_store.read(stack.paths)
    if not wanted:
        return _prepared(stack, Show(stack=stack.name, parameters=()), before, {}, options)
    show = look(stack, tuple(wanted))
    stopped = frozenset(name for name in show.down if not any_runs(stack, name))
    for name, reason in show.down.items():
        if name not in stopped or not options.record:
            raise UnreachableError(f"nothing was changed: {reason}", ending(name))
    _require_needed(stack, [name for name in wanted if name not in stopped])
    written = {name: own_names(show, before, name, given) for name, given in wanted.items()}
    checked = {
        service: {name: _text(canonical(show, service, name, text)) for name, text in given.items()}
        for service, given in written.items()
    }
    if not options.force:
        _refuse_strangers(show, checked)
    if options.replace:
        for service, given in checked.items():
            for name in before.values.get(service, {}):
                given.setdefault(name, None)
    prepared = _prepared(stack, show, before, checked, options, stopped=stopped)
    _refuse_problems(prepared)
    changes = tuple(_with_reading(change, written) for change in prepared.planned.changes)
    planned = msgspec.structs.replace(prepared.planned, changes=changes)
    return replace(prepared, planned=planned)


def _with_reading(change: Change, written: Wanted) -> Change:
    """The change with how what was written for it was understood."""
    text = written[change.service].get(change.parameter)
    if text is None:
        return change
    understood = parameter_values.reading(text, change.after or DEFAULT)
    return msgspec.structs.replace(change, understood=understood)


def any_runs(stack: Stack, name: str) -> bool:
    """Whether a unit of the service runs, answering or not."""
    return any(unit.running for unit in stack.engine().units(service_named(name)))


def ending(name: str) -> str:
    """What to do about a service that runs and does not answer."""
    return f"`devstack-tui restart {name}`, or `devstack-tui down {name}` first"


def own_names(
    show: Show, store: StoredParameters, service: str, given: Mapping[str, T]
) -> dict[str, T]:
    """`given` by the names that the server itself uses. What the store sets can be set to
    the default, although this server knows no such parameter. Raises as `rules.by_own_names`."""
    known = {p.name for p in show.catalogue if p.service == service}
    gone = store.values.get(service, {}).keys() - known
    unknown = {k: text for k, text in given.items() if k in gone and text in (None, DEFAULT)}
    rest = {k: text for k, text in given.items() if k not in unknown}
    return {**(rules.by_own_names(show, service, rest) if rest else {}), **unknown}


def canonical(show: Show, service: str, name: str, text: str | None) -> str:
    """The canonical form of what is wanted by `own_names`. Raises as `rules.validate` does."""
    if text in (None, DEFAULT):
        return DEFAULT
    return rules.validate(show, service, name, text)


def _text(canonical: str) -> str | None:
    return None if canonical == DEFAULT else canonical


def _require_right(stack: Stack) -> None:
    if stack.instance() is None:
        raise UnreachableError(f"the stack {stack.name!r} was never started", "devstack-tui up")
    if not os.access(stack.paths.root, os.W_OK):
        raise UsageError(
            f"no right to change the stack {stack.name!r}: {stack.paths.root} belongs to "
            "another user",
            "run as the user that started it",
        )
    stack.engine().require(Feature.CONFIGURE)
    owner = StackLock.holder(lock_of(stack.paths, "tune"))
    if owner is not None and owner.pid != os.getpid():
        raise UsageError(
            f"`{owner.verb}` (pid {owner.pid}) measures with its own values now",
            "wait for its end, or end it",
        )


def _require_needed(stack: Stack, wanted: Iterable[str]) -> None:
    """What a service needs to be configured must run as well."""
    engine = stack.engine()
    for name in wanted:
        for required in service_named(name).requires:
            units = engine.units(service_named(required))
            if not units or not all(unit.running for unit in units):
                raise UnreachableError(
                    f"nothing was changed: {name} needs {required}, which is down",
                    f"devstack-tui up {required}",
                )


def _refuse_strangers(show: Show, checked: Mapping[str, object]) -> None:
    """Somebody else's change is neither overwritten nor built upon unseen."""
    for row in show.parameters:
        if row.service in checked and row.elsewhere:
            raise UsageError(
                f"nothing was changed, for somebody else did: {row.elsewhere}",
                "undo that, or go on with --force: a parameter that you name is taken over",
            )


def _refuse_problems(prepared: PreparedApply) -> None:
    if all(change.after is None for change in prepared.planned.changes):
        return  # what is wrong then is not of these changes, and they are the way out of it
    fatal = [p for p in _problems(prepared) if p.fatal]
    if fatal:
        more = "; ".join(rules.sentence(problem) for problem in fatal[1:])
        raise UsageError(
            f"nothing was changed: {rules.sentence(fatal[0])}", more or "choose other values"
        )


def _problems(prepared: PreparedApply) -> tuple[Problem, ...]:
    overlay = {
        service: {name: text or DEFAULT for name, text in prepared.wanted(service).items()}
        for service in prepared.services
    }
    return rules.judge(prepared.show, overlay)[1] if prepared.show.catalogue else ()


def _prepared(
    stack: Stack,
    show: Show,
    before: StoredParameters,
    checked: Mapping[str, Mapping[str, str | None]],
    options: Options,
    *,
    stopped: frozenset[str] = frozenset(),
) -> PreparedApply:
    rows = {(row.service, row.name): row for row in show.parameters}
    changes: list[Change] = []
    restarts = set(checked) if options.restart else set()
    for parameter in show.catalogue:
        given = checked.get(parameter.service, {})
        if parameter.name not in given:
            continue
        row = rows[parameter.service, parameter.name]
        former, after = row.tuned, given[parameter.name]
        if former == after and not (options.force and row.elsewhere):
            continue
        changes.append(_change(parameter, former, after))
        if parameter.apply is Apply.RESTART and _differs(parameter, row, after):
            restarts.add(parameter.service)
    changes += _unknown(show, before, checked)
    restarts -= stopped
    planned = TunePlanned(stack.name, options.by, tuple(changes), ())
    prepared = PreparedApply(
        planned=planned,
        show=show,
        before=before,
        after=credited(_after(before, changes, options.by), checked, options),
        restarts=frozenset(restarts),
        options=options,
        stopped=stopped,
    )
    steps, warnings = tuple(_steps(prepared)), tuple(_warnings(prepared))
    planned = msgspec.structs.replace(planned, steps=steps, warnings=warnings)
    return replace(prepared, planned=planned)


def _unknown(
    show: Show, before: StoredParameters, checked: Mapping[str, Mapping[str, str | None]]
) -> Iterator[Change]:
    """What goes back to the default of a server that knows no such parameter."""
    known = {(parameter.service, parameter.name) for parameter in show.catalogue}
    for service, given in checked.items():
        for name in given:
            if (service, name) not in known:
                former = before.values[service][name]
                yield Change(service, name, former, None, Apply.RESTART.value)


def _change(parameter: Parameter, before: str | None, after: str | None) -> Change:
    text = parameter.default if after is None else after
    return Change(
        service=parameter.service,
        parameter=parameter.name,
        before=before,
        after=after,
        apply=parameter.apply.value,
        durability=parameter.durability if parameter_values.relaxed(parameter, text) else "",
    )


def _differs(parameter: Parameter, row: Row, after: str | None) -> bool:
    """Whether the server must be restarted to run with `after`."""
    if after is None and row.tuned is not None:
        return not parameter_values.same(parameter, row.tuned, parameter.default)
    found = Effective(name=row.name, value=row.effective, source=row.source)
    return not parameter_values.in_effect(parameter, after, found)


def _after(before: StoredParameters, changes: list[Change], by: str) -> StoredParameters:
    table: Table = {service: dict(given) for service, given in before.values.items()}
    pending: Table = {service: dict(given) for service, given in before.pending.items()}
    set_by = dict(before.set_by)
    for change in changes:
        key = f"{change.service}.{change.parameter}"
        mine = table.setdefault(change.service, {})
        mine.pop(change.parameter, None)
        set_by.pop(key, None)
        if change.after is not None:
            mine[change.parameter] = change.after
            set_by[key] = by
        waiting = pending.get(change.service, {})
        if waiting.get(change.parameter) == (change.after or DEFAULT):
            del waiting[change.parameter]
    return msgspec.structs.replace(before, values=table, set_by=set_by, pending=pending)


def credited(
    after: StoredParameters, wanted: Mapping[str, Mapping[str, str | None]], options: Options
) -> StoredParameters:
    """`after` with every value that is `wanted` credited to who wants it, also where it was the
    same before: who set it last is who would have to be asked about it."""
    if not options.record:
        return after
    now = {
        f"{service}.{name}": options.by
        for service, given in wanted.items()
        for name in given.keys() & after.values.get(service, {}).keys()
    }
    return msgspec.structs.replace(after, set_by=after.set_by | now)


def _steps(prepared: PreparedApply) -> Iterator[str]:
    for service in prepared.services:
        names = ", ".join(
            f"{c.parameter}={c.after or DEFAULT}"
            for c in prepared.planned.changes
            if c.service == service
        )
        how = "restart it once" if service in prepared.restarts else "change it while it runs"
        how = "it does not run: keep it for its start" if service in prepared.stopped else how
        yield f"{service}: {how}: {names or 'nothing changes'}"
    if prepared.running:
        yield "read every value back in a fresh session; what does not take is undone"


def _warnings(prepared: PreparedApply) -> Iterator[str]:
    for change in prepared.planned.changes:
        if change.durability:
            value = change.after or DEFAULT
            yield (
                f"{change.service}.{change.parameter}={value} is {DEVELOPMENT_ONLY}: "
                f"{change.durability}"
            )
    yield from (rules.sentence(problem) for problem in _problems(prepared) if not problem.fatal)
