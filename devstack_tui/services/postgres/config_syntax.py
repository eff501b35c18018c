"""How PostgreSQL writes the values of its parameters, in pg_settings and in postgresql.conf."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import ConfigReader, Parameter, Setting
from devstack_tui.core import units
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_values import from_server, server_unit

MARK = "# set by tuning"
_LINE = re.compile(
    r"""\s*(?:ALTER\s+SYSTEM\s+SET\s+)?([A-Za-z_][\w.]*)(?:\s*=\s*|\s+TO\s+|\s+)
    ('(?:[^'\\]|''|\\.)*'|[^\s;\#'=]+(?:\s+[kMGTmush]\w*)?)\s*;?\s*(?:\#.*|--.*)?""",
    re.VERBOSE | re.IGNORECASE,
)


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


def _settings(text: str) -> Iterator[Setting]:
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain.startswith(("#", "--")) or plain.upper() == "ALTER SYSTEM SET":
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            name = re.split(r"[\s=]", plain, maxsplit=1)[0]
            yield Setting(name, "", number, "the line is no `name = value`")
        elif found[1].startswith("include"):
            yield Setting(found[1], "", number, "other files are not followed: import them too")
        else:
            yield Setting(found[1].lower(), found[2].strip("'").replace("''", "'"), number)


def settings(text: str) -> Sequence[Setting]:
    """The settings of a postgresql.conf, or of ALTER SYSTEM commands."""
    return tuple(_settings(text))


SETTINGS: ConfigReader = settings
