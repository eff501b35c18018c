"""A mongod.conf that somebody else has written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devstack_tui.contracts.tunable import ConfigReader, Setting
from devstack_tui.services.mongodb.config_syntax import ENGINE_TEXT, parse_engine

_ENTRY = re.compile(r"""( *)["']?([\w.]+)["']?\s*([:=])(?:\s+|(?<==)|$)(.*)""")
_VALUE = re.compile(r"""("[^"]*"|'[^']*'|[^#\s]+(?:\s+[^#\s]+)*)?\s*(?:\#.*)?""")
_LONGEST = 4096
"""Letters of the settings for WiredTiger that are read."""


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
        if name == ENGINE_TEXT:
            parts = parse_engine(written[:_LONGEST]).items()
            yield from (Setting(key, setting, number) for key, setting in parts)
        else:
            yield Setting(name, written, number)


def settings(text: str) -> Sequence[Setting]:
    """The settings of a mongod.conf, by their dotted keys."""
    return tuple(_settings(text))


READER: ConfigReader = settings
