"""A client that shows a certificate: it is loaded from memory, and proven to the server."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from devstack_tui.core.tls import load_identity
from tests.unit.tls_kit import Pair, Pki

PEM = serialization.Encoding.PEM


def key_of(pair: Pair) -> bytes:
    return pair.key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_server_that_asks_for_a_certificate_is_shown_the_one_in_memory(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    files = pki.write(pki.leaf(), pki.middle)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    server.load_verify_locations(pki.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(pki.ca))
    own = pki.leaf(usage=None)
    load_identity(client, own.pem + pki.middle.pem, key_of(own))
    here, there = socket.socketpair()
    seen: list[bytes | None] = []

    def serve() -> None:
        with server.wrap_socket(there, server_side=True) as wrapped:
            seen.append(wrapped.getpeercert(binary_form=True))
            wrapped.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(here, server_hostname="localhost") as wrapped:
        wrapped.sendall(b"x")
    thread.join(10)
    assert seen == [own.der]


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with pytest.raises(ssl.SSLError):
        load_identity(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pki.leaf().pem, key_of(pki.leaf()))
