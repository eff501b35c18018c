"""Values of parameters as people write them, and the one form in which we keep them.

Sizes are powers of 1024 whatever their unit is called: `512MB`, `512M`, `512MiB` and `536870912`
are the same. Durations parse to milliseconds; a bare number is milliseconds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60e3, "h": 3600e3, "d": 86400e3}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([A-Za-zµ]*)")
_TRUE = {"on", "true", "yes", "1"}
_FALSE = {"off", "false", "no", "0"}

_SIZES = (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10))
Value = int | float | bool | str


def parse(kind: str, text: str) -> Value:
    """The value that `text` means. Raises `ValueError` with a sentence.

    BYTES give an int, DURATION milliseconds (float), BOOLEAN a bool, CHOICE lower case.
    """
    return _PARSERS[kind](text.strip())


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
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def canonical(kind: str, text: str) -> str:
    """`text` in the canonical form. Raises `ValueError` with a sentence."""
    return show(kind, parse(kind, text))


def _number(text: str, what: str, units: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {what} such as {units}, got {text!r}")
    return float(found[1]), found[2]


def _bytes(text: str) -> int:
    number, unit = _number(text, "a size", "512MB")
    short = unit.lower().removesuffix("ib") if len(unit) > 1 else unit.lower()
    short = short if short in BYTES else short.removesuffix("b")
    if short not in BYTES:
        raise ValueError(f"unknown unit {unit!r}: use B, kB, MB, GB or TB")
    size = number * BYTES[short]
    if size != int(size):
        raise ValueError(f"{text!r} is no whole number of bytes")
    return int(size)


def _milliseconds(text: str) -> float:
    number, unit = _number(text, "a duration", "100ms, 30s or 5min")
    short = {"m": "min", "sec": "s", "hour": "h", "day": "d", "µs": "us", "": "ms"}.get(unit, unit)
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


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def _real(text: str) -> float:
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        raise ValueError(f"expected a number, got {text!r}")
    return float(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError(f"expected on or off, got {text!r}")
    return text.lower() in _TRUE


_PARSERS: dict[str, Callable[[str], Value]] = {
    "bytes": _bytes,
    "duration": _milliseconds,
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "choice": str.lower,
    "text": str,
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
