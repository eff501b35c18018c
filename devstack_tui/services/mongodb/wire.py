"""One connection to MongoDB, spoken by hand: what a probe needs, and no more.

The driver brings two connections and three threads to a single command, keeps back why it cannot
connect until its time limit, and makes mongod log a line for every connection, which nothing can
turn off. Two seconds later the probe comes again.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time
import unicodedata
from typing import Any

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import client_context

_OP_MSG = 2013
MOST_ROUNDS = 1_000_000
"""Of hashing a password, that a server may ask for: a second."""
_LARGEST = 48_000_000  # the protocol's own limit, bytes


_FOREIGN = "what answers there does not speak MongoDB's protocol"


class Refused(DevstackError):
    """mongod answered with an error; `code` is its number."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Wire:
    """A connection over verified TLS, or in plain to what is proven to be the stack's own server.
    `timeout` (seconds) is for everything from here to the end.

    Raises `OSError` (of which a certificate that cannot be verified is one) when there is no
    answer, `Refused` when the answer is no.
    """

    def __init__(self, target: Target, timeout: float, tls: bool = True) -> None:
        self._deadline = time.monotonic() + timeout
        endpoint = target.endpoint
        context = client_context(target.ca, target.name) if tls else None
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket: socket.socket = plain
            if context:
                self._socket = context.wrap_socket(plain)
            else:
                from devstack_tui.contracts.peer import Peer

                Peer.of(target).prove(plain)
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def tls(self) -> str:
        """The protocol version that both sides agreed on, empty without TLS."""
        return (self._socket.version() or "") if isinstance(self._socket, ssl.SSLSocket) else ""

    def login(self, user: str, password: str) -> None:
        """Authenticate by SCRAM-SHA-256 (RFC 7677), and see that the server knows the password."""
        name = user.replace("=", "=3D").replace(",", "=2C")
        first = f"n={name},r={_text(os.urandom(24))}"
        reply = self._sasl(
            "saslStart",
            f"n,,{first}",
            mechanism="SCRAM-SHA-256",
            options={"skipEmptyExchange": True},
        )
        final, expected = scram(password, first, _payload(reply))
        reply = self._sasl("saslContinue", final, conversationId=reply.get("conversationId"))
        if not hmac.compare_digest(expected.encode(), _payload(reply).encode()):
            raise Refused("the server accepted a password that it does not know")

    def command(self, database: str, command: dict[str, Any]) -> dict[str, Any]:
        """The answer to `command`, which was carried out in full."""
        import bson

        body = struct.pack("<IB", 0, 0) + bson.encode({**command, "$db": database})
        self._wait()
        self._socket.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, _OP_MSG) + body)
        length, _, _, code = struct.unpack("<iiii", self._read(16))
        if code != _OP_MSG or not 21 < length < _LARGEST:
            raise Refused(_FOREIGN)
        try:
            reply: dict[str, Any] = bson.decode(self._read(length - 16)[5:])
        except (bson.errors.BSONError, ValueError, OverflowError):
            raise Refused(_FOREIGN) from None
        # A write that failed is still `ok`.
        failed = reply.get("writeErrors")
        wrong = [
            reply,
            reply.get("writeConcernError"),
            *(failed if isinstance(failed, list) else ()),
        ]
        for error in wrong:
            if isinstance(error, dict) and "errmsg" in error:
                code = error.get("code")
                raise Refused(str(error["errmsg"]), code if isinstance(code, int) else 0)
        return reply

    def _sasl(self, verb: str, payload: str, **more: Any) -> dict[str, Any]:
        return self.command("admin", {verb: 1, "payload": payload.encode(), **more})

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait()
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("mongod closed the connection")
            parts += part
        return bytes(parts)

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left)


def scram(password: str, first: str, server_first: str) -> tuple[str, str]:
    """The client's last message and the server's answer to it, if it knows the password.

    `first` is the client's first message without its header. Raises `Refused` when the server
    answers somebody else's.
    """
    fields = {part[:1]: part[2:] for part in server_first.split(",")}
    if not fields.get("r", "").startswith(first.rpartition("r=")[2]):
        raise Refused("the server's answer is not to this login")
    try:
        rounds, salt = int(fields["i"]), base64.b64decode(fields["s"])
    except (KeyError, ValueError):
        raise Refused("the server's answer to the login is no SCRAM") from None
    if not 0 < rounds <= MOST_ROUNDS:
        raise Refused(f"the server asks for {rounds} rounds of hashing")
    key = salted(password, salt, rounds)
    final = f"c=biws,r={fields['r']}"
    signed = f"{first},{server_first},{final}".encode()
    client_key = hmac.digest(key, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    expected = hmac.digest(hmac.digest(key, b"Server Key", "sha256"), signed, "sha256")
    return f"{final},p={_text(proof)}", f"v={_text(expected)}"


@functools.lru_cache(maxsize=8)
def salted(password: str, salt: bytes, iterations: int) -> bytes:
    """The password as SCRAM uses it."""
    # 15,000 rounds by default: once is enough for a password that does not change.
    prepared = unicodedata.normalize("NFKC", password).encode()
    return hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)


def _payload(reply: dict[str, Any]) -> str:
    found = reply.get("payload")
    if not isinstance(found, bytes):
        raise Refused("the server's answer to the login is no SCRAM")
    return found.decode(errors="replace")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
