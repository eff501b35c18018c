"""Parameters as a node and its redis.conf spell them."""

from __future__ import annotations

from collections.abc import Mapping

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.tunable import Kind, Parameter
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.services.redis.parameters import NO_SNAPSHOTS, parameters

# What a node counts in, where it is not milliseconds.
_SECONDS = {"tcp-keepalive", "timeout", "repl-diskless-sync-delay"}


def native(parameter: Parameter, text: str) -> str:
    """A node's spelling of a canonical text."""
    value = units.parse(parameter.kind, text)
    match parameter.kind:
        case Kind.BOOLEAN:
            return "yes" if value else "no"
        case Kind.DURATION:
            return str(int(float(value) / (1000 if parameter.name in _SECONDS else 1)))
    if parameter.name == "save":
        return "" if value == NO_SNAPSHOTS else " ".join(str(value).split())
    return str(value)


def canonical(parameter: Parameter, spelled: str) -> str:
    """The canonical text for a node's own spelling."""
    if parameter.name == "save":
        return " ".join(spelled.split()) or NO_SNAPSHOTS
    if parameter.kind is Kind.DURATION:
        unit = 1000 if parameter.name in _SECONDS else 1
        return units.show(parameter.kind, float(spelled) * unit)
    return units.canonical(parameter.kind, spelled)


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

    Raises `UsageError` for what this version does not have.
    """
    known = {parameter.name: parameter for parameter in parameters(installation.version)}
    lines: dict[str, list[str]] = {}
    for name, text in tuning.items():
        if name not in known:
            raise UsageError(
                f"{installation.flavour} {installation.version} has no parameter {name!r}",
                f"take it back: `devstack-tui tune set redis {name}=default`",
            )
        value = native(known[name], text)
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
    """What a redis.conf says, by name: the spelled value and the number of its last line."""
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
