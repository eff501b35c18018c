"""The driver's connections to MongoDB, over TLS and verified unless configured otherwise.

The probe has its own: `wire`.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo import AsyncMongoClient, MongoClient


def connect(
    target: Target,
    timeout: float,
    login: bool = True,
    tls: bool = True,
    find_within: float | None = None,
) -> MongoClient[dict[str, Any]]:
    """A client of that one server, without retries; `timeout` (seconds) covers finding the
    server, connecting and each answer; `find_within` is for finding it alone. Without `login`
    nothing but the localhost exception works; without `tls` it is plain, as a benchmark's own
    tools connect, and only the stack's own server is talked to.
    """
    from pymongo import MongoClient

    limit = int(timeout * 1000)
    more: dict[str, Any] = {}
    if login:
        more = {
            "username": target.credentials.user,
            "password": target.credentials.password,
            "authSource": "admin",
            # No server may choose one that sends the password itself.
            "authMechanism": "SCRAM-SHA-256",
        }
    if tls:
        # Our own certificates name no OCSP responder.
        more |= {"tls": True, "tlsCAFile": str(target.ca), "tlsDisableOCSPEndpointCheck": True}
    client: MongoClient[dict[str, Any]] = MongoClient(
        target.endpoint.host,
        target.endpoint.port,
        directConnection=True,
        serverSelectionTimeoutMS=limit if find_within is None else int(find_within * 1000),
        connectTimeoutMS=limit,
        socketTimeoutMS=limit,
        retryWrites=False,
        retryReads=False,
        appname="devstack-tui",
        connect=False,
        **more,
    )
    if tls:
        verify_name(client, target.ca, target.name)
    else:
        _wrap(client, ProvenPeer(target))
    return client


def verify_name(
    client: MongoClient[dict[str, Any]] | AsyncMongoClient[dict[str, Any]],
    ca: Path | str,
    name: str,
) -> None:
    """Have a client that has not connected yet trust `ca` alone, and the server's own `name` alone.

    The driver makes its context itself, trusts the system's authorities too, verifies the address
    that it connects to, and has no option for any of it.
    """
    _wrap(client, client_context(ca, name))


class ProvenPeer:
    """In place of a TLS context: what is wrapped by it stays plain, and was proven to end at the
    stack's own server, at every connection."""

    verify_mode = ssl.CERT_NONE
    check_hostname = False

    def __init__(self, target: Target) -> None:
        self._target = target

    def wrap_socket(self, sock: socket.socket, **_: object) -> socket.socket:
        """`sock` itself. Raises `OSError`."""
        from devstack_tui.contracts.peer import Peer

        Peer.of(self._target).prove(sock)
        return sock


def _wrap(
    client: MongoClient[dict[str, Any]] | AsyncMongoClient[dict[str, Any]],
    context: ssl.SSLContext | ProvenPeer,
) -> None:
    setattr(  # noqa: B010 - its name is mangled
        client.options.pool_options, "_PoolOptions__ssl_context", context
    )
