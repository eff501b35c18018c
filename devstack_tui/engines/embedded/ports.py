"""Ports: who holds one, and which offset is free for another stack."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping

from devstack_tui.contracts.server_home import HOST
from devstack_tui.core.errors import DevstackError


def holders(port: int) -> list[int]:
    """The processes that listen on `port`, as far as they can be seen."""
    import psutil

    with contextlib.suppress(psutil.Error):
        listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        return sorted({c.pid for c in listening if c.pid and c.laddr and c.laddr.port == port})
    return []


def holder(port: int) -> str:
    """The process that listens on `port`, as "redis-server (pid 12)"; vague where it is hidden."""
    import psutil

    for pid in holders(port):
        with contextlib.suppress(psutil.Error):
            return f"{psutil.Process(pid).name()} (pid {pid})"
    return "a process of another user" if os.geteuid() else "a process that we cannot see"


def free(port: int) -> bool:
    """Whether a server could bind `port` on loopback now."""
    if not 0 < port <= 65535:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As servers do: a connection of theirs that lingers in TIME_WAIT is no obstacle.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(service: str, claims: Mapping[str, int], stack: str) -> None:
    """Raise `DevstackError` naming the first port that is taken, who has it, and how to move."""
    for name, port in claims.items():
        if not free(port):
            raise DevstackError(
                f"{service} needs port {port} ({name}), which {holder(port)} holds",
                f"end that process, or move this stack: set port_offset, or "
                f"services.{service}.ports, in stack.toml"
                + ("" if stack == "default" else ", or start it with --port-offset"),
            )


def choose_offset(base: Iterable[int], taken: Iterable[int]) -> int:
    """The smallest multiple of 100 above 0 that moves every port of `base` to a free one.

    `taken` are ports that other stacks may bind later. Raises `DevstackError` when there is none.
    """
    ports, reserved = set(base), set(taken)
    for offset in range(100, 10_000, 100):
        moved = {port + offset for port in ports}
        # A stack that moved onto its neighbour's ports, or onto its own unmoved ones, is no use.
        if moved & reserved or moved & ports:
            continue
        if all(free(port) for port in moved):
            return offset
    raise DevstackError(
        "no free range of ports is left for another stack",
        "wipe one that you no longer need: down --wipe, with its name after --stack",
    )
