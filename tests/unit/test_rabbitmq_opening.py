"""Connections to RabbitMQ that do not come about: what the driver says of them is told apart."""

import socket
import threading
from collections.abc import Iterator

import pika
import pytest

from devstack_tui.services.rabbitmq.connection import opened


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def parameters(port: int, stack_timeout: float, socket_timeout: float) -> pika.ConnectionParameters:
    return pika.ConnectionParameters(
        "127.0.0.1",
        port,
        connection_attempts=1,
        stack_timeout=stack_timeout,
        socket_timeout=socket_timeout,
    )


def test_a_silent_peer_is_a_timeout(listener: socket.socket) -> None:
    # The driver's limit on the whole ends first, as it does under load.
    with pytest.raises(TimeoutError):
        opened(parameters(listener.getsockname()[1], stack_timeout=0.1, socket_timeout=20.0))


def test_a_peer_that_hangs_up_is_what_the_broker_says(listener: socket.socket) -> None:
    def hang_up() -> None:
        listener.accept()[0].close()

    threading.Thread(target=hang_up, daemon=True).start()
    with pytest.raises(pika.exceptions.AMQPError):
        opened(parameters(listener.getsockname()[1], stack_timeout=20.0, socket_timeout=20.0))


def test_nobody_there_is_a_refusal() -> None:
    with pytest.raises(ConnectionRefusedError):
        opened(parameters(1, 5.0, 5.0))
