"""Values of one parameter: what a text that somebody wrote means to the server (`understood`), what
is the same, what is in effect, what is not ours, what a crash may cost; and the server's units."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from devstack_tui.contracts.tunable import DEFAULT, Effective, Kind, Parameter, Reading
from devstack_tui.core import units
from devstack_tui.core.errors import UsageError
from devstack_tui.core.units import Syntax, Value

OWN_SOURCES = ("default", "configuration file")
"""Of a value that nobody has changed beside the stack."""
BY_SERVER = "set by the server"
"""It derived the value from another one, or from a limit of the machine."""
LOWERED = "lowered by the server"
"""It may not open the files that it would need for what was asked."""
_NUMBERS = (Kind.BYTES, Kind.DURATION, Kind.INTEGER, Kind.REAL)


EMPTY = '""'
_BEFORE_UNIT = re.compile(r"(?<=\d)(?=[A-Za-z]+$)")
_ASSIGNED = re.compile(r"([\w.-]+)\s*=\s*(.*)", re.DOTALL)


class Understood(NamedTuple):
    """What somebody wrote, in the one form that is kept, and what the server is given for it in its
    own unit (None: nothing, it takes its default)."""

    text: str
    native: Value | None


def understood(parameter: Parameter, written: str) -> Understood:
    """What `written` means to the server of `parameter`: a bare number counts in the server's own
    unit, every spelling that the server takes is taken, and what it would round is rounded here.

    Raises `UsageError` naming the parameter and, for what is out of range or would be rounded to
    0, the range and who sets it.
    """
    text = _plain(parameter, written)
    text = parameter.spellings.get(text.lower(), text)
    if text.lower() == DEFAULT:
        return Understood(DEFAULT, None)
    try:
        if text not in parameter.special:
            text = _FORMS.get(parameter.kind, _number)(parameter, text)
        return Understood(text, to_server(parameter, text))
    except ValueError as error:
        raise UsageError(f"{parameter.key}: {error}", "`default` resets it") from None


def reading(written: str, text: str) -> str:
    """`524288 → 4 GB`: how `written` was understood; empty where it says the same."""
    one, other = ("".join(said.split()).lower().removesuffix("b") for said in (written, text))
    if one == other:
        return ""
    return f"{written.strip() or EMPTY} → {_BEFORE_UNIT.sub(' ', text)}"


def folded(name: str) -> str:
    """The name of a parameter as servers compare it: `innodb-buffer-pool-size` is one of ours."""
    return name.lower().replace("-", "_")


def _plain(parameter: Parameter, written: str) -> str:
    """The value alone of what was pasted: `shared_buffers = '1GB'`."""
    text = written.strip()
    found = _ASSIGNED.fullmatch(text)
    if found and folded(found[1]) == folded(parameter.name):
        text = found[2]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _choice(parameter: Parameter, text: str) -> str:
    known = {one.lower(): one for one in parameter.choices}
    words = {"on": units.TRUE, "off": units.FALSE}
    given = next((w for w, same in words.items() if w in known and text.lower() in same), text)
    if given.lower() not in known:
        raise UsageError(
            f"{parameter.key}: {text[:80]!r} is none of its values",
            f"{parameter.limits_from or 'it'} knows: {', '.join(parameter.choices)}",
        )
    return known[given.lower()]


def _number(parameter: Parameter, text: str) -> str:
    """The canonical text of a number, in whole units of the server, within its limits."""
    bare = _factor(parameter, parameter.server.bare) or server_unit(parameter)
    meant = value = float(units.parse(parameter.kind, text, Syntax(bare, parameter.kilo)))
    least = 0 if parameter.minimum else parameter.step or 0
    if parameter.kind in (Kind.BYTES, Kind.DURATION):
        grain = min(bare, parameter.step or bare)
        whole = round(meant / grain)
        value = whole * grain if grain >= 1 else whole / round(1 / grain)
        least = max(grain, least)
    if meant and abs(value) < least:
        raise UsageError(
            f"{parameter.key}: {text} would be rounded to 0: it counts in "
            f"{limit_text(parameter, least)}",
            limits(parameter),
        )
    shown = limit_text(parameter, value)
    if shown not in parameter.special:
        _require_inside(parameter, reading(text, shown) or shown, value)
    return shown


def _require_inside(parameter: Parameter, text: str, value: float) -> None:
    below = parameter.minimum is not None and value < parameter.minimum
    limit = parameter.minimum if below else parameter.maximum
    if limit is None or not (below or value > limit):
        return
    source = f", the limit of {parameter.limits_from}" if parameter.limits_from else ""
    side = "below" if below else "above"
    special = "".join(f"; {one}: {means}" for one, means in parameter.special.items())
    raise UsageError(
        f"{parameter.key}: {text} is {side} {limit_text(parameter, limit)}{source}",
        f"{limits(parameter)}{special}",
    )


_FORMS: dict[Kind, Callable[[Parameter, str], str]] = {
    Kind.CHOICE: _choice,
    # Servers split lists at blanks and commas, however many there are.
    Kind.TEXT: lambda _, text: re.sub(r"\s*,\s*", ",", " ".join(text.split())),
    Kind.BOOLEAN: lambda _, text: units.canonical(Kind.BOOLEAN, text),
}


def parsed(parameter: Parameter, text: str) -> Value | None:
    """What `text` means; None for a special value and for what cannot be read."""
    if text in parameter.special:
        return None
    with contextlib.suppress(ValueError):
        return units.parse(parameter.kind.value, text)
    return None


def same(parameter: Parameter, one: str, other: str) -> bool:
    """Whether two texts mean the same value."""
    if one == other:
        return True
    a, b = parsed(parameter, one), parsed(parameter, other)
    if a is None or b is None:
        return False
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9)
    return a == b


def rounded(parameter: Parameter, wanted: str, effective: str) -> bool:
    """Whether the server made `effective` of `wanted` by its own rounding alone."""
    a, b = parsed(parameter, wanted), parsed(parameter, effective)
    if parameter.step is None or parameter.kind not in _NUMBERS or a is None or b is None:
        return False
    return a != b and abs(float(a) - float(b)) < parameter.step


def in_effect(parameter: Parameter, wanted: str | None, found: Effective) -> bool:
    """Whether the server runs with `wanted` (None: as it comes) on every node."""
    if found.nodes:
        return False
    target = parameter.default if wanted in (None, DEFAULT) else str(wanted)
    if same(parameter, target, found.value) or rounded(parameter, target, found.value):
        return True
    # What the server chooses by itself cannot be known beforehand; who chose it can.
    chosen = wanted in (None, DEFAULT) or target in parameter.special
    by_itself = found.source in (*OWN_SOURCES, BY_SERVER) or found.source.startswith(LOWERED)
    return chosen and by_itself


def overruled(parameter: Parameter, wanted: str | None, found: Effective, home: str) -> str:
    """What somebody else has made of a parameter that the stack sets to `wanted`; empty when
    nobody has. `home` is the service's own directory, as its server knows it."""
    foreign = (
        found.source == "configuration file"
        and found.where.startswith("/")
        and not found.where.startswith(f"{home}/")
        and not same(parameter, found.value, parameter.default)
    )
    if in_effect(parameter, wanted, found) and not foreign:
        return ""
    if found.source.startswith(LOWERED):
        return ""
    ours = f"the stack sets {wanted}" if wanted else f"the stack leaves it at {parameter.default}"
    return f"{parameter.key} is {describe(found)}, but {ours}"


