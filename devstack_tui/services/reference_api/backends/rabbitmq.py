"""RabbitMQ, by pika's blocking connections in threads."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from devstack_tui.contracts.model import Credentials, own_name
from devstack_tui.services.rabbitmq.connection import Context, context, opened
from devstack_tui.services.reference_api.backends.base import CONNECT_S, Backend, RefusedError
from devstack_tui.services.reference_api.backends.pool import ThreadedPool

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

SIZE = 4
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Queue:
    """What a queue holds, and who waits for it."""

    messages: int
    consumers: int


class RabbitMq(Backend):
    """A pool of connections over verified TLS (AMQPS)."""

    name = "rabbitmq"
    _who = Credentials()

    async def publish(self, queue: str, body: bytes) -> None:
        """Put a persistent message into `queue`, which is made (durable) if there is none.

        Returns when the broker has confirmed it.
        """

        def work(link: _Link) -> None:
            import pika
            from pika.exceptions import UnroutableError

            properties = pika.BasicProperties(
                content_type="application/json", delivery_mode=pika.DeliveryMode.Persistent
            )
            channel = link.connection.channel()
            channel.confirm_delivery()
            try:
                # `mandatory`: the broker sends it back if there is no such queue.
                channel.basic_publish("", queue, body, properties, mandatory=True)
            except UnroutableError:
                channel.queue_declare(queue, durable=True)
                channel.basic_publish("", queue, body, properties, mandatory=True)
            _close(channel)

        await self._run(work)

    async def queue(self, name: str) -> Queue | None:
        """What the queue holds; None if there is no such queue."""

        def work(link: _Link) -> Queue | None:
            from pika.exceptions import ChannelClosedByBroker

            channel = link.connection.channel()
            try:
                answer = channel.queue_declare(name, passive=True)
            except ChannelClosedByBroker as error:
                if error.reply_code == 404:
                    return None
                raise RefusedError(409, error.reply_text) from None
            _close(channel)
            return Queue(answer.method.message_count, answer.method.consumer_count)

        return await self._run(work)

    async def check(self) -> dict[str, str]:
        """A message that is published, confirmed and taken out of a queue of its own."""

        def work(link: _Link) -> str:
            channel = link.connection.channel()
            channel.confirm_delivery()
            name = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
            channel.basic_publish("", name, b"health", mandatory=True)
            _, _, body = channel.basic_get(name, auto_ack=True)
            channel.queue_delete(name)
            _close(channel)
            if body != b"health":
                raise RuntimeError("a confirmed message was not there")
            about = getattr(link.connection, "_impl").server_properties or {}  # noqa: B009
            version = about.get("version", b"")
            return version.decode() if isinstance(version, bytes) else str(version)

        return {"version": await self._run(work)}

    async def close(self) -> None:
        """See `Backend`."""
        await self._pool.close()

    async def _run(self, work: Callable[[_Link], R]) -> R:
        # Here, because a thread cannot wait for the event loop; from memory but for the first.
        self._who = await self.credentials()
        return await self._pool.run(work)

    @functools.cached_property
    def _pool(self) -> ThreadedPool[_Link]:
        return ThreadedPool(self.name, self._open, SIZE, _Link.abort)

    def _open(self) -> _Link:
        import pika

        around = context(self.ca, own_name(self.name))
        try:
            connection = opened(
                pika.ConnectionParameters(
                    host=self.peer.host,
                    port=self.peer.tls_port or self.peer.ports["tls"],
                    virtual_host=self._who.database,
                    credentials=pika.PlainCredentials(self._who.user, self._who.password),
                    ssl_options=pika.SSLOptions(around),
                    connection_attempts=1,
                    socket_timeout=CONNECT_S,
                    stack_timeout=CONNECT_S,
                    blocked_connection_timeout=CONNECT_S,
                    # Nobody answers heartbeats while a connection lies idle.
                    heartbeat=0,
                    client_properties={"connection_name": "reference-api"},
                )
            )
        except (OSError, pika.exceptions.AMQPError):
            self.forget()
            raise
        return _Link(connection, around)


@dataclass(frozen=True, slots=True)
class _Link:
    """A connection that another thread can end."""

    connection: BlockingConnection
    context: Context

    def abort(self) -> None:
        """Wake the thread that waits for an answer: the driver itself would wait for ever."""
        if self.context.wrapped is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which would take the TLS state from the waiting thread.
                socket.socket.shutdown(self.context.wrapped, socket.SHUT_RDWR)

    def close(self) -> None:
        """End it without waiting for the broker."""
        self.abort()
        self.connection.close()


def _close(channel: BlockingChannel) -> None:
    if channel.is_open:
        channel.close()
