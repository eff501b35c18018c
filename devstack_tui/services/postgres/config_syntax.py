"""How PostgreSQL writes the values of its parameters, in pg_settings and in postgresql.conf."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core import units
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_values import from_server, server_unit

MARK = "# set by tuning"


def unit(parameter: Parameter, reported: str | None) -> float:
    """What one of the server's units (`8kB`, `min`) is in bytes or milliseconds."""
    if reported is None:
        return server_unit(parameter)
    found = re.fullmatch(r"(\d*)(\w+)", reported)
    if found is None:
        raise ValueError(f"unknown unit {reported!r}")
    return float(found[1] or 1) * float(units.parse(parameter.kind, f"1{found[2]}"))


def canonical(parameter: Parameter, setting: str, reported: str | None) -> str:
    """The canonical text of a `setting` of pg_settings in the unit that it reports."""
    return from_server(parameter, setting, unit(parameter, reported) if reported else None)


def _server_text(parameter: Parameter, value: Value) -> Value:
    return value if parameter.server.unit else units.show(parameter.kind, value)


def configured(installation: Installation, tuning: Mapping[str, str]) -> str:
    """The lines of postgresql.conf that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not have or does not accept.
    """
    found = parameter_catalogue.configured("postgres", installation, dict(sorted(tuning.items())))
    lines = [
        f"{parameter.name} = '{_server_text(parameter, value)}'\n" for parameter, value in found
    ]
    return "".join([f"{MARK}\n", *lines]) if lines else ""
