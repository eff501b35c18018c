"""Parameters as a node and its redis.conf write them."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core.units import Value
from devstack_tui.state import parameter_catalogue
from devstack_tui.state.parameter_values import from_server

NO_SNAPSHOTS = "off"


def native(parameter: Parameter, value: Value) -> str:
    """A value as a node writes it."""
    if parameter.kind is Kind.BOOLEAN:
        return "yes" if value else "no"
    if parameter.name == "save":
        return "" if value == NO_SNAPSHOTS else " ".join(str(value).split())
    return str(int(value) if parameter.kind is Kind.DURATION else value)


def canonical(parameter: Parameter, written: str) -> str:
    """The canonical text for a value as a node writes it."""
    if parameter.name == "save":
        return " ".join(written.split()) or NO_SNAPSHOTS
    return from_server(parameter, written)


def wrong_save(text: str) -> str:
    """Why `text` is no value of `save`; empty when it is one."""
    words = text.split()
    if text == NO_SNAPSHOTS:
        return ""
    if not words or len(words) % 2 or not all(word.isdecimal() for word in words):
        return "expected pairs of seconds and changes such as `3600 1 300 100`, or `off`"
    if text != " ".join(str(int(word)) for word in words):
        return "expected one space between the numbers, and no leading zeros"
    if any(int(seconds) < 1 for seconds in words[::2]):
        return "the seconds of a pair must be 1 or more"
    return ""


def configured(installation: Installation, tuning: Mapping[str, str]) -> dict[str, list[str]]:
    """The lines of redis.conf that `tuning` (canonical texts by name) makes, by name.

    Raises `UsageError` for what this version does not have or does not accept.
    """
    lines: dict[str, list[str]] = {}
    for parameter, wanted in parameter_catalogue.configured("redis", installation, tuning):
        name, value = parameter.name, native(parameter, wanted)
        if name == "save":
            # One line for each pair: versions before 7.0 take no more.
            words = value.split()
            pairs = zip(words[::2], words[1::2], strict=True)
            lines[name] = [f"save {a} {b}" for a, b in pairs] or ['save ""']
        else:
            lines[name] = [f"{name} {value}"]
    return lines


def apply_to(text: str, lines: Mapping[str, list[str]]) -> str:
    """redis.conf with `lines`, which replace those of the same names."""
    kept = [line for line in text.splitlines() if line.partition(" ")[0] not in lines]
    return "\n".join([*kept, *(line for named in lines.values() for line in named)]) + "\n"


def in_file(text: str) -> dict[str, tuple[str, int]]:
    """The settings of a redis.conf, by name: the spelled value and the number of its last line."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, value = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        value = value.strip().strip('"')
        before = found.get(name, ("", 0))[0]
        # The lines of `save` add up; of everything else the last one counts.
        whole = f"{before} {value}".strip() if name == "save" else value
        found[name] = (whole, number)
    return found
