"""One look at every file of a stack: whose it is, what it is, and what secrets it holds."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import os
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from devstack_tui.contracts.audit import Audit
from devstack_tui.contracts.registry import names
from devstack_tui.core.config import read_toml
from devstack_tui.core.file_tree import Entry, Read
from devstack_tui.core.paths import shipped

FILE = "configs/files.toml"
STACK = "stack"
"""What is the stack's own, and no service's."""
DATA = "data"
TEXT_BYTES = 1024 * 1024
"""A longer text of a service is a log or an export: searched up to here, and at its end."""
OWN_BYTES = 16 * 1024 * 1024
KEY_BYTES = 8191
"""Longer than a private key in any form, shorter than a page of a database."""
HEAD = 1024
SHORTEST = 8
"""A secret of fewer characters would be found everywhere."""
_TOKEN = re.compile(rb"(?<![\w./-])(?:s|hvs|hvb|hvr)\.[A-Za-z0-9]{24,}(?![\w.])")
"""A token of Vault: none of the stack's is kept."""
_PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)")


@dataclass(slots=True)
class Part:
    """What is known of a service's directory, or of what is the stack's own: every entry, by names
    relative to the stack's directory; `uid` is whose they should be (-1: not known, since the
    directory is another account's); the files that hold a private key, and those that hold another
    secret."""

    uid: int = -1
    entries: list[Entry] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


def look(audit: Audit) -> dict[str, Part]:
    """Every part by its name, once an audit. Raises OSError."""
    found = audit.once("files.tree", functools.partial(_look, audit))
    assert isinstance(found, dict)
    return found


def _look(audit: Audit) -> dict[str, Part]:
    known = frozenset(names())
    parts = {name: Part(_uid(audit, name)) for name in known}
    parts[STACK] = Part(os.geteuid())
    secrets = [text.encode() for text in known_secrets(audit)]
    pending: list[tuple[Part, Entry, bytes]] = []
    keys: set[bytes] = set()
    for entry, read in audit.tree():
        part = parts[_part_of(entry.name, known)]
        part.entries.append(entry)
        if entry.kind != "file":
            continue
        data = _wanted(entry, read, own=part is parts[STACK])
        found = _keys(data)
        if found:
            part.keys.append(entry.name)
            keys |= found
        elif 0 < entry.size <= KEY_BYTES:
            pending.append((part, entry, data))
        if any(secret in data for secret in secrets) or (
            part is parts[STACK] and _TOKEN.search(data)
        ):
            part.secrets.append(entry.name)
    for part, entry, data in pending:
        if any(key in data for key in keys):
            part.keys.append(entry.name)
    return parts


def known_secrets(audit: Audit) -> frozenset[str]:
    """Every secret that could be found somewhere, once an audit."""
    found = audit.once("files.secrets", functools.partial(_secrets, audit))
    assert isinstance(found, frozenset)
    return found


def _secrets(audit: Audit) -> frozenset[str]:
    found = set(audit.known_secrets())
    for part, row in _table().items():
        for name in row.get("whole", ()):
            with contextlib.suppress(OSError):
                ours = audit.own_file(audit.ca.parent / name) if part == STACK else None
                raw = ours.read() if ours else audit.files(part).read(name)
                found.add(raw.decode(errors="replace").strip())
    return frozenset(text for text in found if len(text) >= SHORTEST)


def _uid(audit: Audit, service: str) -> int:
    found = audit.files(service).stat()
    return found.uid if found is not None and found.own else -1


def _part_of(name: str, known: Container[str]) -> str:
    """The service in whose directory the file lies, or `STACK`."""
    first, *rest = name.split("/", 2)
    return rest[0] if first == DATA and rest and rest[0] in known else STACK


def _wanted(entry: Entry, read: Read, *, own: bool) -> bytes:
    """What is searched: all of ours, of a service the small files and the texts."""
    if not entry.size or entry.size > OWN_BYTES:
        return b""
    if own or entry.size <= KEY_BYTES:
        return read(-1)
    if b"\0" in read(HEAD):
        return b""
    data = read(-1)
    return data if len(data) <= 2 * TEXT_BYTES else data[:TEXT_BYTES] + data[-TEXT_BYTES:]


def _keys(data: bytes) -> set[bytes]:
    """What gives a copy of the private keys in `data` away, whatever its form: the first line of
    the text, and the bytes that it stands for."""
    found: set[bytes] = set()
    for match in _PEM.finditer(data):
        lines = match[1].split()
        found.update(lines[:1])
        try:
            found.add(base64.b64decode(b"".join(lines), validate=True))
        except binascii.Error:
            continue
    return {key for key in found if len(key) > SHORTEST}


@functools.cache
def _table() -> dict[str, Any]:
    return read_toml(shipped(FILE))


def declared(part: str, what: str) -> tuple[str, ...]:
    """The names that may be `what` (`keys`, `secrets`, `links`, `open`) in this part."""
    return tuple(_table().get(part, {}).get(what, ()))


def undeclared(part: str, what: str, found: Iterable[str]) -> Iterator[str]:
    """Those of `found` that are not declared. A service of another package may keep its own secrets
    where it likes, in its directory."""
    table = part in _table()
    patterns = declared(part, what) if table or what == "links" else ("**",)
    prefix = "" if part == STACK else f"{DATA}/{part}/"
    for name in found:
        if not any(_matches(name.removeprefix(prefix), pattern) for pattern in patterns):
            yield name


def _matches(name: str, pattern: str) -> bool:
    if pattern == "**":
        return True
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
