"""A redis.conf that somebody else has written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from devstack_tui.contracts.tunable import ConfigReader, Setting


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Number, name and value of every line that sets something."""
    for number, line in enumerate(text.splitlines(), 1):
        name, *value = line.strip().split(maxsplit=1)[:2] or ["#"]
        if not name.startswith("#"):
            yield number, name.lower(), value[0].strip() if value else ""


def settings(text: str) -> Sequence[Setting]:
    """The settings of a redis.conf. The lines of `save` are one, at the last of them."""
    found: list[Setting] = []
    saves: list[str] = []
    last = 0
    for number, name, value in _lines(text):
        reason = "other files are not followed: import them too" if name == "include" else ""
        if name != "save":
            found.append(Setting(name, value, number, reason))
            continue
        last = number
        if pair := value.strip("\"'"):
            saves.append(pair)
        else:
            saves.clear()
    if last:
        found.append(Setting("save", " ".join(saves), last))
    return sorted(found, key=lambda setting: setting.line)


READER: ConfigReader = settings
