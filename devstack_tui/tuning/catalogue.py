"""Which services can be tuned, and what each parameter is by knowledge alone."""

from __future__ import annotations

import functools

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core.errors import DevstackError, UsageError, unknown_name
from devstack_tui.state.parameter_values import folded


@functools.cache
def tunable_services() -> tuple[Service, ...]:
    """The services that have parameters, in the order of the registry."""
    return tuple(found for found in services() if found.tunables() is not None)


def tunable(name: str) -> Service:
    """The service `name`. Raises `UsageError` for an unknown one and one without parameters."""
    found = service(name)
    known = [one.name for one in tunable_services()]
    if found.name not in known:
        raise UsageError(
            f"{found.name} has no parameters that can be tuned", f"those with: {', '.join(known)}"
        )
    return found


def known(engine: Engine, name: str) -> dict[str, Parameter]:
    """The parameters of a service for the version that the stack runs; none where it is not
    found. Raises `ConfigError` for a bad file of parameters."""
    part = service(name).tunables()
    try:
        installation = engine.locate(service(name))
    except DevstackError:
        return {}
    return {found.name: found for found in part.parameters(installation)} if part else {}


def parameter(name: str, parameters: dict[str, Parameter], wanted: str) -> Parameter:
    """The parameter `wanted` of service `name`, spelled as its server takes it. Raises `UsageError`
    with the close matches."""
    found = named(parameters, wanted)
    if found is None:
        raise unknown_name(f"parameter of {name}", wanted, parameters)
    return found


def named(parameters: dict[str, Parameter], wanted: str) -> Parameter | None:
    """The parameter that `wanted` names; dashes are underscores, as servers have it."""
    same = (one for name, one in parameters.items() if folded(name) == folded(wanted))
    return parameters.get(wanted) or next(same, None)
