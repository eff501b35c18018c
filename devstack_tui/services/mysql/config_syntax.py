"""How MySQL and MariaDB write the values of their parameters in SET GLOBAL and in my.cnf."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue

MARK = "# set by tuning"


def native(parameter: Parameter, value: Value) -> Value:
    """A value as SET GLOBAL takes it."""
    match parameter.kind:
        case Kind.DURATION:
            return round(float(value))
        case Kind.BOOLEAN:
            return "ON" if value else "OFF"
        case Kind.CHOICE if str(value).isdigit():
            return int(value)
    return value


def configured(installation: Installation, tuning: Mapping[str, str]) -> str:
    """The lines of my.cnf that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not have or does not accept.
    """
    lines = [
        # With a value it would be the name of the log's files.
        ("log-bin\n" if value else "skip-log-bin\n")
        if parameter.name == "log_bin"
        else f"{parameter.name} = {native(parameter, value)}\n"
        for parameter, value in parameter_catalogue.configured(
            "mysql", installation, dict(sorted(tuning.items()))
        )
    ]
    return "".join([f"{MARK}\n", *lines]) if lines else ""
