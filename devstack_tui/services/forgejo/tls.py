"""Forgejo has no TLS: HTTP on loopback, as declared."""

from __future__ import annotations

from devstack_tui.contracts.audit import Listener, OneListener, PlainRefused, ProtocolFault, TlsPart
from devstack_tui.contracts.model import Target
from devstack_tui.loadgen.bounded_socket import begin_at_once, get, translated


class ForgejoTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    listener = Listener(
        "forgejo", "forgejo", begin_at_once, dual=True, tls=False, core={"plain": 19}
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:
        """Its own health check, by HTTP."""
        if tls:
            raise ProtocolFault("it has no TLS")
        try:
            status, body = get(target.endpoint.host, listener.port, "/api/healthz", timeout)
        except OSError as error:
            raise translated(error) from None
        if status in (301, 302, 307, 308, 426):
            raise PlainRefused(f"it answers HTTP with {status}: it wants HTTPS")
        if status not in (200, 503) or b'"status"' not in body:
            raise ProtocolFault(f"/api/healthz answered {status}")
        return f"/api/healthz answered {status} in plain"


TLS: TlsPart = ForgejoTls()
