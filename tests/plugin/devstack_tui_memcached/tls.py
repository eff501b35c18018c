"""memcached's TLS: its one port, which speaks nothing else."""

from __future__ import annotations

import socket

from devstack_tui.contracts.audit import Listener, PlainRefused, ProtocolFault, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.loadgen.bounded_socket import begin_at_once, translated
from devstack_tui_memcached.client import Connection

TIMEOUT_S = 5.0
SETTINGS = {
    "tls": "-Z, -o ssl_chain_cert and ssl_key",
    "protocols": "-o ssl_min_version",
    "ciphers": "-o ssl_ciphers",
    "plain": "-l without notls:",
}

EXPLAINED = {
    "cipher_order": "memcached has no setting for it; every cipher of ours is strong",
    "client_renegotiation": "memcached has no setting for it",
    "sha1_signature": "memcached has no setting for it",
}


class MemcachedTls:
    """See `devstack_tui.contracts.audit.TlsPart`."""

    def listeners(self, target: Target) -> tuple[Listener, ...]:
        """The one port."""
        host, port = target.endpoint.host, target.endpoint.port
        return (
            Listener(
                "memcached",
                "memcached",
                begin_at_once,
                host,
                port,
                settings=SETTINGS,
                explained=EXPLAINED,
            ),
        )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:
        """Its version."""
        try:
            if tls:
                with Connection(target, timeout) as connection:
                    return f"it is version {connection.version()}, over TLS"
            with socket.create_connection((listener.host, listener.port), timeout) as plain:
                plain.settimeout(timeout)
                plain.sendall(b"version\r\n")
                answer = plain.recv(64)
        except OSError as error:
            found = translated(error)
            if not tls and isinstance(found, ProtocolFault):
                raise PlainRefused("it closes a plain connection") from None
            raise found from None
        if not answer.startswith((b"VERSION", b"CLIENT_ERROR")):
            raise PlainRefused("it does not answer in plain")
        return "it answers in plain"

    def reload(
        self,
        target: Target,
        files: ServiceFiles,  # noqa: ARG002
        units: UnitControl,  # noqa: ARG002
    ) -> bool:
        """`refresh_certs`, over the certificate that it serves until then."""
        with Connection(target, TIMEOUT_S) as connection:
            connection.reload_certificate()
        return True


TLS: TlsPart = MemcachedTls()
