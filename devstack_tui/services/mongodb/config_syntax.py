"""Parameters as mongod's configuration, and WiredTiger's text within it, write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import ConfigReader, Parameter, Setting
from devstack_tui.state import parameter_catalogue

_TEXT = "storage.wiredTiger.engineConfig.configString"
"""WiredTiger's own settings for which mongod has no name."""
_ENTRY = re.compile(r"""( *)["']?([\w.]+)["']?\s*([:=])(?:\s+|(?<==)|$)(.*)""")
_VALUE = re.compile(r"""("[^"]*"|'[^']*'|[^#\s]+(?:\s+[^#\s]+)*)?\s*(?:\#.*)?""")


def server_name(parameter: Parameter) -> str:
    """The name in the command that changes the parameter, or in WiredTiger's text."""
    return parameter.server.name or parameter.name


def configured(installation: Installation, tuning: Mapping[str, str]) -> dict[str, Any]:
    """The part of mongod's configuration that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not have or does not accept.
    """
    config: dict[str, Any] = {}
    engine: dict[str, str] = {}
    for parameter, value in parameter_catalogue.configured("mongodb", installation, tuning):
        if parameter.server.key == _TEXT:
            engine[server_name(parameter)] = str(value)
        else:
            _put(config, parameter.server.key, value)
    if engine:
        _put(config, _TEXT, engine_text(engine))
    return config


def _put(config: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for step in path:
        config = config.setdefault(step, {})
    config[last] = value


def find(config: Mapping[str, Any], parameter: Parameter) -> Any:
    """The parameter's value in a configuration; None: it is not set there."""
    found: Any = config
    key = parameter.server.key
    for step in key.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return parse_engine(found or "").get(server_name(parameter)) if key == _TEXT else found


def parse_engine(text: str) -> dict[str, str]:
    """WiredTiger's text by key; `eviction=(threads_max=8)` gives `eviction.threads_max`."""
    found: dict[str, str] = {}
    for key, group, plain in re.findall(r"(\w+)=(?:\(([^()]*)\)|([^,()]*))", text):
        if group:
            found |= {f"{key}.{name}": value for name, value in parse_engine(group).items()}
        else:
            found[key] = plain
    return found


def engine_text(settings: Mapping[str, str]) -> str:
    """The opposite of `parse_engine`."""
    plain = [f"{key}={value}" for key, value in settings.items() if "." not in key]
    groups: dict[str, list[str]] = {}
    for key, value in settings.items():
        group, dot, name = key.partition(".")
        if dot:
            groups.setdefault(group, []).append(f"{name}={value}")
    return ",".join(plain + [f"{group}=({','.join(parts)})" for group, parts in groups.items()])


def _settings(text: str) -> Iterator[Setting]:
    """By their dotted keys. Of YAML only what a mongod.conf needs is read: a key on each line."""
    path: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.strip()
        if not plain or plain.startswith(("#", "---", "...")):
            continue
        found = _ENTRY.fullmatch(line.rstrip())
        value = _VALUE.fullmatch(found[4]) if found else None
        if found is None or value is None or (value[1] or "").startswith(("{", "[", "&", "*", "|")):
            name = found[2] if found else plain.split()[0]
            yield Setting(name, "", number, "the line is no `key: value` of its own")
            continue
        depth = len(found[1])
        path = [(indent, key) for indent, key in path if indent < depth]
        path.append((depth, found[2]))
        written = value[1]
        if written is None:
            continue
        name = ".".join(key for _, key in path)
        if found[3] == "=" and name == "setParameter":  # the form before YAML
            name, _, written = written.partition("=")
        written = written.strip("\"'")
        if name == _TEXT:
            parts = parse_engine(written).items()
            yield from (Setting(key, setting, number) for key, setting in parts)
        else:
            yield Setting(name, written, number)


def settings(text: str) -> Sequence[Setting]:
    """The settings of a mongod.conf, by their dotted keys."""
    return tuple(_settings(text))


SETTINGS: ConfigReader = settings
