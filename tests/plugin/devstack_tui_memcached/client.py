"""A client of memcached's text protocol over verified TLS, as small as the parts need it."""

from __future__ import annotations

import socket

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import client_context


class Connection:
    """One connection, logged in. `timeout` (seconds) covers connecting and each answer.

    Raises `OSError` when there is no answer and `DevstackError` for one that is an error.
    """

    def __init__(self, target: Target, timeout: float) -> None:
        host = target.endpoint.host
        plain = socket.create_connection((host, target.endpoint.port), timeout)
        try:
            self.socket = client_context(target.ca, target.name).wrap_socket(plain)
            self._lines = self.socket.makefile("rb")
            self.set("login", f"{target.credentials.user} {target.credentials.password}".encode())
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def version(self) -> str:
        """Of the server."""
        return self._ask(b"version\r\n").removeprefix("VERSION ")

    def set(self, key: str, value: bytes) -> None:
        """Store one item, without an end of its life."""
        answer = self._ask(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
        if answer != "STORED":
            raise DevstackError(f"memcached refuses to store an item: {answer}")

    def get(self, *keys: str) -> dict[str, bytes]:
        """The items that are there."""
        found = {}
        answer = self._ask(f"get {' '.join(keys)}\r\n".encode())
        while answer != "END":
            word, key, _, size = answer.split()
            if word != "VALUE":
                raise DevstackError(f"memcached answers a get with {answer}")
            found[key] = self._lines.read(int(size) + 2)[:-2]
            answer = self._line()
        return found

    def delete(self, key: str) -> None:
        """Remove one item, if it is there."""
        self._ask(f"delete {key}\r\n".encode())

    def settings(self) -> dict[str, str]:
        """What `stats settings` reports."""
        found = {}
        answer = self._ask(b"stats settings\r\n")
        while answer != "END":
            _, name, *value = answer.split(maxsplit=2)
            found[name] = "".join(value)
            answer = self._line()
        return found

    def reload_certificate(self) -> None:
        """Have it read its certificate and key again; connections keep theirs."""
        if (answer := self._ask(b"refresh_certs\r\n")) != "OK":
            raise DevstackError(f"memcached does not take the certificate: {answer}")

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self.socket.close()

    def _ask(self, request: bytes) -> str:
        self.socket.sendall(request)
        return self._line()

    def _line(self) -> str:
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("memcached closed the connection")
        return line.decode().rstrip("\r\n")
