"""Connections to the nodes of a Redis Cluster: over TLS and verified, or plain and proven."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import OwnName, client_context
from devstack_tui.services.redis.topology import View, parse_info, parse_nodes

if TYPE_CHECKING:
    import redis


FULL = "max number of clients reached"
FULL_WITHIN_S = 0.2


def node_count(target: Target) -> int:
    """How many nodes the cluster has."""
    return int(target.options["masters"]) * (1 + int(target.options["replicas"]))


def node_name(index: int) -> str:
    """The name of node `index` (from 0): `redis-1` is the first."""
    return f"redis-{index + 1}"


def source_address(target: Target, index: int) -> str:
    """The address from which node `index` calls the others (Redis 7.0 and newer)."""
    return str(ipaddress.ip_network(target.nodes)[index + 1])


def is_full(target: Target, index: int) -> bool:
    """Whether the node has no client left to take: it says so on its plain port alone, for before
    TLS has begun it has no words."""
    where = target.endpoint.host, target.ports["main"] + index
    try:
        with socket.create_connection(where, FULL_WITHIN_S) as plain:
            plain.settimeout(FULL_WITHIN_S)
            return b"max number of clients" in plain.recv(200)
    except OSError:
        return False


@functools.lru_cache(maxsize=8)
def _context(ca: Path, name: str, modified: int) -> OwnName:  # noqa: ARG001 - part of the key
    return client_context(ca, name)


def trust(ca: Path, name: str) -> OwnName:
    """A context that trusts `ca` and `name` and nothing else: every node has the service's.

    redis-py's own trusts the system's authorities too, and reads all of them for each connection.
    """
    return _context(ca, name, ca.stat().st_mtime_ns)


@functools.cache
def _pinned() -> type[redis.Connection]:
    """redis-py's connection with our context in place of the one that it makes."""
    import redis

    class PinnedConnection(redis.SSLConnection):
        def __init__(self, context: OwnName, **options: Any) -> None:
            super().__init__(**options)
            self._context = context

        def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
            return self._context.wrap_socket(sock)

    return PinnedConnection


def _proven(target: Target, index: int, connection: Any) -> None:
    """redis-py's hook between connecting and the login, at every connection: log in only at the
    stack's own node. The driver has no public name for its socket."""
    import redis

    from devstack_tui.contracts.peer import Peer

    try:
        Peer.of(target).prove(connection._sock, node_name(index))
    except OSError as error:
        raise redis.ConnectionError(str(error).partition("\n")[0]) from error
    connection.on_connect()


def connect(target: Target, index: int, timeout: float, tls: bool = True) -> redis.Redis:
    """A client of one node with one connection, which is opened here; nothing is retried.

    `timeout` (seconds) covers connecting and each reply; without `tls` it is plain, and logs in
    only at the stack's own node. Close it after use.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    how: dict[str, Any] = {
        "redis_connect_func": functools.partial(_proven, target, index),
        "port": target.ports["main"] + index,
    }
    if tls:
        how = {
            "connection_class": _pinned(),
            "context": trust(target.ca, target.name),
            "port": target.ports["tls"] + index,
        }
    pool = redis.ConnectionPool(
        **how,
        host=target.endpoint.host,
        username=target.credentials.user or None,
        password=target.credentials.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        client_name="devstack-tui",
        decode_responses=True,
        # RESP2 is what every version speaks; RESP3 brings push messages that nobody reads here.
        protocol=2,
    )
    try:
        client = redis.Redis(connection_pool=pool, single_connection_client=True)
    except redis.ConnectionError as error:
        if "refused" not in str(error) and is_full(target, index):
            raise redis.ConnectionError(f"{node_name(index)}: {FULL}") from None
        raise
    # The parsed forms of redis-py lose what we need (the order, the flags) and change by version.
    client.set_response_callback("CLUSTER NODES", parse_nodes)
    client.set_response_callback("CLUSTER INFO", parse_info)
    return client


@contextlib.contextmanager
def session(target: Target, index: int, timeout: float, tls: bool = True) -> Iterator[redis.Redis]:
    """`connect`, and `close` at the end."""
    client = connect(target, index, timeout, tls)
    try:
        yield client
    finally:
        close(client)


def close(client: redis.Redis) -> None:
    """Close the connection as well: a client that was given its pool leaves it open."""
    client.close()
    client.connection_pool.disconnect()


def tls_version(client: redis.Redis) -> str:
    """The protocol of the open connection, `TLSv1.3` say."""
    sock: Any = getattr(client.connection, "_sock", None)
    return str(sock.version() or "") if sock is not None else ""


def look(client: redis.Redis, index: int) -> View:
    """What the node sees, in one round trip."""
    pipe: Any
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("CLUSTER NODES")
        pipe.execute_command("CLUSTER INFO")
        pipe.info("replication")
        pipe.info("server")
        nodes, info, replication, server = pipe.execute()
    return View(index, nodes, info, replication, server)
