"""Who is at the other end of a connection: a process that is proven to be a unit's, or not."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from devstack_tui.contracts.peer import ForeignPeerError, Peer, describe
from devstack_tui.core import process, socket_peer
from devstack_tui.engines.embedded.process_records import Record, Records

_FIRST_S, _LONGEST_S = 0.0005, 0.02
_MISSES = 4
"""So often a connection that was accepted must be found with nobody of ours: for an instant it is
with none, when the process that accepted it hands it to a child."""


def prove(where: str, peer: Peer, sock: socket.socket, unit: str, within: float) -> None:
    """See `Peer.prove`; `where` is the folder of the records. They are read for every proof: a
    server that was started again is another process."""
    until = time.monotonic() + within
    pause, misses = _FIRST_S, 0
    while True:
        inode = _inode(sock)
        records = Records(Path(where)).of(peer.service, unit or "*")
        if inode and _held(records, inode, sock):
            return
        # The record of a process is written a moment after its start.
        if inode and not any(record.process is None for record in records):
            misses += 1
        if misses == _MISSES or time.monotonic() >= until:
            break
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_S)
    if not inode:
        raise TimeoutError(f"{describe(sock)} did not accept the connection in time")
    raise ForeignPeerError(
        f"{describe(sock)} is not answered by a process of this stack's {unit or peer.service}: "
        "nothing was sent",
        "end what took the port, then `devstack-tui up`",
    )


def _inode(sock: socket.socket) -> int:
    try:
        return socket_peer.peer_inode(sock)
    except socket_peer.UnknownPeerError as error:
        raise ForeignPeerError(f"{error}: nothing was sent", "use TLS") from None


def _held(records: Sequence[Record], inode: int, sock: socket.socket) -> bool:
    """Whether a unit's main process has the socket, or one that it started."""
    try:
        return any(
            _holds(one, inode) and record.alive
            for record in records
            if record.process is not None and record.alive
            for one in _family(record.process)
        )
    except PermissionError:
        raise ForeignPeerError(
            f"who answers {describe(sock)} cannot be seen by this account: nothing was sent",
            "run devstack-tui as the user who started the stack",
        ) from None


def _family(main: process.ProcessId) -> Iterator[process.ProcessId]:
    todo = [main]
    while todo:
        one = todo.pop(0)
        yield one
        todo += process.children(one.pid)


def _holds(one: process.ProcessId, inode: int) -> bool:
    """Whether exactly this process has the socket: looked at before and after, a pid that was
    reused in between is none of ours."""
    with contextlib.suppress(FileNotFoundError):
        return socket_peer.holds(one.pid, inode) and process.alive(one)
    return False
