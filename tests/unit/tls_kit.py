"""Certificates made to order, TLS servers that serve them, servers that lie, and a small audit."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from devstack_tui.contracts import service_files
from devstack_tui.contracts.audit import Listener
from devstack_tui.contracts.bindings import Bindings
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.core.tls import with_key_extensions

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


@dataclass
class Pair:
    """A certificate with its key."""

    cert: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(PEM)

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(DER)


def make(
    name: str,
    by: Pair | None = None,
    *,
    ca: bool = False,
    key: Key | None = None,
    days: float = 100,
    begins: datetime.datetime = NOW - DAY,
    dns: tuple[str, ...] = ("localhost",),
    addresses: tuple[str, ...] = ("127.0.0.1",),
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    identified: bool = True,
) -> Pair:
    """A certificate by `by`, or by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.cert.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in dns]
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if identified:
        builder = with_key_extensions(builder, key.public_key(), by.cert if by else None, ca=ca)
    return Pair(builder.sign(by.key if by else key, hashes.SHA256()), key)


class Files:
    """Where the files of a service lie whose directory is `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cert, self.key = home / service_files.CERT, home / service_files.KEY
        self.chain = home / service_files.CHAIN
        self.cert.parent.mkdir()


@dataclass
class Pki:
    """Root, intermediate, and a folder for their files."""

    folder: Path
    root: Pair = field(default_factory=lambda: make("root", ca=True, days=4000))

    def __post_init__(self) -> None:
        self.middle = make("middle", self.root, ca=True, days=2000)
        self.ca = self.folder / "ca.crt"
        self.ca.write_bytes(self.root.pem)
        self.files = Files(self.folder)
        self.files.chain.write_bytes(self.middle.pem + self.root.pem)

    def leaf(self, **changes: Any) -> Pair:
        """A leaf by the intermediate, good unless `changes` say otherwise."""
        return make("leaf", self.middle, **changes)

    def write(self, leaf: Pair, *more: Pair) -> Files:
        """The files of a server that serves `leaf` and sends `more` with it."""
        self.files.cert.write_bytes(b"".join(one.pem for one in (leaf, *more)))
        self.files.key.write_bytes(
            leaf.key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.files.key.chmod(0o600)
        return self.files


@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[Listener]:
    """A server that hands each connection to `serve`, one after another, until the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopping = threading.Event()

        def run() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if stopping.is_set():
                        return
                    # The client may be gone at any moment, and that is its right.
                    with contextlib.suppress(OSError):
                        connection.settimeout(10)
                        serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield Listener("it", "postgres", lambda sock: None, "127.0.0.1", port)
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def tls_server(
    files: Files, tune: Callable[[ssl.SSLContext], None] = lambda context: None
) -> Iterator[Listener]:
    """A server of TLS that ends each connection after its handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    tune(context)
    context.load_cert_chain(files.cert, files.key)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    with answering(serve) as listener:
        yield listener


class FakeAudit:
    """As much of an `Audit` as handshakes need."""

    def __init__(self, ca: Path, files: Files | None = None, timeout: float = 2.0) -> None:
        self.ca = ca
        self.timeout = timeout
        self._files = files
        self.up = True
        self.foreign: dict[int, str] = {}
        self._known: dict[str, tuple[object, Exception | None]] = {}
        self._lock = threading.Lock()

    def files(self, _service: str) -> RootedFiles:
        assert self._files is not None
        return RootedFiles(self._files.home)

    def running(self, _service: str) -> bool:
        return self.up

    def bindings(self) -> dict[str, Bindings]:
        return {"postgres": Bindings("127.0.0.1", {}, (), self.foreign)}

    def once(self, key: str, make: Callable[[], object]) -> object:
        with self._lock:
            if key not in self._known:
                try:
                    self._known[key] = (make(), None)
                except Exception as error:
                    self._known[key] = (None, error)
        value, failure = self._known[key]
        if failure is not None:
            raise failure
        return value
