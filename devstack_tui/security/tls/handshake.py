"""Whole handshakes, by OpenSSL, on a listener of any protocol."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack_tui.contracts.audit import Listener, ProtocolFault, Untrusted
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import load_identity, strict

Identity = tuple[bytes, bytes]
"""Our own certificate and key, for a listener that wants to see one."""
_DER = 2  # `_ssl.ENCODING_DER`
_SILENCE_S = 1.0


class Refused(ProtocolFault):
    """The server ended the handshake by an alert; `alert` is its name."""

    def __init__(self, alert: str) -> None:
        super().__init__(f"it refused the handshake: alert {alert}")
        self.alert = alert


@dataclass(frozen=True, slots=True)
class Session:
    """A handshake that came to its end. `chain` is what the server sent, the leaf first, in DER;
    `ms` is the handshake alone."""

    version: str
    cipher: str
    chain: tuple[bytes, ...]
    ms: float


def look(listener: Listener, timeout: float, identity: Identity | None = None) -> Session:
    """A handshake that verifies nothing and accepts any version and key, to see what is served."""
    return _shake(_lenient(), listener, "", timeout, identity)


def unidentified(listener: Listener, timeout: float) -> None:
    """A handshake without a certificate of ours, and the server's first word after it: in TLS 1.3
    it judges the client when the client has done with it. Raises `Refused` if it says no."""
    with (
        socket.create_connection((listener.host, listener.port), timeout) as sock,
        _classified(),
    ):
        listener.begin(sock)
        sock.settimeout(timeout)
        with _lenient().wrap_socket(sock) as wrapped:
            # Nothing is asked, so one that lets us in stays silent until it gives up.
            wrapped.settimeout(_SILENCE_S)
            try:
                if not wrapped.recv(1):
                    raise ProtocolFault("it closed the connection after the handshake")
            except TimeoutError:
                return


def _lenient() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    # A certificate that is too weak for a client of today must be seen to be judged.
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def verify(
    listener: Listener,
    ca: Path,
    name: str,
    timeout: float,
    identity: Identity | None = None,
) -> Session:
    """A handshake as a careful client makes it: trust in `ca` alone, and in no other name than
    `name` (empty: in any).

    Raises `Untrusted`, `Refused`, `ProtocolFault` for what is no TLS, and `OSError`.
    """
    context = strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = bool(name)
    trust(context, ca)
    return _shake(context, listener, name, timeout, identity)


def trust(context: ssl.SSLContext, ca: Path) -> None:
    """Have a client trust what is in the file. Raises `DevstackError` where it cannot be used."""
    try:
        context.load_verify_locations(cafile=str(ca))
    except OSError as error:  # of OpenSSL, too
        why = getattr(error, "reason", None) or error.strerror
        raise DevstackError(
            f"{ca} cannot be read as certificates: {why}", "`devstack-tui up` writes it again"
        ) from None


def _shake(
    context: ssl.SSLContext,
    listener: Listener,
    name: str,
    timeout: float,
    identity: Identity | None,
) -> Session:
    if identity is not None:
        load_identity(context, *identity)
    with socket.create_connection((listener.host, listener.port), timeout) as sock:
        listener.begin(sock)
        sock.settimeout(timeout)
        started = time.perf_counter()
        with (
            _classified(),
            context.wrap_socket(sock, server_hostname=name or None) as wrapped,
        ):
            taken = (time.perf_counter() - started) * 1000
            cipher = wrapped.cipher()
            return Session(
                version=(wrapped.version() or "").replace("TLSv", "TLS "),
                cipher=cipher[0] if cipher else "",
                chain=_chain(wrapped),
                ms=taken,
            )


@contextmanager
def _classified() -> Iterator[None]:
    """OpenSSL's errors as what happened."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Untrusted(error.verify_message, error.verify_code) from None
    except ssl.SSLEOFError:
        raise ProtocolFault("it closed the connection in the middle of the handshake") from None
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        for mark in ("TLSV1_ALERT_", "SSLV3_ALERT_", "TLSV13_ALERT_", "TLSV1_"):
            if reason.startswith(mark):
                raise Refused(reason.removeprefix(mark).lower()) from None
        raise ProtocolFault(
            f"its handshake is not TLS: {reason.lower().replace('_', ' ')}"
        ) from None
    except (ConnectionResetError, BrokenPipeError):
        raise ProtocolFault("it reset the connection in the middle of the handshake") from None


def _chain(wrapped: ssl.SSLSocket) -> tuple[bytes, ...]:
    # Public since Python 3.13; until then the C object beneath has it.
    public = getattr(wrapped, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    inner: Any = wrapped._sslobj  # type: ignore[attr-defined]
    return tuple(one.public_bytes(_DER) for one in inner.get_unverified_chain() or ())
