"""RabbitMQ's workload: publish a message with confirmation, then get and acknowledge it."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen.closed_loop import run_for_seconds
from devstack_tui.loadgen.driver_errors import driver_errors
from devstack_tui.services.rabbitmq.client import connect
from devstack_tui.services.rabbitmq.connection import opened

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

QUEUE = "devstack-tui.bench."
TIMEOUT_S = 5.0


class LostMessageError(Exception):
    """A confirmed message was not in its queue."""


@dataclass(frozen=True)
class PublishGet:
    """See `devstack_tui.contracts.workload.Workload`. A request is a publish, a get and its ack.

    On the plain port, as the field's load tools are used by hand.
    """

    name: str = "rabbitmq.publish_get"
    unit: str = "messages/s"
    drivers: tuple[str, ...] = ("pika",)

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """pika: its own CPU is most of a request, so that the client is often the limit."""
        from importlib.metadata import version

        return "pika", version("pika")

    def prepare(self, bench: Bench) -> None:
        """Nothing is made: each client declares a queue of its own."""

    def settings(self, bench: Bench) -> dict[str, str]:
        """What the server says of itself to a client, and what is asked of it."""
        with (
            driver_errors("asking RabbitMQ for its settings"),
            connect(bench.target, TIMEOUT_S) as link,
        ):
            return {
                "version": str(link.server.get("version", "")),
                "runtime": str(link.server.get("platform", "")),
                "queue": "classic, exclusive",
                "delivery": "transient messages, publisher confirms, explicit ack",
            }

    def run(self, bench: Bench) -> Measurement:
        """Every client publishes to a queue of its own."""
        body = b"x" * int(bench.params["body_bytes"])
        return run_for_seconds(bench, lambda number: _Client(bench.target, number, body))

    def cleanup(self, target: Target) -> None:
        """The queues are exclusive: each goes with its connection, however that ends."""


def _open(target: Target) -> BlockingConnection:
    import pika

    return opened(
        pika.ConnectionParameters(
            host=target.endpoint.host,
            port=target.ports["main"],
            virtual_host=target.credentials.database,
            credentials=pika.PlainCredentials(
                target.credentials.user, target.credentials.password, erase_on_connect=True
            ),
            connection_attempts=1,
            socket_timeout=TIMEOUT_S,
            stack_timeout=TIMEOUT_S,
            blocked_connection_timeout=TIMEOUT_S,
            heartbeat=0,
            client_properties={"connection_name": "devstack-tui bench"},
        ),
        target,
    )


class _Client:
    """One connection with one channel and one queue."""

    def __init__(self, target: Target, number: int, body: bytes) -> None:
        import pika

        # A name that no connection has that is not quite gone yet.
        self._queue = f"{QUEUE}{number}.{secrets.token_hex(4)}"
        self._body = body
        self._properties = pika.BasicProperties(delivery_mode=1)
        self._busy_since = 0.0
        self._closed = threading.Event()
        self._connection = _open(target)
        threading.Thread(target=self._watch, daemon=True).start()
        self._channel = self._begin()

    def _begin(self) -> BlockingChannel:
        self._busy_since = time.monotonic()
        inside: Any = self._connection._impl
        # What the driver would wait for without an end is reported to us at once.
        inside.add_on_connection_blocked_callback(lambda *_: self._shut())
        channel = self._connection.channel()
        channel.queue_declare(self._queue, exclusive=True)
        channel.confirm_delivery()
        self._busy_since = 0.0
        return channel

    def request(self) -> int:
        """Publish and wait for the confirmation; get and acknowledge."""
        self._busy_since = time.monotonic()
        channel = self._channel
        channel.basic_publish("", self._queue, self._body, self._properties, mandatory=True)
        method, _, body = channel.basic_get(self._queue)
        if method is None or body != self._body:
            raise LostMessageError
        channel.basic_ack(method.delivery_tag)
        self._busy_since = 0.0
        return 1

    def close(self) -> None:
        """Close the connection; one that is broken cannot be waited for."""
        self._closed.set()
        if self._busy_since:
            self._shut()
        with contextlib.suppress(Exception):
            self._connection.close()

    def _watch(self) -> None:
        """The driver waits for ever for a server that stopped answering: take its socket away."""
        while not self._closed.wait(0.5):
            since = self._busy_since
            if since and time.monotonic() - since > TIMEOUT_S:
                self._shut()
                return

    def _shut(self) -> None:
        inside: Any = self._connection._impl
        sock = getattr(getattr(inside, "_transport", None), "_sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


WORKLOADS: tuple[Workload, ...] = (PublishGet(),)
