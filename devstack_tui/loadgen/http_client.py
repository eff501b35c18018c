"""A client that costs less than what it measures: one GET after another on one connection.

Python's own HTTP clients spend more on an answer than a small one costs its server. This one sends
bytes that were made beforehand, and of an answer reads its status and its length.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from devstack_tui.core.tls import OwnName

ENGINE = ("devstack-tui http", "1")
"""The version changes when its figures do."""
TIMEOUT_S = 5.0
_END = b"\r\n\r\n"


class HttpStatus(Exception):
    """An answer that was not 200; its first argument is the status."""


class MalformedReply(Exception):
    """An answer that is no HTTP/1.1, or does not state its length."""


class ConnectionClosed(Exception):
    """The server closed the connection before the answer was whole."""


class HttpClient:
    """One keep-alive connection that asks for the same `path` again and again.

    With a `context` over TLS, verified. Raises `OSError` when it cannot connect. It is
    a `devstack_tui.loadgen.client_process.Client`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        headers: Mapping[str, str] | None = None,
        context: OwnName | None = None,
    ) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Accept: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._wire = "\r\n".join(lines).encode("latin-1") + _END
        plain = socket.create_connection((host, port), timeout=TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._sock = context.wrap_socket(plain) if context else plain
        except OSError:
            plain.close()
            raise

    def request(self) -> int:
        """Ask once. Raises `HttpStatus`, `MalformedReply`, `ConnectionClosed` and `OSError`."""
        self._sock.sendall(self._wire)
        data = self._more(b"")
        while (end := data.find(_END)) < 0:
            data = self._more(data)
        head = data[:end].lower()
        status = head[9:12]
        if not head.startswith(b"http/1.1 ") or not status.isdigit():
            raise MalformedReply("no HTTP/1.1")
        if status != b"200":
            raise HttpStatus(int(status))
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if not found:
            raise MalformedReply("no length")
        size = end + len(_END) + int(rest.split(b"\r\n", 1)[0])
        while len(data) < size:
            data = self._more(data)
        return 1

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _more(self, data: bytes) -> bytes:
        more = self._sock.recv(65536)
        if not more:
            raise ConnectionClosed
        return data + more
