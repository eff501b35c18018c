"""Which socket of this machine is at the other end of a connection. Linux only: by the kernel's
socket diagnostics (sock_diag(7)), and by /proc/net/tcp where it has none."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

_AF_NETLINK, _SOCK_DIAG = 16, 4
_BY_FAMILY, _ERROR, _REQUEST = 20, 2, 1
_CONNECTED = frozenset({1, 3, 8, 12})
"""States (tcp_states.h) of a socket that may be, or become, a process': established, about to be,
and left by its client."""
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH16s16s12s")
_ANY = b"\0\0\0\0" + b"\xff" * 8  # no interface, no cookie
_ANSWER = struct.Struct("=BBBB48sIIIII")
_PATIENCE_S = 1.0
_MAPPED = bytes(10) + b"\xff\xff"


class UnknownPeerError(OSError):
    """The other end cannot be found out here."""


def peer_inode(sock: socket.socket) -> int:
    """The inode of the socket at the other end of a TCP connection, 0 while nobody has accepted it.

    Raises `ConnectionError` for a connection that the other end has closed, and `UnknownPeerError`
    where the system does not say.
    """
    if not sys.platform.startswith("linux"):
        raise UnknownPeerError(f"{sys.platform} does not say who answers a connection")
    there, here = sock.getpeername()[:2], sock.getsockname()[:2]
    try:
        found = _asked(sock.family, there, here)
    except OSError:  # a kernel without it, or one that does not allow the question
        found = _listed(there, here)
    if found is None:
        raise ConnectionResetError(f"{there[0]}:{there[1]} has closed the connection")
    return found


_Address = tuple[str, int]


def _asked(family: int, own: _Address, other: _Address) -> int | None:
    """Of the socket at `own` that is connected to `other`, by one question to the kernel; None
    where there is none."""
    addresses = [socket.inet_pton(family, host) for host, _ in (own, other)]
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + _ID.pack(
        own[1], other[1], *addresses, _ANY
    )
    size = _HEADER.size + len(question)
    with socket.socket(_AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as link:
        link.settimeout(_PATIENCE_S)
        link.sendto(_HEADER.pack(size, _BY_FAMILY, _REQUEST, 1, 0) + question, (0, 0))
        data = link.recv(4096)
    kind, body = _HEADER.unpack_from(data)[1], data[_HEADER.size :]
    if kind == _ERROR:
        code = -int(struct.unpack_from("=i", body)[0])
        # ENOENT is the answer of a kernel that cannot look as well: the list decides.
        raise OSError(code, os.strerror(code))
    _, state, _, _, name, _, _, _, _, inode = _ANSWER.unpack_from(body)
    # Where no connection is found the answer is the listening socket.
    same = _ID.unpack_from(name)[:2] == (own[1], other[1])
    return int(inode) if same and state in _CONNECTED else None


def _listed(own: _Address, other: _Address) -> int | None:
    """The same by reading all sockets."""
    wanted = [(_address(host), port) for host, port in (own, other)]
    seen = False
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
            seen = True
            found = _found(map(str.split, lines), wanted)
            if found is not None:
                return found
    if not seen:
        raise UnknownPeerError("the kernel does not say who answers a connection")
    return None


def _found(rows: Iterable[list[str]], wanted: list[tuple[bytes, int]]) -> int | None:
    for row in rows:
        if [_read(row[1]), _read(row[2])] == wanted and int(row[3], 16) in _CONNECTED:
            return int(row[9])
    return None


def _read(text: str) -> tuple[bytes, int]:
    """`0100007F:1F90` as an address and a port; the kernel prints words in its own byte order."""
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    words = (raw[i : i + 4] for i in range(0, len(raw), 4))
    whole = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return whole.removeprefix(_MAPPED), int(port, 16)


def _address(host: str) -> bytes:
    return ip_address(host.partition("%")[0]).packed.removeprefix(_MAPPED)


def holds(pid: int, inode: int) -> bool:
    """Whether the process has the socket open. Raises `PermissionError` where we may not look, and
    `FileNotFoundError` for a process that is gone."""
    wanted, folder = f"socket:[{inode}]", f"/proc/{pid}/fd"
    with os.scandir(folder) as opened:
        for one in opened:
            with contextlib.suppress(FileNotFoundError):
                # Not by `Path`, which would take most of the time of a proof.
                if os.readlink(one.path) == wanted:  # noqa: PTH115
                    return True
    return False
