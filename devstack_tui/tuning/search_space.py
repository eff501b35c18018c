"""What a search may try for one service: the candidates, and which values are let in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from devstack_tui.contracts.tunable import DEFAULT, Advice, Apply, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_values
from devstack_tui.tuning import profiles, rules
from devstack_tui.tuning.ab_arms import Settings
from devstack_tui.tuning.ab_sides import (
    parameters_of,
    require_member,
    require_possible,
    settings_of,
)
from devstack_tui.tuning.catalogue import tunable
from devstack_tui.tuning.events import Show
from devstack_tui.tuning.halving import Candidate
from devstack_tui.tuning.profiles import BASELINE, DURABLE, OPTIMIZED
from devstack_tui.tuning.search import Admit, single_changes
from devstack_tui.tuning.show import look


class Space(msgspec.Struct, frozen=True):
    """What is searched: every arm has a value for each parameter of `base`. `sets` and `singles`
    are changes to it."""

    service: str
    show: Show
    base: dict[str, str | None]
    optimized: dict[str, str | None]
    sets: list[Candidate]
    singles: list[Candidate]

    @property
    def parameters(self) -> dict[str, Parameter]:
        return parameters_of(self.show, self.service)

    @property
    def restarts(self) -> frozenset[str]:
        """The parameters that need a restart."""
        return frozenset(n for n, p in self.parameters.items() if p.apply is Apply.RESTART)

    def whole(self, changes: Settings) -> dict[str, str | None]:
        """The baseline with these changes."""
        return {**self.base, **changes}


def space_of(stack: Stack, service: str, durable: bool, force: bool = False) -> Space:
    """The candidates for one service of a running stack. Blocks.

    Raises `UsageError` for a service without parameters and `UnreachableError` for one that is
    down.
    """
    tunable(service)
    require_member(stack, service)
    base = settings_of(stack, service, BASELINE)
    require_possible(stack, service, [base], force=force)
    show = look(stack, [service], durable=durable)
    sets = {
        name: settings_of(stack, service, name)
        for name in (OPTIMIZED, DURABLE)
        if name in profiles.names()
    }
    return space_from(show, service, base, sets, durable)


def space_from(
    show: Show, service: str, base: Settings, sets: Mapping[str, Settings], durable: bool
) -> Space:
    """The candidates by a look at the service, its baseline and other whole profiles.

    `durable` leaves every value out that a crash could lose something by.
    """
    parameters = parameters_of(show, service)

    def plain(given: Settings) -> dict[str, str | None]:
        """A value that is the server's default anyway as that default: no change, not tried."""
        return {
            name: None if text and parameter_values.same(p, text, p.default) else text
            for name, text in given.items()
            for p in [parameters.get(name)]
            if p is not None
        }

    def allowed(parameter: Parameter, text: str) -> bool:
        return not (durable and parameter_values.relaxed(parameter, text))

    def other(parameter: Parameter, text: str) -> bool:
        there = base.get(parameter.name) or parameter.default
        return allowed(parameter, text) and not parameter_values.same(parameter, text, there)

    known = parameters.values()
    base = plain(base)
    profile = {name: plain(given) for name, given in sets.items()}
    advice = plain(_advised(show.advice, service))
    together = {**profile.get(OPTIMIZED, {}), **advice}
    whole: dict[str, Settings] = {
        **{f"profile {name}": given for name, given in profile.items()},
        "what the machine calls for": advice,
        "both: the machine's, else optimized": together,
    }
    singles = [Candidate(plain(one.changes), one.why) for one in single_changes(known, other)]
    union = dict.fromkeys(itertools.chain(base, *whole.values(), *(one.changes for one in singles)))
    everything = {name: base.get(name) for name in union}
    found = []
    for why, given in whole.items():
        # A profile is whole: what it does not name is as the server comes, as in an A/B with it.
        changes = {name: given.get(name) for name in everything if name in {*given, *base}}
        kept = {
            name: text
            for name, text in changes.items()
            if allowed(parameters[name], text or parameters[name].default)
        }
        found.append(Candidate({n: t for n, t in kept.items() if t != everything[n]}, why))
    optimized = {name: profile.get(OPTIMIZED, {}).get(name) for name in everything}
    return Space(service, show, everything, optimized, [c for c in found if c.changes], singles)


def _advised(advice: Sequence[Advice], service: str) -> dict[str, str | None]:
    return {one.parameter: one.value for one in advice if one.service == service}


def admission(space: Space) -> Admit:
    """Whether values are within the server's limits, can start, and leave the memory budget no
    fuller than the machine allows, or than the baseline already makes it."""
    worst = rules.judge(space.show, {space.service: _texts(space.base)})[0].worst

    def admit(settings: Settings) -> str:
        texts = _texts(settings)
        try:
            for name, text in texts.items():
                rules.validate(space.show, space.service, name, text)
        except UsageError as error:
            return error.message
        budget, problems = rules.judge(space.show, {space.service: texts})
        if fatal := [problem.message for problem in problems if problem.fatal]:
            return fatal[0]
        if budget.worst > max(budget.limit, worst):
            return (
                f"the stack could take {units.size(budget.worst)}, but there are "
                f"{units.size(budget.limit)}"
            )
        return ""

    return admit


def _texts(settings: Settings) -> dict[str, str]:
    return {name: DEFAULT if text is None else text for name, text in settings.items()}
