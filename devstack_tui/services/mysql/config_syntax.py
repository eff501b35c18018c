"""How MySQL and MariaDB write the values of their parameters in SET GLOBAL and in my.cnf."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import ConfigReader, Kind, Parameter, Setting
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue

MARK = "# set by tuning"
_GROUP = re.compile(r"\[\s*([\w.-]+)\s*\]")
_SERVERS = re.compile(r"(mysqld|mariadbd|mariadb|server)(-[\d.]+)?")
_LINE = re.compile(r"""([\w.-]+)(?:\s*=\s*(".*?"|'.*?'|[^#]*?))?\s*(?:\#.*)?""")
_SWITCHES = {"skip_": "off", "disable_": "off", "enable_": "on"}


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


def _settings(text: str) -> Iterator[Setting]:
    group = ""
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain.startswith(("#", ";")):
            continue
        if header := _GROUP.fullmatch(plain.partition("#")[0].strip()):
            group = header[1].lower()
        elif plain.startswith("!"):
            reason = "other files are not followed: import them too"
            yield Setting(plain.split()[0], "", number, reason)
        elif found := _LINE.fullmatch(plain):
            other = group and not _SERVERS.fullmatch(group)
            reason = f"[{group}] is not the server's" if other else ""
            yield Setting(*_option(found[1], found[2]), number, reason)
        else:
            yield Setting(plain.split()[0], "", number, "the line is no `name = value`")


def _option(name: str, value: str | None) -> tuple[str, str]:
    """An option as a variable and its value: one without a value switches it."""
    name = name.lower().replace("-", "_").removeprefix("loose_")
    for prefix, switched in _SWITCHES.items():
        if value is None and name.startswith(prefix):
            return name.removeprefix(prefix), switched
    if name == "log_bin":  # its value is the name of the log's files
        return name, "off" if (value or "").lower() in ("0", "off") else "on"
    return name, "on" if value is None else value.strip().strip("\"'")


def settings(text: str) -> Sequence[Setting]:
    """The settings of a my.cnf; those of other programs with that as the reason."""
    return tuple(_settings(text))


SETTINGS: ConfigReader = settings
