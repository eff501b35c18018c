"""How PostgreSQL spells the values of its parameters, in pg_settings and in postgresql.conf."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.services.postgres.parameters import parameters

MARK = "# set by tuning"
# What the server has in microseconds without saying so, in milliseconds.
UNITLESS = {"commit_delay": 0.001}


def unit(parameter: Parameter, told: str | None) -> float:
    """What one of the server's units (`8kB`, `min`) is in bytes or milliseconds."""
    if told is None:
        return UNITLESS.get(parameter.name, 1.0)
    found = re.fullmatch(r"(\d*)(\w+)", told)
    if found is None:
        raise ValueError(f"unknown unit {told!r}")
    return float(found[1] or 1) * float(units.parse(parameter.kind, f"1{found[2]}"))


def canonical(parameter: Parameter, setting: str, told: str | None) -> str:
    """The canonical text of a `setting` of pg_settings in the unit that it told."""
    try:
        if parameter.kind in (Kind.BYTES, Kind.DURATION):
            return units.show(parameter.kind, float(setting) * unit(parameter, told))
        return units.canonical(parameter.kind, setting)
    except ValueError:  # a newer server's word for something: shown as it is
        return setting


def spelled(parameter: Parameter, text: str) -> str:
    """A canonical text as a line of postgresql.conf has it. Raises `ValueError`."""
    value = units.parse(parameter.kind, text)
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"expected one of {', '.join(parameter.choices)}, got {text!r}")
    if parameter.name in UNITLESS:
        return str(round(float(value) / UNITLESS[parameter.name]))
    return units.show(parameter.kind, value)


def configured(installation: Installation, tuning: Mapping[str, str]) -> str:
    """The lines of postgresql.conf that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not know.
    """
    known = {parameter.name: parameter for parameter in parameters(installation)}
    lines = []
    for name, text in sorted(tuning.items()):
        take_back = f"take it back: `devstack-tui tune set postgres {name}=default`"
        if name not in known:
            raise UsageError(
                f"PostgreSQL {installation.version} has no parameter {name!r} that can be tuned",
                take_back,
            )
        try:
            lines.append(f"{name} = '{spelled(known[name], text)}'\n")
        except ValueError as error:
            raise UsageError(f"postgres.{name}: {error}", take_back) from None
    return "".join([f"{MARK}\n", *lines]) if lines else ""
