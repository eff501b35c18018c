"""The sockets at which processes listen."""

from __future__ import annotations

from collections.abc import Collection

from devstack_tui.contracts.engine import Listening


def listening(pids: Collection[int]) -> list[Listening]:
    """Every TCP socket at which one of these processes listens, each once. Those of another user
    are seen by root only."""
    import psutil

    return sorted(
        {
            Listening(connection.laddr.ip, connection.laddr.port)
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.pid in pids
            and connection.laddr
        }
    )
