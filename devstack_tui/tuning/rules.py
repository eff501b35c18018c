"""What values may be: the server's own limits, one memory budget, combinations that cannot be.

Pure: everything is judged from one `Show`, so that the editor can do it on every keystroke.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from devstack_tui.contracts.registry import service as service_named
from devstack_tui.contracts.tunable import DEFAULT, Parameter, Problem, Share, Tunables
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError, unknown_name
from devstack_tui.core.machine import Machine
from devstack_tui.state.parameter_values import understood
from devstack_tui.tuning.catalogue import parameter as parameter_named
from devstack_tui.tuning.events import Budget, Show

T = TypeVar("T")
Table = Mapping[str, Mapping[str, str]]


def validate(show: Show, service: str, name: str, text: str) -> str:
    """The canonical form of `text` for a parameter, or `default`.

    Raises `UsageError` that names the parameter, the limit, and who sets it.
    """
    return understood(_parameter(show, service, name), text).text


def by_own_names(show: Show, service: str, given: Mapping[str, T]) -> dict[str, T]:
    """`given` by the names that the server itself uses. Raises `UsageError` for an unknown one."""
    found: dict[str, T] = {}
    for name, text in given.items():
        own = _parameter(show, service, name)
        if own.name in found:
            raise UsageError(f"{own.key} is given twice")
        found[own.name] = text
    return found


def _parameter(show: Show, service: str, name: str) -> Parameter:
    parameters = {p.name: p for p in show.catalogue if p.service == service}
    if not parameters:
        known = sorted({p.service for p in show.catalogue})
        raise unknown_name("service that can be tuned", service, known)
    return parameter_named(service, parameters, name)


def judge(show: Show, values: Table) -> tuple[Budget, tuple[Problem, ...]]:
    """What the stack would take, and what is to be feared, if `values` were laid over what is
    effective now. `default` stands for the server's own."""
    machine = _machine(show)
    whole = _whole(show, values)
    shares = list(_measured(show))
    problems: list[Problem] = []
    for name, full in whole.items():
        part = _part(name)
        shares += part.memory(full, show.options.get(name, {}))
        problems += part.problems(full, machine, show.counters.get(name, {}))
    budget = _budget(machine, shares)
    problems += _over(show, values, whole, budget)
    return budget, tuple(problems)


def _machine(show: Show) -> Machine:
    source = show.budget.limit_from if show.budget else "this machine"
    return Machine(show.memory_bytes, show.cores, source)


def _part(name: str) -> Tunables:
    found = service_named(name).tunables()
    assert found is not None  # it is in the catalogue
    return found


def _measured(show: Show) -> Iterable[Share]:
    """The shares of the services that have no entry in the catalogue."""
    known = {parameter.service for parameter in show.catalogue}
    shares = show.budget.shares if show.budget else ()
    return [share for share in shares if share.service not in known]


def _whole(show: Show, values: Table) -> dict[str, dict[str, str]]:
    """Every parameter's value as it would be, by service."""
    whole: dict[str, dict[str, str]] = {}
    effective = {(row.service, row.name): row for row in show.parameters}
    for found in show.catalogue:
        wanted = values.get(found.service, {}).get(found.name)
        row = effective.get((found.service, found.name))
        if wanted is None:
            # A stopped service has no effective values: what it would start with counts.
            wanted = (row.effective or row.tuned) if row else None
        text = found.default if wanted in (None, "", DEFAULT) else str(wanted)
        whole.setdefault(found.service, {})[found.name] = text
    return whole


def _budget(machine: Machine, shares: Iterable[Share]) -> Budget:
    taken = tuple(shares)
    sure = sum(share.bytes for share in taken if not share.worst_only)
    return Budget(
        limit=machine.memory_bytes,
        limit_from=machine.memory_from,
        sure=sure,
        worst=sum(share.bytes for share in taken),
        shares=taken,
    )


def _over(
    show: Show, values: Table, whole: Mapping[str, Mapping[str, str]], budget: Budget
) -> list[Problem]:
    """One problem when the stack does not fit the machine, laid on who adds most to it."""
    if budget.worst <= budget.limit:
        return []
    fatal = budget.sure > budget.limit
    name, parameter, text = _culprit(show, values, whole, fatal)
    taken = budget.sure if fatal else budget.worst
    setting = f"{name}.{parameter}={text}: " if parameter else ""
    when = "takes" if fatal else "could take"
    rest = "" if fatal else " with every connection busy"
    return [
        Problem(
            name,
            parameter,
            f"{setting}the stack {when} {units.size(taken)}{rest}, but there are "
            f"{units.size(budget.limit)} ({budget.limit_from})",
            fatal,
        )
    ]


def _culprit(
    show: Show, values: Table, whole: Mapping[str, Mapping[str, str]], sure: bool
) -> tuple[str, str, str]:
    """The changed parameter without whose change the stack would take least; else the service
    that takes most."""
    effective = {(r.service, r.name): r.effective or r.default for r in show.parameters}
    best, blamed = 0, ("", "", "")
    largest, biggest = 0, ""
    for name, full in whole.items():
        options = show.options.get(name, {})
        taken = _memory_needed(_part(name), full, options, sure)
        if taken > largest:
            largest, biggest = taken, name
        for parameter in values.get(name, {}):
            former = effective.get((name, parameter))
            if former is None or parameter not in full:
                continue
            saved = taken - _memory_needed(_part(name), {**full, parameter: former}, options, sure)
            if saved > best:
                best, blamed = saved, (name, parameter, full[parameter])
    return blamed if best else (biggest, "", "")


def _memory_needed(
    part: Tunables, values: Mapping[str, str], options: Mapping[str, int | str | bool], sure: bool
) -> int:
    return sum(s.bytes for s in part.memory(values, options) if not (sure and s.worst_only))


def sentence(problem: Problem) -> str:
    """The problem with the parameter that it is about."""
    if not problem.parameter or problem.parameter in problem.message:
        return problem.message
    return f"{problem.service}.{problem.parameter}: {problem.message}"
