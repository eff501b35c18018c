"""Typed TOML: an error names the file, the line, the key and what was expected."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from devstack_tui.core.errors import ConfigError

T = TypeVar("T")
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"-]+)\s*=")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of `path`; a file that is absent or no TOML is a `ConfigError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_plain(str(error))}", "mend the TOML at that line") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def convert(data: Any, kind: type[T], path: Path, at: str = "") -> T:
    """`data` as `kind`; what does not fit is a `ConfigError` with line and key.

    `at` is the dotted key under which `data` stands in the file.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `")
        key = ".".join(filter(None, [at, where.rstrip("`").removeprefix("$").lstrip(".")]))
        unknown = re.search(r"unknown field `([^`]+)`", what)
        if unknown:
            key = ".".join(filter(None, [key, unknown[1]]))
        line = line_of(path.read_text(encoding="utf-8"), key)
        place = f"{path}:{line}" if line else str(path)
        raise ConfigError(f"{place}: {key or 'the file'}: {_lower(what)}") from None


def line_of(text: str, key: str) -> int | None:
    """The line (from 1) on which the dotted `key`, or the deepest part of it, is written."""
    wanted = [part for part in re.split(r"\.|\[\d*\]|\[\.\.\.\]", key) if part]
    best: tuple[int, int] | None = None
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = [part.strip().strip('"') for part in header[1].split(".")]
            found = table
        elif assigned := _KEY.match(line):
            found = table + assigned[1].replace('"', "").split(".")
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
