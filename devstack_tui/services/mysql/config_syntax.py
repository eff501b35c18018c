"""How MySQL and MariaDB spell the values of their parameters: in their tables, in SET GLOBAL and
in my.cnf."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.services.mysql.parameters import parameters

MARK = "# set by tuning"
# The server's unit of every duration among the parameters, in milliseconds.
SECOND = 1000.0
Native = int | float | str


def canonical(parameter: Parameter, value: str) -> str:
    """The canonical text of a value as the server's tables have it."""
    try:
        match parameter.kind:
            case Kind.DURATION:
                return units.show(Kind.DURATION, float(value) * SECOND)
            case Kind.REAL:
                return units.show(Kind.REAL, float(value))
            case kind:
                return units.canonical(kind, value)
    except ValueError:  # a newer server's word for something: shown as it is
        return value.lower()


def native(parameter: Parameter, text: str) -> Native:
    """The server's value for a canonical text. Raises `ValueError` with a sentence."""
    value = units.parse(parameter.kind, text)
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"expected one of {', '.join(parameter.choices)}, got {text!r}")
    match parameter.kind:
        case Kind.DURATION:
            return round(float(value) / SECOND)
        case Kind.BOOLEAN:
            return "ON" if value else "OFF"
        case Kind.CHOICE if str(value).isdigit():
            return int(value)
    return value


def line(parameter: Parameter, text: str) -> str:
    """A line of my.cnf. Raises `ValueError`."""
    value = native(parameter, text)
    if parameter.name == "log_bin":  # there, its value would be the name of its files
        return "log-bin" if value == "ON" else "skip-log-bin"
    return f"{parameter.name} = {value}"


def configured(installation: Installation, tuning: Mapping[str, str]) -> str:
    """The lines of my.cnf that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not know.
    """
    known = {parameter.name: parameter for parameter in parameters(installation)}
    lines = []
    for name, text in sorted(tuning.items()):
        take_back = f"take it back: `devstack-tui tune set mysql {name}=default`"
        if name not in known:
            raise UsageError(
                f"{installation.flavour} {installation.version} has no parameter {name!r} "
                "that can be tuned",
                take_back,
            )
        try:
            lines.append(line(known[name], text) + "\n")
        except ValueError as error:
            raise UsageError(f"mysql.{name}: {error}", take_back) from None
    return "".join([f"{MARK}\n", *lines]) if lines else ""
