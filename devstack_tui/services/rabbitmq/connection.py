"""How a connection to RabbitMQ begins, for all who open one."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import OwnName, trusting

if TYPE_CHECKING:
    from pika import ConnectionParameters
    from pika.adapters.blocking_connection import BlockingConnection


class Context(OwnName):
    """A client's context that remembers the socket that it wrapped: the driver hides it."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext`."""
        self.wrapped = super().wrap_socket(*args, **options)
        return self.wrapped


def context(ca: Path | str, name: str) -> Context:
    """A context that trusts the authority in the file `ca`, and the server's own `name`."""
    return trusting(Context(ssl.PROTOCOL_TLS_CLIENT), ca, name)


def opened(parameters: ConnectionParameters, plain: Target | None = None) -> BlockingConnection:
    """One connection, made; without TLS, by parameters that have none, to the target `plain`: it
    logs in only at the stack's own server.

    Raises `OSError` for what the network says: `TimeoutError`, `ConnectionRefusedError` and so on;
    `pika.exceptions.AMQPError` for what the broker says. The driver itself wraps the first in an
    error without a text, and ends its limit on the whole (`stack_timeout`) with one of no family.
    """
    import pika
    from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

    try:
        return pika.BlockingConnection(parameters, _proven(plain) if plain else None)
    except AMQPConnectorStackTimeout as error:
        raise TimeoutError("no answer in time") from error
    except pika.exceptions.AMQPConnectionError as error:
        inner = getattr(error.args[0], "exception", None) if error.args else None
        if isinstance(inner, OSError):
            raise inner from None
        raise


def _proven(target: Target) -> Any:
    """The driver's connection, which proves its other end before it answers the server's greeting
    with the password. The driver has no public name for its socket."""
    from pika import SelectConnection

    from devstack_tui.contracts.peer import Peer

    class ProvenConnection(SelectConnection):  # type: ignore[misc]
        def _on_connection_start(self, greeting: Any) -> None:
            try:
                Peer.of(target).prove(self._transport._sock)
            except OSError as error:
                self._terminate_stream(error)
                return
            super()._on_connection_start(greeting)

    return ProvenConnection
