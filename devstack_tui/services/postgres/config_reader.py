"""A postgresql.conf that somebody else has written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devstack_tui.contracts.tunable import ConfigReader, Setting

_LINE = re.compile(
    r"""\s*(?:ALTER\s+SYSTEM\s+SET\s+)?([A-Za-z_][\w.]*)(?:\s*=\s*|\s+TO\s+|\s+)
    ('(?:[^'\\]|''|\\.)*'|[^\s;\#'=]+(?:\s+[kMGTmush]\w*)?)\s*(?:;\s*)?(?:\#.*|--.*)?""",
    re.VERBOSE | re.IGNORECASE,
)


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


READER: ConfigReader = settings
