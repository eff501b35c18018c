"""Values of parameters as people write them, and the one form in which we keep them.

Sizes are powers of 1024 whatever their unit is called: `512MB`, `512M` and `512MiB` are the same.
Durations parse to milliseconds. A number without a unit is bytes or milliseconds, unless the
`Syntax` of a server says what it means there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60e3, "h": 3600e3, "d": 86400e3}
_NUMBER = re.compile(
    r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?)\s*([A-Za-zµ]{0,20})"
)
_LARGEST = 1e30
"""No server counts so far; what is larger need not be a float."""
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
TRUE = frozenset({"on", "true", "yes", "1", "t", "y"})
FALSE = frozenset({"off", "false", "no", "0", "f", "n"})

_SIZES = (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10))
Value = int | float | bool | str


class Syntax(NamedTuple):
    """How a server reads numbers: what one without a unit is multiplied by, in bytes or
    milliseconds, and what K stands for (0: 1024, and of sizes only)."""

    bare: float = 1
    kilo: int = 0


PLAIN = Syntax()


def parse(kind: str, text: str, syntax: Syntax = PLAIN) -> Value:
    """The value that `text` means. Raises `ValueError` with a sentence.

    BYTES give an int, DURATION milliseconds (float), BOOLEAN a bool, CHOICE lower case.
    """
    return _PARSERS[kind](text.strip(), syntax)


def show(kind: str, value: Value) -> str:
    """The canonical text of `value`: what is shown, kept and compared."""
    match kind:
        case "bytes":
            return _show_bytes(int(value))
        case "duration":
            return _show_milliseconds(float(value))
        case "boolean":
            return "on" if value else "off"
        case "real":
            return f"{float(value):g}"
    return str(value)


def size(number: float) -> str:
    """Bytes for a sentence, with about three digits: `1.5 GB`."""
    unit, factor = next((one for one in _SIZES if number >= one[1]), ("kB", 1 << 10))
    value = number / factor
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def canonical(kind: str, text: str) -> str:
    """`text` in the canonical form. Raises `ValueError` with a sentence."""
    return show(kind, parse(kind, text))


def _number(text: str, what: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {what}, got {text[:80]!r}")
    digits = found[1]
    number = float(digits) if set(digits) & set(".eE") else int(digits)
    if abs(number) > _LARGEST:
        raise ValueError(f"no server counts as far as {text[:80]}")
    return number, found[2]


def _bytes(text: str, syntax: Syntax) -> int:
    number, unit = _number(text, "a size such as 512MB")
    if not unit:
        return round(number * syntax.bare)
    if syntax.kilo and unit.lower() in _POWERS:
        return round(number * float(syntax.kilo) ** _POWERS[unit.lower()])
    short = unit.lower().removesuffix("ib") if len(unit) > 1 else unit.lower()
    short = short if short in BYTES else short.removesuffix("b")
    if short not in BYTES:
        raise ValueError(f"unknown unit {unit!r}: use B, kB, MB, GB or TB")
    return round(number * BYTES[short])


def _milliseconds(text: str, syntax: Syntax) -> float:
    number, unit = _number(text, "a duration such as 100ms, 30s or 5min")
    if not unit:
        return number * syntax.bare
    short = {"m": "min", "sec": "s", "hour": "h", "day": "d", "µs": "us"}.get(unit, unit)
    if short not in MILLISECONDS:
        raise ValueError(f"unknown unit {unit!r}: use us, ms, s, min, h or d")
    return number * MILLISECONDS[short]


def _show_bytes(size: int) -> str:
    for unit, factor in _SIZES:
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B" if size > 0 else str(size)


def _show_milliseconds(number: float) -> str:
    for unit in ("d", "h", "min", "s"):
        if number and number % MILLISECONDS[unit] == 0:
            return f"{number / MILLISECONDS[unit]:.12g}{unit}"
    if number and abs(number) < 1:
        return f"{number * 1000:.12g}us"
    return f"{number:.12g}ms" if number > 0 else f"{number:.12g}"


def _integer(text: str, syntax: Syntax) -> int:
    number, suffix = _number(text, "a whole number")
    if syntax.kilo and suffix.lower() in _POWERS:
        number, suffix = number * float(syntax.kilo) ** _POWERS[suffix.lower()], ""
    if suffix or number != int(number):
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(number)


def _real(text: str, _syntax: Syntax) -> float:
    number, unit = _number(text, "a number")
    if unit:
        raise ValueError(f"expected a number, got {text!r}")
    return number


def _boolean(text: str, _syntax: Syntax) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError(f"expected on or off, got {text[:80]!r}")
    return text.lower() in TRUE


_PARSERS: dict[str, Callable[[str, Syntax], Value]] = {
    "bytes": _bytes,
    "duration": _milliseconds,
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "choice": lambda text, _syntax: text.lower(),
    "text": lambda text, _syntax: text,
}


def age(seconds: float) -> str:
    """`48 s`, `12 min`, `3 h`, `4 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def moment(at: float | None) -> str:
    """The local date and time of Unix time `at`; a dash where there is none."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else "–"


NOT_MEASURED = "not measured"


def measured(seconds: float | None) -> str:
    """`2.310 s`, or that it was not measured."""
    return NOT_MEASURED if seconds is None else f"{seconds:.3f} s"


def counted(count: int | None) -> str:
    """`1,204`, or that it was not counted."""
    return "not counted" if count is None else f"{count:,}"
