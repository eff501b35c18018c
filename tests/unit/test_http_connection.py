"""HTTP on one connection: every status is an answer, and what the server closed is opened again."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from devstack_tui.core.http_connection import CANNOT, HttpConnection


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what it was asked; `/gone` ends the connection afterwards without saying so."""

    protocol_version = "HTTP/1.1"
    peers: ClassVar[list[int]] = []

    def do_PUT(self) -> None:
        self.peers.append(self.client_address[1])
        size = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(size)
        body = b'{"path": "%b", "sent": "%b"}' % (self.path.encode(), sent)
        self.send_response(404 if "nothing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/gone"

    do_GET = do_LIST = do_PUT

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Handler.peers = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_status_is_an_answer_and_the_connection_stays(port: int) -> None:
    with HttpConnection("127.0.0.1", port, 5) as asked:
        assert asked.get("/a?b=c").json() == {"path": "/a?b=c", "sent": ""}
        assert asked.get("/nothing").status == 404
        assert asked.request("PUT", "/a b", b"x").json() == {"path": "/a%20b", "sent": "x"}
        assert asked.request("LIST", "/a").status == 200
        assert asked.tls_version == ""
    assert len(set(Handler.peers)) == 1


def test_a_connection_that_the_server_ended_is_opened_again(port: int) -> None:
    with HttpConnection("127.0.0.1", port, 5) as asked:
        for _ in range(20):
            assert asked.get("/gone").status == 200
    assert len(Handler.peers) == 20


def test_threads_share_it_one_after_another(port: int) -> None:
    with HttpConnection("127.0.0.1", port, 5) as asked:
        seen: list[str] = []
        threads = [
            threading.Thread(target=lambda n=n: seen.append(asked.get(f"/{n}").json()["path"]))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == sorted(f"/{n}" for n in range(20))


def test_nobody_there_and_nothing_said_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with HttpConnection("127.0.0.1", port, 0.1) as asked, pytest.raises(TimeoutError):
            asked.get("/")
    with HttpConnection("127.0.0.1", port, 1) as asked, pytest.raises(ConnectionRefusedError):
        asked.get("/")
    assert issubclass(TimeoutError, CANNOT)
