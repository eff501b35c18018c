"""RabbitMQ's acknowledged writes: persistent messages in a durable queue, confirmed one by one."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.services.rabbitmq.client import connect
from devstack_tui.services.rabbitmq.connection import Context, context, opened

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

TIMEOUT_S = 30.0
SILENCE_S = 2.0
"""A queue that counted more messages than it gives gives no more after this."""
TICK_S = 0.05
SECOND = ".second"
PERSISTENT = 2
_FORCED = 320  # CONNECTION_FORCED: the broker is stopping
_NOT_FOUND = 404
_AWAY = ("is down", "inaccessible")
"""In the broker's words where a queue or a virtual host is known and not there yet, or any more."""
_WRAPPED = re.compile(r"ClosedByBroker: \((\d{3})\) (.*)", re.DOTALL)
"""How the driver hides in the text of another error what the broker said before a session began."""


def _queue(run: str) -> str:
    return f"devstack-tui.acks.{checked(run)}"


class _SocketDeadline:
    """Takes the connection's socket away from a driver that waits too long: it would wait for ever
    for a server that stopped answering."""

    def __init__(self, context: Context, seconds: float) -> None:
        self.expired = False
        self._context = context
        self._seconds = seconds
        self._since = 0.0
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="rabbitmq-limit", daemon=True).start()

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._since = 0.0

    def shut(self) -> None:
        """End whatever waits on the socket."""
        if self._context.wrapped is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which would take the TLS state from the thread that reads.
                socket.socket.shutdown(self._context.wrapped, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the watch."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(TICK_S):
            since = self._since
            if since and time.monotonic() - since > self._seconds:
                self.expired = True
                self.shut()


class RabbitmqWriter:
    """See `devstack_tui.contracts.acks.Writer`. One connection, one channel in confirm mode."""

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        import pika

        self._queue = _queue(run)
        self._properties = pika.BasicProperties(delivery_mode=PERSISTENT)
        around = context(target.ca, target.name)
        self._limit = _SocketDeadline(around, timeout)
        self._blocked = False
        self._connection: BlockingConnection | None = None
        try:
            with self._limit:
                self._connection = opened(_parameters(target, around, timeout))
                self._channel = self._begin(self._connection)
        except (pika.exceptions.AMQPError, OSError) as error:
            self.close()
            raise NotWritten(self._class(error)) from None

    def write(self, number: int) -> None:
        """Publish and wait for the confirmation."""
        import pika

        try:
            with self._limit:
                self._channel.basic_publish(
                    "", self._queue, str(number).encode(), self._properties, mandatory=True
                )
        except pika.exceptions.UnroutableError:
            raise NotWritten("error-unroutable") from None
        except pika.exceptions.NackError:
            # The broker could not take responsibility for it, which is not: it is not there.
            raise Indeterminate("nacked") from None
        except (pika.exceptions.AMQPError, OSError) as error:
            raise Indeterminate(self._class(error)) from None

    def close(self) -> None:
        """Close the connection without asking the server, which may be gone."""
        self._limit.close()
        self._limit.shut()
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()

    def _begin(self, connection: BlockingConnection) -> BlockingChannel:
        inside: Any = connection._impl
        # What the driver reports only to those who do not wait for an answer.
        inside.add_on_connection_blocked_callback(lambda *_: setattr(self, "_blocked", True))
        inside.add_on_connection_unblocked_callback(lambda *_: setattr(self, "_blocked", False))
        channel = connection.channel()
        channel.confirm_delivery()
        return channel

    def _class(self, error: Exception) -> str:
        import pika

        if self._blocked:
            return "blocked"
        if self._limit.expired:
            return "timeout"
        broker = pika.exceptions.ConnectionClosedByBroker, pika.exceptions.ChannelClosedByBroker
        if isinstance(error, broker):
            return reply_class(error.reply_code, str(error.reply_text))
        return hidden_class(str(error)) or kind_of(error)


def reply_class(code: int, text: str) -> str:
    """The class of what the broker says as it closes a connection or a channel."""
    if code == _FORCED:
        return "stopping"
    return "unavailable" if _away(text) else f"error-{code}"


def _away(text: str) -> bool:
    return any(words in text for words in _AWAY)


def hidden_class(text: str) -> str:
    """The class of an error that has the broker's answer in its text; empty without one."""
    found = _WRAPPED.search(text)
    return reply_class(int(found[1]), found[2]) if found else ""


class RabbitmqAcks:
    """See `devstack_tui.contracts.acks.Acks`. The numbers are messages in a queue of the run's
    own."""

    def prepare(self, target: Target, run: str) -> None:
        """Declare the queue, on disk: a crash may take the numbers, not their place.

        Mnesia writes that a transaction is decided a moment after it, and keeps that back for up to
        two seconds: killed by then, the broker takes its durable queue for never declared, with all
        that it confirmed in it (seen with 4.0.5). What is declared after it puts it on disk.
        """
        with connect(target, TIMEOUT_S) as link:
            channel = link.connection.channel()
            channel.queue_declare(_queue(run), durable=True)
            second = f"{_queue(run)}{SECOND}"
            channel.queue_declare(second, durable=True)
            channel.queue_delete(second)

    def writer(self, target: Target, run: str, timeout: float) -> RabbitmqWriter:
        """A connection of its own."""
        return RabbitmqWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The messages in the queue. They are given out and not acknowledged, so that they return
        to it; none where the queue is gone."""
        import pika

        found: set[int] = set()
        with connect(target, TIMEOUT_S) as link:
            channel = link.connection.channel()
            try:
                declared = channel.queue_declare(_queue(run), durable=True, passive=True)
            except pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code != _NOT_FOUND or _away(error.reply_text):
                    raise  # it may be there, and come
                return found
            left = declared.method.message_count
            if left:
                given = channel.consume(_queue(run), inactivity_timeout=SILENCE_S)
                for _, _, body in given:
                    if body is None:
                        break
                    found.add(int(body))
                    left -= 1
                    if not left:
                        break
                channel.cancel()
        return found.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        """Delete the queue with all that is in it."""
        with connect(target, TIMEOUT_S) as link:
            channel = link.connection.channel()
            for name in (_queue(run), f"{_queue(run)}{SECOND}"):
                channel.queue_delete(name)

    def allowance(self, target: Target) -> Allowance:  # noqa: ARG002
        """A persistent message is confirmed when it is on disk."""
        return Allowance()


def _parameters(target: Target, around: Context, timeout: float) -> Any:
    import pika

    endpoint = target.endpoint
    return pika.ConnectionParameters(
        host=endpoint.host,
        port=endpoint.tls_port or endpoint.port,
        virtual_host=target.credentials.database,
        credentials=pika.PlainCredentials(
            target.credentials.user, target.credentials.password, erase_on_connect=True
        ),
        ssl_options=pika.SSLOptions(around),
        connection_attempts=1,
        socket_timeout=timeout,
        stack_timeout=timeout,
        heartbeat=0,
        client_properties={"connection_name": "devstack-tui acks"},
    )


ACKS: Acks = RabbitmqAcks()
