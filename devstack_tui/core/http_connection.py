"""HTTP on one connection, without a driver's weight: for probes, waiting and the Vault API."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from devstack_tui.core.tls import OwnName

CANNOT = (OSError, http.client.HTTPException)
"""What a request raises when there is no answer; `TimeoutError` is among them."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError`."""
        return json.loads(self.body)


class HttpConnection:
    """Asks one server: over verified TLS with a `context`, else in plain text. Threads may share
    it; one request goes after another. No proxy of the environment is used.

    `timeout` (seconds) covers connecting and each wait for more. It connects when it is asked
    first, and again when the server has closed the connection.
    """

    def __init__(
        self, host: str, port: int, timeout: float, context: OwnName | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._http: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
            if context
            else http.client.HTTPConnection(host, port, timeout=timeout)
        )

    def __enter__(self) -> HttpConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @property
    def tls_version(self) -> str:
        """`TLSv1.3` say; empty without TLS, and while there is no connection."""
        sock = self._http.sock
        return str(sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""

    def get(self, path: str) -> Reply:
        """The answer to a GET. Raises `CANNOT`."""
        return self.request("GET", path)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The answer to one request. Raises `CANNOT`; the connection is closed by then."""
        with self._lock:
            if (sock := self._http.sock) is not None and _has_ended(sock):
                self._http.close()
            used = self._http.sock is not None
            asked = method, quote(path, "/?&=%:@,+~"), body, dict(headers or {})
            try:
                return self._once(*asked)
            except ConnectionError:
                # The server may have ended it just now; what changes something is not sent twice.
                if not used or method != "GET":
                    raise
                return self._once(*asked)

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
            return Reply(answer.status, answer.read())
        except BaseException:
            self._http.close()
            raise


def _has_ended(sock: socket.socket) -> bool:
    """Whether an idle connection was closed by the server: nothing else can be read of it."""
    with contextlib.suppress(OSError, ValueError):
        return bool(select.select([sock], [], [], 0)[0])
    return True