def with_open_files(reading: Reading, limit: int | None) -> Reading:
    """The reading, with the values named that a server lowered which may open `limit` files."""
    if limit is None:
        return reading
    effective = dict(reading.effective)
    for parameter in reading.parameters:
        found = effective.get(parameter.name)
        if parameter.open_files is not None and found is not None:
            fits = str(limit - parameter.open_files)
            values = set(found.nodes.values()) or {found.value}
            if found.source == BY_SERVER or (
                parameter.open_files and fits in values and found.source not in OWN_SOURCES
            ):
                source = f"{LOWERED}, which may open {limit} files"
                effective[parameter.name] = msgspec.structs.replace(found, source=source)
    return msgspec.structs.replace(reading, effective=effective)


def describe(found: Effective) -> str:
    """The value, who won, and where that is kept."""
    if found.nodes:
        values = ", ".join(f"{value} on {node}" for node, value in sorted(found.nodes.items()))
        return f"not the same on every node ({values})"
    place = f", {found.where}" if found.where else ""
    waits = ", waits for a restart" if found.pending_restart else ""
    return f"{found.value} ({found.source}{place}{waits})"


def relaxed(
    parameter: Parameter, text: str, others: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether a crash can lose acknowledged writes with this value, while the service's `others`
    are as they are; of those that are not among them the worst is assumed."""
    if any(others.get(name, with_) != with_ for name, with_ in parameter.relaxed_with.items()):
        return False
    if any(same(parameter, text, one) for one in parameter.relaxed):
        return True
    value = parsed(parameter, text)
    if value is None or isinstance(value, str | bool):
        return False
    above, below = parameter.relaxed_above, parameter.relaxed_below
    return (above is not None and value > above) or (below is not None and value < below)


def relaxed_anywhere(parameter: Parameter, found: Effective, others: Mapping[str, str]) -> bool:
    """Whether it is `relaxed` in force; of a cluster, on one node at least."""
    values = found.nodes.values() if found.nodes else (found.value,)
    return any(bool(one) and relaxed(parameter, one, others) for one in values)


def limit_text(parameter: Parameter, number: float) -> str:
    """A limit or a step of the parameter as a text."""
    whole = parameter.kind not in (Kind.DURATION, Kind.REAL)
    return units.show(parameter.kind, int(number) if whole else number)


def limits(parameter: Parameter) -> str:
    """`128kB to 6GB`, `up to 6GB` or `from 0`; empty without limits."""
    low, high = (
        "" if limit is None else limit_text(parameter, limit)
        for limit in (parameter.minimum, parameter.maximum)
    )
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"from {low}" if low else ""


def server_unit(parameter: Parameter) -> float:
    """What one of the server's units is, in bytes or milliseconds."""
    return _factor(parameter, parameter.server.unit) or 1


def _factor(parameter: Parameter, unit: str) -> float:
    return float(units.parse(parameter.kind, unit)) if unit else 0


def to_server(parameter: Parameter, text: str) -> Value:
    """What the server is given for a canonical text, in its own unit. Raises `ValueError`."""
    value = units.parse(parameter.kind, text)
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"expected one of {', '.join(parameter.choices)}, got {text!r}")
    if parameter.kind not in (Kind.BYTES, Kind.DURATION):
        return value
    number = float(value) / server_unit(parameter)
    return int(number) if number.is_integer() else number


def from_server(parameter: Parameter, native: object, unit: float | None = None) -> str:
    """The canonical text for the server's own value; `unit` where the server reports its unit."""
    text = str(native)
    try:
        if parameter.kind not in (Kind.BYTES, Kind.DURATION, Kind.REAL):
            return units.canonical(parameter.kind, text)
        factor = server_unit(parameter) if unit is None else unit
        return units.show(parameter.kind, float(text) * factor)
    except ValueError:  # a newer server's word for something: shown as it is
        return text.lower()
