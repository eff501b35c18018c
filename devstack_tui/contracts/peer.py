"""The proof that a connection ends at a server of the stack, for whoever logs in without TLS.

A port that a server has left may be bound by anybody, who is then sent what clients send. So a
secret goes over TLS that verifies the server's own name, or over a connection that was proven
after it was established: to look before connecting, or at the connection before, proves nothing.

    with socket.create_connection(where, timeout) as sock:
        Peer.of(target).prove(sock)  # before the first secret byte, for every connection anew
        login(sock)

The engine knows whose sockets are whose. What it needs for that is a text in the `Target`, which
may be handed to another process.
"""

from __future__ import annotations

import importlib
import socket
from typing import Protocol, cast

import msgspec

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import UnreachableError

WITHIN_S = 5.0
"""How long a server may take to accept a connection, where its socket has no time limit."""


class ForeignPeerError(UnreachableError, OSError):
    """A connection does not end at a server of the stack, or cannot be shown to: nothing was sent.

    An `OSError` as well, since drivers and their callers handle those."""


class Prover(Protocol):
    """What an engine has: `prove` of the module that `Target.prover` names."""

    def prove(self, where: str, peer: Peer, sock: socket.socket, unit: str, within: float) -> None:
        """See `Peer.prove`; `where` is the engine's own text."""


class Peer(msgspec.Struct, frozen=True):
    """Who must be at the other end of a connection: a unit of `service`."""

    service: str
    prover: str = ""
    """As in the `Target`."""

    @classmethod
    def of(cls, target: Target) -> Peer:
        """The servers of a target."""
        return cls(target.service, target.prover)

    def prove(self, sock: socket.socket, unit: str = "") -> None:
        """Return if a process of the stack's own `unit` (of any unit of the service without one)
        holds the other end of the established connection `sock`.

        Waits for the server to accept it, as long as the socket's own time limit is; one without
        blocking is not waited for. Raises `ForeignPeerError`, `TimeoutError` for a server that does
        not accept it in time, and `OSError` for a connection that broke.
        """
        module, _, where = self.prover.partition(":")
        if not module:
            raise ForeignPeerError(
                f"who answers {describe(sock)} cannot be proven on this stack: nothing was sent",
                "use TLS",
            )
        limit = sock.gettimeout()
        prover = cast(Prover, importlib.import_module(module))
        prover.prove(where, self, sock, unit, WITHIN_S if limit is None else limit)


def describe(sock: socket.socket) -> str:
    """The other end of a connection, as `127.0.0.1:16379`."""
    try:
        host, port = sock.getpeername()[:2]
    except OSError:
        return "a connection that broke"
    return f"{host}:{port}"
