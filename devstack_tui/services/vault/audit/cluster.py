"""Vault's port for its own nodes: TLS by certificates that they make themselves, of both sides."""

from __future__ import annotations

import socket
import ssl

from devstack_tui.contracts.audit import Audit, Check, Finding, ProtocolFault, Severity
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UnreachableError
from devstack_tui.loadgen.bounded_socket import translated
from devstack_tui.services.vault.audit.kit import VAULT, check

# What nodes of Vault ask each other for; without it the port does not even begin (RFC 7301).
FORWARDING = "req_fw_sb-act_v1"
REMEDY = "let nothing stand before the port of cluster_addr; `devstack-tui restart vault`"


def checks() -> tuple[Check, ...]:
    """Two of the one listener."""
    return tuple(
        check(
            f"vault-cluster.{name}",
            title,
            run,
            "",
            REMEDY,
            severity=Severity.HIGH,
            stake="Whoever is let in there forwards requests to Vault, or gets a copy of its data.",
            group="nodes",
            kind=f"cluster_{name}",
            suite="tls",
        )
        for name, title, run in (
            ("mutual", "vault-cluster: nobody but Vault's own nodes is let in", _mutual),
            ("plain", "vault-cluster: nothing is answered without TLS", _plain),
        )
    )


def _where(audit: Audit) -> tuple[str, int]:
    target = audit.target(VAULT)
    return target.endpoint.host, target.ports["cluster"]


def _silent(audit: Audit) -> UnreachableError:
    host, port = _where(audit)
    return UnreachableError(f"Vault's port for its nodes, {host}:{port}, gives no answer")


def _mutual(audit: Audit) -> Finding:
    """A handshake without a certificate, as a node would make it otherwise, and the first word
    after it: in TLS 1.3 the client is judged when it has done with the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Its authority is in nobody's hands but its own, and nothing is sent.
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([FORWARDING])
    try:
        with (
            socket.create_connection(_where(audit), audit.timeout) as sock,
            context.wrap_socket(sock) as wrapped,
        ):
            seen = f"{wrapped.version()}, {wrapped.selected_alpn_protocol()}"
            wrapped.settimeout(audit.timeout)
            answer = wrapped.recv(1)
    except (ConnectionRefusedError, TimeoutError) as error:
        raise _silent(audit) from error
    except (ssl.SSLError, ConnectionError) as error:
        reason = str(getattr(error, "reason", None) or type(error).__name__)
        return Finding(Status.PASS, f"without a certificate: {reason.lower().replace('_', ' ')}")
    if not answer:
        return Finding(Status.PASS, f"{seen}: it closed the connection of who has no certificate")
    return Finding(Status.FAIL, f"{seen}: somebody without a certificate was answered")


def _plain(audit: Audit) -> Finding:
    try:
        with socket.create_connection(_where(audit), audit.timeout) as sock:
            sock.settimeout(audit.timeout)
            sock.sendall(b"GET /v1/sys/health HTTP/1.1\r\nHost: vault\r\n\r\n")
            answer = sock.recv(64)
    except TimeoutError as error:
        raise _silent(audit) from error
    except ConnectionError as error:
        found = translated(error)
        if not isinstance(found, ProtocolFault):
            raise found from None
        return Finding(Status.PASS, f"HTTP in plain: {found}")
    # An alert of TLS, or the words of Go's HTTP server that it wants HTTPS.
    refused = not answer or answer[:1] == b"\x15" or b" 400 " in answer
    seen = "it was refused" if refused else f"it was answered {answer[:40]!r}"
    return Finding(Status.PASS if refused else Status.FAIL, f"HTTP in plain: {seen}")
