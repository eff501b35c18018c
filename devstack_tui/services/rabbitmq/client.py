"""Connections to RabbitMQ, over TLS and verified unless configured otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.services.rabbitmq.connection import context as tls_context
from devstack_tui.services.rabbitmq.connection import opened

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingConnection


@dataclass
class Link:
    """An open connection, the TLS version it got, and what the server says of itself."""

    connection: BlockingConnection
    tls: str
    server: dict[str, Any]
    blocked: list[str] = field(default_factory=list)
    """Why the server takes no messages now, if it does not."""


@contextlib.contextmanager
def connect(target: Target, timeout: float) -> Iterator[Link]:
    """One attempt to connect; `timeout` (seconds) is for all that is done until the end.

    After it the socket is shut down, and what waited on it raises `TimeoutError`: the driver
    itself would wait for ever for a server that stopped answering.
    """
    import pika

    context = tls_context(target.ca, target.name)
    endpoint = target.endpoint
    parameters = pika.ConnectionParameters(
        host=endpoint.host,
        port=endpoint.tls_port or endpoint.port,
        virtual_host=target.credentials.database,
        credentials=pika.PlainCredentials(
            target.credentials.user, target.credentials.password, erase_on_connect=True
        ),
        ssl_options=pika.SSLOptions(context),
        connection_attempts=1,
        socket_timeout=timeout,
        stack_timeout=timeout,
        heartbeat=0,
        client_properties={"connection_name": "devstack-tui"},
    )

    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        if context.wrapped is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which would take the TLS state from its reader.
                socket.socket.shutdown(context.wrapped, socket.SHUT_RDWR)

    guard = threading.Timer(timeout, give_up)
    guard.daemon = True
    guard.start()
    try:
        connection = opened(parameters)
        version = context.wrapped.version() if context.wrapped is not None else None
        # Behind the driver's blocking face: it has no public name for what the server says of
        # itself, and reports a blocked connection only to those who do not wait for an answer.
        inside: Any = connection._impl
        link = Link(connection, version or "", _readable(inside.server_properties))
        inside.add_on_connection_blocked_callback(
            lambda _, frame: link.blocked.append(str(frame.method.reason))
        )
        try:
            yield link
        finally:
            if connection.is_open:
                connection.close()
    except (OSError, pika.exceptions.AMQPError) as error:
        if expired.is_set():
            raise TimeoutError("no answer in time") from error
        raise
    finally:
        guard.cancel()


def _readable(properties: dict[str, Any] | None) -> dict[str, Any]:
    return {
        str(key): value.decode(errors="replace") if isinstance(value, bytes) else value
        for key, value in (properties or {}).items()
    }
