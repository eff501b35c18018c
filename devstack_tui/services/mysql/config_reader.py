"""A my.cnf that somebody else has written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devstack_tui.contracts.tunable import ConfigReader, Setting

_GROUP = re.compile(r"\[\s*([\w.-]+)\s*\]")
_SERVERS = re.compile(r"(mysqld|mariadbd|mariadb|server)(-[\d.]+)?")
_NAME = re.compile(r"([\w.-]+)\s*(=|#|$)")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_SWITCHES = {"skip_": "off", "disable_": "off", "enable_": "on"}


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
        elif found := _NAME.match(plain):
            other = group and not _SERVERS.fullmatch(group)
            reason = f"[{group}] is not the server's" if other else ""
            written = plain[found.end() :].strip()
            quoted = _QUOTED.match(written)
            value = quoted[0] if quoted else written.partition("#")[0].rstrip()
            yield Setting(*_option(found[1], value if found[2] == "=" else None), number, reason)
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


READER: ConfigReader = settings
