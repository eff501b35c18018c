"""Every socket of this machine by its inode, as the kernel lists them. Linux only."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TABLES = ("tcp", "tcp6", "udp", "udp6", "unix")
_LISTEN = 0x0A
_ACCEPTS = 0x10000  # __SO_ACCEPTCON of a Unix socket
_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Entry:
    """One socket. `host` is an address, or the path of a Unix socket, which begins with `@` where
    it is abstract; `remote` is the address that it is connected to, empty for none."""

    kind: str
    host: str
    port: int
    remote: str
    listening: bool


def read() -> dict[int, Entry]:
    """All of them now; what lies outside this network namespace is not seen."""
    found: dict[int, Entry] = {}
    for name in TABLES:
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            found.update(parse(name, Path(f"/proc/net/{name}").read_bytes()))
    return found


def parse(name: str, raw: bytes) -> Iterator[tuple[int, Entry]]:
    """The sockets of one of `TABLES`; a line that is none is passed over."""
    one = _unix if name == "unix" else _internet
    for line in raw.decode(errors="replace").splitlines()[1:]:
        with contextlib.suppress(ValueError, IndexError):
            yield one(name.removesuffix("6"), line)


def _internet(kind: str, line: str) -> tuple[int, Entry]:
    fields = line.split()
    (host, port), (remote, other) = _address(fields[1]), _address(fields[2])
    # A UDP socket takes what anybody sends as long as it is not connected.
    listening = int(fields[3], 16) == _LISTEN if kind == "tcp" else not other
    return int(fields[9]), Entry(kind, host, port, remote if other else "", listening)


def _unix(kind: str, line: str) -> tuple[int, Entry]:
    fields = line.split(maxsplit=7)
    path = fields[7] if len(fields) > 7 else ""
    return int(fields[6]), Entry(kind, path, 0, "", bool(int(fields[3], 16) & _ACCEPTS))


def _address(text: str) -> tuple[str, int]:
    """`0100007F:1F90`: the kernel prints words in its own byte order."""
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    words = (raw[i : i + 4] for i in range(0, len(raw), 4))
    whole = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    whole = whole.removeprefix(_MAPPED)
    family = socket.AF_INET if len(whole) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, whole), int(port, 16)


def held(pid: int) -> set[int]:
    """The inodes of the sockets that a process has open. Raises `PermissionError` where we may not
    look; nothing for one that is gone."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for one in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                name = os.readlink(one.path)  # noqa: PTH115 - `Path` would take most of the time
                if name.startswith("socket:["):
                    found.add(int(name[8:-1]))
    return found
