"""Parameters as mongod's configuration, and WiredTiger's text within it, write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.state import parameter_catalogue

ENGINE_TEXT = "storage.wiredTiger.engineConfig.configString"
"""WiredTiger's own settings for which mongod has no name."""


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
        if parameter.server.key == ENGINE_TEXT:
            engine[server_name(parameter)] = str(value)
        else:
            _put(config, parameter.server.key, value)
    if engine:
        _put(config, ENGINE_TEXT, engine_text(engine))
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
    return parse_engine(found or "").get(server_name(parameter)) if key == ENGINE_TEXT else found


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
