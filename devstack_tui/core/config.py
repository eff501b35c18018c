"""Typed TOML: an error names the file, the line, the key and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.errors import ConfigError

T = TypeVar("T")
_LARGEST = 2**63 - 1
"""No setting counts so far."""
LOWEST_PORT, HIGHEST_PORT = 1024, 65535
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of `path`; a file that is absent, no TOML, or has a number that is not finite or
    beyond 64 bits, is a `ConfigError`."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would be waited for
        raise ConfigError(f"{path}: no regular file")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_plain(str(error))}", "mend the TOML at that line") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise ConfigError(f"{path}: {error}", "write a smaller number") from None
    for key, number in _numbers(found):
        if not -_LARGEST <= number <= _LARGEST:  # nan is no such number either
            raise fault(path, key, f"expected a finite number of 64 bits, got {str(number)[:40]}")
    return found


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, int | float]]:
    """Every number of a document, with its dotted key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _numbers(inner, f"{key}[{place}]")
    elif isinstance(value, int | float):
        yield key, value


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table."""
    laid = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(laid.get(key), dict):
            laid[key] = merged(laid[key], value)
        else:
            laid[key] = value
    return laid


def convert(data: Any, kind: type[T], path: Path, at: str = "") -> T:
    """`data` as `kind`; what does not fit is a `ConfigError` with line and key.

    `at` is the dotted key under which `data` stands in the file.
    """
    try:
        return codec.convert(data, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `")
        inside = _inside(data, kind, where.rstrip("`").removeprefix("$"))
        key = ".".join(filter(None, [at, inside.lstrip(".")]))
        unknown = re.search(r"unknown field `([^`]+)`", what)
        if unknown:
            key = ".".join(filter(None, [key, unknown[1]]))
        raise fault(path, key, _lower(what)) from None


def require_ports(ports: Mapping[str, int], known: Collection[str], path: Path, at: str) -> None:
    """Raise `ConfigError` for a port that is not among the `known` names, or cannot be bound."""
    for name, port in ports.items():
        if name not in known:
            raise fault(path, f"{at}.{name}", "no such port", f"known: {', '.join(known)}")
        if not LOWEST_PORT <= port <= HIGHEST_PORT:
            what = f"expected a port from {LOWEST_PORT} to {HIGHEST_PORT}, got {port}"
            raise fault(path, f"{at}.{name}", what)


def fault(path: Path, key: str, what: str, remedy: str = "") -> ConfigError:
    """The error for the dotted `key` of the file, with its line where it is written."""
    line = line_of(path.read_text(encoding="utf-8"), key)
    place = f"{path}:{line}" if line else str(path)
    return ConfigError(f"{place}: {key or 'the file'}: {what}", remedy)


def _inside(data: Any, kind: Any, where: str) -> str:
    """`where`, msgspec's path of a fault, with the names of the tables that it writes as `[...]`:
    the first member without which the fault is another one, or none."""
    head, dots, tail = where.partition("[...]")
    table = data
    for part in filter(None, head.split(".")):
        table = table.get(part) if isinstance(table, dict) else None
    if not dots or not isinstance(table, dict):
        return where
    for name in table:
        pruned = _without(data, [*filter(None, head.split(".")), name])
        try:
            codec.convert(pruned, kind)
        except msgspec.ValidationError as error:
            if str(error).partition(" - at `$")[2].rstrip("`") == where:
                continue
        return f"{head}.{name}{tail}"
    return where


def _without(data: dict[str, Any], key: list[str]) -> dict[str, Any]:
    head, *rest = key
    if not rest:
        return {name: value for name, value in data.items() if name != head}
    return {**data, head: _without(data[head], rest)}


def line_of(text: str, key: str) -> int | None:
    """The line (from 1) on which the dotted `key`, or the deepest part of it, is written."""
    wanted = [part for part in re.split(r"\.|\[\d*\]|\[\.\.\.\]", key) if part]
    best: tuple[int, int] | None = None
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            found = table
        elif assigned := _KEY.match(line):
            found = table + re.sub("[\"']", "", assigned[1]).split(".")
        else:
            continue
        if found == wanted[: len(found)] and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _plain(text: str) -> str:
    """tomllib's "… (at line 3, column 5)" as "line 3, column 5: …"."""
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", text, re.S)
    return f"{found[2]}: {_lower(found[1])}" if found else text
