"""One who binds the ports that servers have left, and takes every login that is offered there.

It speaks as much of each protocol as a client needs to hand over its password, in the way that
gives most away: without TLS, and in clear.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import bson

Answers = Callable[[bytes], bytes]
"""What is sent for what came; for nothing, what is sent first."""


def redis(data: bytes) -> bytes:
    """Wants a login, then says yes to everything."""
    if not data:
        return b""
    return b"+OK\r\n" if b"AUTH" in data or b"HELLO" in data else b"-NOAUTH log in\r\n"


def postgres(data: bytes) -> bytes:
    """No TLS and no GSS; the password in clear; then everything is well."""
    if len(data) == 8:
        return b"N"
    if data[4:8] == b"\x00\x03\x00\x00":
        return b"R" + struct.pack(">II", 8, 3)
    return b"R" + struct.pack(">II", 8, 0) + b"Z\x00\x00\x00\x05I" if data else b""


_CLEAR = b"mysql_clear_password\0"
_CAPABILITIES = 0x200 | 0x8000 | 0x80000 | 0x8
"""4.1, secure connection, plugins, a database: and no TLS."""


def mysql(data: bytes) -> bytes:
    """A greeting without TLS, and a switch to the plugin that has the password sent in clear."""
    if not data:
        low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
        body = b"\x0a8.0.99-thief\0" + struct.pack("<I", 7) + b"12345678\0"
        body += struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + b"123456789012\0" + _CLEAR
        return len(body).to_bytes(3, "little") + b"\0" + body
    body = b"\xfe" + _CLEAR
    return len(body).to_bytes(3, "little") + bytes([(data[3] + 1) & 0xFF]) + body


def rabbitmq(data: bytes) -> bytes:
    """Connection.Start, with PLAIN alone."""
    if data[:4] != b"AMQP":
        return b""
    body = b"\x00\x0a\x00\x0a\x00\x09" + struct.pack(">I", 0)
    body += struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US"
    return b"\x01\x00\x00" + struct.pack(">I", len(body)) + body + b"\xce"


def mongodb(data: bytes) -> bytes:
    """The primary of nothing, which takes PLAIN; a yes to every command."""
    if len(data) < 21:
        return b""
    number = struct.unpack_from("<i", data, 4)[0]
    told = bson.encode(
        {
            "ok": 1,
            "ismaster": True,
            "isWritablePrimary": True,
            "maxWireVersion": 17,
            "minWireVersion": 0,
            "saslSupportedMechs": ["PLAIN"],
            "conversationId": 1,
            "done": True,
            "payload": b"",
        }
    )
    if struct.unpack_from("<i", data, 12)[0] == 2004:  # the old query, for the first hello
        body = struct.pack("<iqii", 8, 0, 0, 1) + told
        return struct.pack("<iiii", 16 + len(body), 1, number, 1) + body
    body = struct.pack("<I", 0) + b"\0" + told
    return struct.pack("<iiii", 16 + len(body), 1, number, 2013) + body


def http(data: bytes) -> bytes:
    """A yes to every request."""
    body = b'{"ok": true}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body if b"\r\n\r\n" in data else b""


PROTOCOLS: Mapping[str, Answers] = {
    "redis": redis,
    "postgres": postgres,
    "mysql": mysql,
    "rabbitmq": rabbitmq,
    "mongodb": mongodb,
    "vault": http,
    "reference_api": http,
    "forgejo": http,
}


class Thief:
    """Listens at `ports` (the protocol of each) on loopback: tries to bind those that are taken
    until it may. `most` connections to a port are enough: then it is given back."""

    def __init__(self, ports: Mapping[int, Answers], most: int = 0) -> None:
        self._answers = dict(ports)
        self._most = most
        self._wanted = set(ports)
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self.taken: set[int] = set()
        """The ports that it holds, or held."""
        self.callers: Counter[int] = Counter()
        """Connections, by port."""
        self.heard = bytearray()
        """Every byte that it was sent."""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Thief:
        self._grab()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def await_callers(self) -> None:
        """Return once somebody has connected, which the other side may have noticed before."""
        deadline = time.monotonic() + 60
        while not self.callers:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _run(self) -> None:
        while not self._over.is_set():
            self._grab()
            for key, _ in self._selector.select(0.005):
                key.data(key.fileobj)

    def _grab(self) -> None:
        for port in sorted(self._wanted):
            with contextlib.suppress(OSError):
                door = socket.create_server(("127.0.0.1", port), backlog=64)
                self._wanted.discard(port)
                self.taken.add(port)
                self._selector.register(door, selectors.EVENT_READ, self._accept)

    def _accept(self, door: socket.socket) -> None:
        port = door.getsockname()[1]
        sock, _ = door.accept()
        self.callers[port] += 1
        answers = self._answers[port]
        with contextlib.suppress(OSError):
            sock.sendall(answers(b""))
        self._selector.register(sock, selectors.EVENT_READ, lambda one: self._hear(one, answers))
        if self.callers[port] == self._most:
            self._selector.unregister(door)
            door.close()

    def _hear(self, sock: socket.socket, answers: Answers) -> None:
        try:
            data = sock.recv(65536)
            self.heard += data
            # A ClientHello: it has no certificate to show.
            if data and data[0] != 0x16:
                sock.sendall(answers(data))
                return
        except OSError:
            pass
        self._selector.unregister(sock)
        sock.close()
