"""What a running MySQL or MariaDB reports of its variables: value, source, limits, default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from devstack_tui.contracts.tunable import Apply, Effective, Parameter
from devstack_tui.state.parameter_catalogue import reported, with_fields
from devstack_tui.state.parameter_values import from_server, server_unit

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_MARIADB = """
SELECT LOWER(VARIABLE_NAME), COALESCE(SESSION_VALUE, GLOBAL_VALUE), GLOBAL_VALUE_ORIGIN,
       COALESCE(GLOBAL_VALUE_PATH, ''), DEFAULT_VALUE, NUMERIC_MIN_VALUE, NUMERIC_MAX_VALUE,
       NUMERIC_BLOCK_SIZE, ENUM_VALUE_LIST, READ_ONLY = 'YES'
FROM information_schema.SYSTEM_VARIABLES WHERE LOWER(VARIABLE_NAME) IN %s
"""
_MYSQL = """
SELECT i.VARIABLE_NAME, v.VARIABLE_VALUE, i.VARIABLE_SOURCE, i.VARIABLE_PATH, NULL,
       NULLIF(i.MIN_VALUE, '0'), NULLIF(i.MAX_VALUE, '0'), NULL, NULL, FALSE
FROM performance_schema.variables_info i
JOIN performance_schema.session_variables v ON v.VARIABLE_NAME = i.VARIABLE_NAME
WHERE i.VARIABLE_NAME IN %s
"""
_PERSISTED = "SELECT VARIABLE_NAME FROM performance_schema.persisted_variables"
SET_PERSIST = "SET PERSIST"
_RUN_TIME = "set at run time"
_FILE = "configuration file"
_BY_SERVER = "set by the server"
AT_START = "configuration file or command line"
"""MariaDB does not report which of them it is for log_bin."""
# The words of both servers in those that every service uses.
_SOURCES = {
    "COMPILE-TIME": "default",
    "COMPILED": "default",
    "CONFIG": _FILE,
    "EXPLICIT": _FILE,
    "EXTRA": _FILE,
    "GLOBAL": _FILE,
    "SERVER": _FILE,
    "USER": _FILE,
    "LOGIN": _FILE,
    "COMMAND-LINE": "command line",
    "COMMAND_LINE": "command line",
    "ENVIRONMENT": "environment variable",
    "AUTO": _BY_SERVER,
    "SQL": _RUN_TIME,
    "DYNAMIC": _RUN_TIME,
    "PERSISTED": SET_PERSIST,
}
# What the server works out from others when nobody sets it. What MariaDB calls their default
# is another number, and not what it runs with.
AUTOMATIC = ("thread_cache_size", "innodb_io_capacity_max")


class Variable(msgspec.Struct, frozen=True):
    """One row; what the server does not report is None."""

    name: str
    value: str
    source: str
    path: str
    default: str | None
    minimum: str | None
    maximum: str | None
    step: str | None
    choices: str | None
    read_only: bool


def variables(cursor: Cursor, names: Iterable[str], mariadb: bool) -> dict[str, Variable]:
    """The variables by name, as this session sees them; unknown ones are missing."""
    cursor.execute(_MARIADB if mariadb else _MYSQL, (list(names),))
    found = {str(row[0]): _variable(row) for row in cursor.fetchall()}
    if mariadb:
        return found
    cursor.execute(_PERSISTED)
    kept = {str(name) for (name,) in cursor.fetchall()}
    # It wins at every start, whoever else sets the variable until then.
    return {
        name: msgspec.structs.replace(row, source="PERSISTED") if name in kept else row
        for name, row in found.items()
    }


def _variable(row: tuple[Any, ...]) -> Variable:
    texts = (None if text is None else str(text) for text in row[:-1])
    found: list[Any] = [*texts, bool(row[-1])]
    return Variable(*found)


def effect(parameter: Parameter, row: Variable) -> Effective:
    """The effective value and who won."""
    source = _SOURCES.get(row.source, row.source.lower())
    if source == _BY_SERVER and row.name in AUTOMATIC:
        source = "default"
    value = from_server(parameter, row.value)
    if row.name == "log_bin" and source == "default" and value != parameter.default:
        source = AT_START
    return Effective(
        name=row.name,
        value=value,
        source=source,
        where=row.path,
    )


def described(parameter: Parameter, row: Variable, limits_from: str) -> Parameter:
    """`parameter` with the limits, the choices and the default that the server reports."""
    known = row.default is not None and row.name not in AUTOMATIC
    found = reported(
        parameter,
        limits_from,
        apply=Apply.RESTART if row.read_only else parameter.apply,
        default=from_server(parameter, row.default) if known else None,
        limits=(row.minimum, row.maximum),
        unit=server_unit(parameter),
        step=float(row.step) if row.step and float(row.step) > 1 else None,
        choices=row.choices.lower().split(",") if row.choices else None,
    )
    # Where the server silently makes more of a value that it takes, the catalogue knows better.
    least = max(found.minimum or 0, parameter.minimum or 0)
    return found if found.minimum is None else msgspec.structs.replace(found, minimum=least)


def with_automatic(
    parameters: tuple[Parameter, ...], effective: Mapping[str, Effective], mariadb: bool
) -> tuple[Parameter, ...]:
    """The parameters with the defaults that follow from other values."""
    values = {name: found.value for name, found in effective.items()}
    return with_fields(
        parameters, {name: {"default": automatic(name, values, mariadb)} for name in AUTOMATIC}
    )


def automatic(name: str, values: Mapping[str, str], mariadb: bool) -> str:
    """What the server makes of `name`, one of `AUTOMATIC`, when nobody sets it."""
    if name == "thread_cache_size":
        sessions = int(values.get("max_connections", "151"))
        return str(min(256, sessions) if mariadb else min(100, 8 + sessions // 100))
    return str(max(2000, 2 * int(values.get("innodb_io_capacity", "200"))))
