"""The reference API's TLS: HTTPS on a port of its own, HTTP on another."""

from __future__ import annotations

from devstack_tui.contracts.audit import (
    OPENSSL_WEAK,
    Listener,
    OneListener,
    PlainRefused,
    ProtocolFault,
    TlsPart,
)
from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context
from devstack_tui.loadgen.bounded_socket import begin_at_once, get, translated
from devstack_tui.services.reference_api.server import UNIT

SETTINGS = {
    "tls": "its HTTPS port",
    "protocols": "the context's minimum_version TLS 1.2, and no maximum_version",
    "ciphers": "ciphers of ECDHE with GCM or ChaCha20",
    "plain": "its HTTP port",
}


class ReferenceApiTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reloaded = UNIT

    listener = Listener(
        "reference-api",
        "reference_api",
        begin_at_once,
        dual=True,
        core={"plain": 17, "verified": 18},
        weak=OPENSSL_WEAK,
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:  # noqa: ARG002
        """Ask it whether it lives."""
        context = client_context(target.ca, target.name) if tls else None
        port = target.ports["tls" if tls else "main"]
        try:
            status, body = get(target.endpoint.host, port, "/health/", timeout, context)
        except ConnectionRefusedError:
            if tls:
                raise
            raise PlainRefused(f"nothing listens at port {port}") from None
        except OSError as error:
            raise translated(error) from None
        if not tls and status in (301, 302, 307, 308, 426):
            raise PlainRefused(f"it answers HTTP with {status}: it wants HTTPS")
        if status != 200 or b'"status"' not in body:
            raise ProtocolFault(f"/health/ answered {status}")
        return f"/health/ answered 200 {'over TLS' if tls else 'in plain'}"


TLS: TlsPart = ReferenceApiTls()
