"""How a connection to RabbitMQ begins, for all who open one."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from devstack_tui.core.tls import strict

if TYPE_CHECKING:
    from pika import ConnectionParameters
    from pika.adapters.blocking_connection import BlockingConnection


class Context(ssl.SSLContext):
    """A client's context that remembers the socket that it wrapped: the driver hides it.

    As every client's context it requires a certificate and checks the name.
    """

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext`."""
        self.wrapped = super().wrap_socket(*args, **options)
        return self.wrapped


def context(ca: str) -> Context:
    """A context that trusts the authority in the file `ca`, from TLS 1.2 on."""
    made = strict(Context(ssl.PROTOCOL_TLS_CLIENT))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cafile=ca)
    return made


def opened(parameters: ConnectionParameters) -> BlockingConnection:
    """One connection, made.

    Raises `OSError` for what the network says: `TimeoutError`, `ConnectionRefusedError` and so on;
    `pika.exceptions.AMQPError` for what the broker says. The driver itself wraps the first in an
    error without a text, and ends its limit on the whole (`stack_timeout`) with one of no family.
    """
    import pika
    from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout

    try:
        return pika.BlockingConnection(parameters)
    except AMQPConnectorStackTimeout as error:
        raise TimeoutError("no answer in time") from error
    except pika.exceptions.AMQPConnectionError as error:
        inner = getattr(error.args[0], "exception", None) if error.args else None
        if isinstance(inner, OSError):
            raise inner from None
        raise
