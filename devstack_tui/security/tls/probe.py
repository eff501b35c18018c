"""Offering a server one version or one family of ciphers, and reading what it decides."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from devstack_tui.contracts.audit import Listener, ProtocolFault
from devstack_tui.loadgen.bounded_socket import Reader
from devstack_tui.security.tls import ciphers
from devstack_tui.security.tls.client_hello import (
    ALERT,
    VERSIONS,
    Alert,
    Offer,
    ServerHello,
    alert,
    client_hello,
    hello_length,
    record_header,
    server_hello,
)

_WARNINGS = 4  # alerts that are no refusal, before it must come to the point


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's decision: its choice, or how it said no (an alert, or closing at once)."""

    offer: Offer
    hello: ServerHello | None = None
    alert: Alert | None = None

    @property
    def accepted(self) -> bool:
        """Whether it chose from the offer, in whatever version."""
        return self.hello is not None

    @property
    def version_accepted(self) -> bool:
        """Whether it chose the very version that was offered, not an older one."""
        return self.hello is not None and self.hello.version == self.offer.version

    def __str__(self) -> str:
        if self.hello is not None:
            return f"ServerHello: {VERSIONS[self.hello.version]}, {ciphers.name(self.hello.cipher)}"
        return f"alert {self.alert.name}" if self.alert else "connection closed"


def ask(listener: Listener, offer: Offer, timeout: float) -> Answer:
    """Send a ClientHello of `offer` on a new connection and read the answer, `timeout` seconds at
    most for each of connecting, the protocol's own beginning, and the answer.

    Raises `ProtocolFault` when what comes is no TLS, and `OSError` as the socket does.
    """
    with socket.create_connection((listener.host, listener.port), timeout) as sock:
        listener.begin(sock)
        sock.settimeout(timeout)
        try:
            sock.sendall(client_hello(offer))
            return read_answer(Reader(sock), offer)
        except (ConnectionResetError, BrokenPipeError):
            return Answer(offer)


def read_answer(reader: Reader, offer: Offer) -> Answer:
    """The first decision in what a server sends. Raises as `ask`."""
    message = b""
    for _ in range(_WARNINGS + 4):
        first = reader.some(5)
        if not first and not message:
            return Answer(offer)
        kind, length = record_header(first + reader.exactly(5 - len(first)))
        body = reader.exactly(length)
        if kind == ALERT:
            found = alert(body)
            if found.fatal or found.code == 0:
                return Answer(offer, alert=found)
            continue
        message += body
        if len(message) >= 4:
            end = 4 + hello_length(message[:4])
            if len(message) >= end:
                return Answer(offer, hello=server_hello(message[4:end], offer))
    raise ProtocolFault("it sent record after record and no whole ServerHello")
