"""The load's own HTTP client: right about every answer, however it arrives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from devstack_tui.loadgen.http_client import (
    ConnectionClosed,
    HttpClient,
    HttpStatus,
    MalformedReply,
)

Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that answers each request with the next of some answers, piece by piece."""
    listener = socket.create_server(("127.0.0.1", 0))

    def start(*answers: list[bytes]) -> int:
        def work() -> None:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock:
                for pieces in answers:
                    sock.recv(65536)
                    for piece in pieces:
                        sock.sendall(piece)

        threading.Thread(target=work, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    listener.close()


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Other: y\r\n\r\nhello"


def test_requests_follow_each_other_on_one_connection(serve: Serve) -> None:
    client = HttpClient("127.0.0.1", serve([WHOLE], [WHOLE], [WHOLE]), "/health/")
    assert [client.request() for _ in range(3)] == [1, 1, 1]
    client.close()


@pytest.mark.parametrize("size", [1, 7, 40])
def test_an_answer_in_pieces_is_put_together(serve: Serve, size: int) -> None:
    pieces = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    client = HttpClient("127.0.0.1", serve(pieces, [WHOLE]), "/")
    assert (client.request(), client.request()) == (1, 1)
    client.close()


@pytest.mark.parametrize("status", [201, 301, 404, 503])
def test_every_status_but_200_is_an_error_with_its_number(serve: Serve, status: int) -> None:
    port = serve([b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status])
    client = HttpClient("127.0.0.1", port, "/")
    with pytest.raises(HttpStatus) as error:
        client.request()
    assert error.value.args == (status,)
    client.close()


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n"]
)
def test_an_answer_that_cannot_be_measured_is_an_error(serve: Serve, answer: bytes) -> None:
    client = HttpClient("127.0.0.1", serve([answer]), "/")
    with pytest.raises(MalformedReply):
        client.request()
    client.close()


@pytest.mark.parametrize("cut", [0, 10, len(WHOLE) - 1])
def test_a_server_that_goes_away_in_the_middle_is_an_error(serve: Serve, cut: int) -> None:
    client = HttpClient("127.0.0.1", serve([WHOLE[:cut]]), "/")
    with pytest.raises(ConnectionClosed):
        client.request()
    client.close()


def test_a_server_that_is_not_there_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        HttpClient("127.0.0.1", port, "/")
