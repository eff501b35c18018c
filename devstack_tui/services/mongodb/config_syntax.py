"""Parameters as mongod's configuration, and WiredTiger's text within it, spell them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devstack_tui.contracts.model import Installation
from devstack_tui.core.errors import UsageError
from devstack_tui.services.mongodb.parameters import STRING, Knob, knobs


def configured(installation: Installation, tuning: Mapping[str, str]) -> dict[str, Any]:
    """The part of mongod's configuration that `tuning` (canonical texts by name) makes.

    Raises `UsageError` for what this version does not have.
    """
    known = {knob.name: knob for knob in knobs(installation)}
    config: dict[str, Any] = {}
    engine: dict[str, str] = {}
    for name, text in tuning.items():
        knob = known.get(name)
        if knob is None:
            raise UsageError(
                f"mongod {installation.version} has no parameter {name!r}",
                f"take it back: `devstack-tui tune set mongodb {name}=default`",
            )
        if knob.path == STRING:
            engine[knob.spelled] = str(knob.native(text))
        else:
            _put(config, knob.path, knob.native(text))
    if engine:
        _put(config, STRING, engine_text(engine))
    return config


def _put(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        config = config.setdefault(step, {})
    config[path[-1]] = value


def find(config: Mapping[str, Any], knob: Knob) -> Any:
    """What a configuration says of the parameter; None: nothing."""
    found: Any = config
    for step in knob.path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return parse_engine(found or "").get(knob.spelled) if knob.path == STRING else found


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
