"""The two sides of an A/B: what each profile means for the service that the workload loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from devstack_tui.contracts.tunable import DEFAULT, Apply, Parameter
from devstack_tui.core.errors import UnreachableError, UsageError, unknown_name
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_values
from devstack_tui.state.parameter_values import folded
from devstack_tui.tuning import profiles
from devstack_tui.tuning.ab_arms import Arm, Settings
from devstack_tui.tuning.events import Change, Show
from devstack_tui.tuning.plan import Options, prepare


class Sides(msgspec.Struct, frozen=True):
    """Both arms over the same parameters, and in which of them they differ."""

    service: str
    a: Arm
    b: Arm
    changes: tuple[Change, ...]
    show: Show

    @property
    def restart(self) -> bool:
        """Whether the service must be restarted before every run."""
        return any(change.apply == Apply.RESTART for change in self.changes)


def sides(
    stack: Stack, service: str, a: str, b: str, *, only: Sequence[str] = (), force: bool = False
) -> Sides:
    """The arms of profiles `a` and `b` for one service. What only one of them names is the
    server's default in the other; with `only`, B is as A in all but those parameters.

    Blocks. Raises `UsageError` for unknown names, for sides that are the same, for values that
    cannot be applied, and `UnreachableError` for a service that is down.
    """
    require_member(stack, service)
    one, other = (settings_of(stack, service, name) for name in (a, b))
    union = [*one, *(name for name in other if name not in one)]
    if not union:
        raise UsageError(
            f"neither {a!r} nor {b!r} says anything about {service}, which the workload loads",
            f"profiles: {', '.join(profiles.names())}",
        )
    own = {folded(name): name for name in union}
    for name in only:
        if folded(name) not in own:
            raise unknown_name(f"parameter of {a} or {b}", name, union)
    only = [own[folded(name)] for name in only]
    arm_a = {name: one.get(name) for name in union}
    arm_b = {name: other.get(name) if not only or name in only else arm_a[name] for name in union}
    show = require_possible(stack, service, (arm_a, arm_b), force=force)
    changes = differences(parameters_of(show, service), arm_a, arm_b)
    if not changes:
        raise UsageError(
            f"{a!r} and {b!r} are the same for {service}: there is nothing to compare",
            "put something into pending with tune set, or name two other profiles",
        )
    return Sides(service, Arm("a", a, arm_a), Arm("b", b, arm_b), changes, show)


def require_member(stack: Stack, service: str) -> None:
    """Raise `UnreachableError` when the stack does not have the service."""
    if service not in stack.selected():
        raise UnreachableError(
            f"the stack {stack.name!r} has no {service}", f"devstack-tui up {service}"
        )


def settings_of(stack: Stack, service: str, name: str) -> dict[str, str | None]:
    """What a profile says about one service. Raises `UsageError` for an unknown profile and for
    one that was made for another version of the server."""
    found = profiles.load_for(stack, name)
    profiles.require_versions(stack.engine(), found, {service: None})
    return {
        parameter: None if text == DEFAULT else text
        for parameter, text in found.values.get(service, {}).items()
    }


def require_possible(
    stack: Stack, service: str, arms: Iterable[Settings], *, force: bool = False
) -> Show:
    """Refuse what could not be applied, before anything is; returns the look that showed it.

    Blocks. Raises as `plan.prepare` does.
    """
    show = Show(stack=stack.name, parameters=())
    for values_of_arm in arms:
        options = Options(by="ab", force=force, record=False)
        show = prepare(stack, {service: values_of_arm}, options).show
    return show


def parameters_of(show: Show, service: str) -> dict[str, Parameter]:
    """The catalogue of one service."""
    return {p.name: p for p in show.catalogue if p.service == service}


def differences(
    parameters: Mapping[str, Parameter], a: Settings, b: Settings
) -> tuple[Change, ...]:
    """The parameters that are not the same on both sides; `durability` where B relaxes it."""
    changes = []
    for name, before in a.items():
        parameter, after = parameters[name], b[name]
        text = _text(parameter, after)
        if not parameter_values.same(parameter, _text(parameter, before), text):
            relaxed = parameter_values.relaxed(parameter, text)
            changes.append(
                Change(
                    parameter.service,
                    name,
                    before,
                    after,
                    parameter.apply.value,
                    parameter.durability if relaxed else "",
                )
            )
    return tuple(changes)


def relaxed_of(show: Show, service: str, overlay: Settings) -> tuple[str, ...]:
    """`name=value` of every parameter that is relaxed in durability once `overlay` is in effect,
    whether the overlay sets it or not."""
    effective = {row.name: row.effective for row in show.parameters if row.service == service}
    parameters = parameters_of(show, service)
    values = {
        name: _text(parameter, overlay[name])
        if name in overlay
        else effective.get(name) or parameter.default
        for name, parameter in parameters.items()
    }
    return tuple(
        f"{name}={text}"
        for name, text in values.items()
        if parameter_values.relaxed(parameters[name], text, values)
    )


def _text(parameter: Parameter, value: str | None) -> str:
    return parameter.default if value is None else value
