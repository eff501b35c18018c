"""Conversations with servers that may hang, lie or drip: bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator

from devstack_tui.contracts.audit import ProtocolFault, Untrusted
from devstack_tui.contracts.peer import ForeignPeerError
from devstack_tui.core.errors import DevstackError, cause_of
from devstack_tui.core.redact import redact
from devstack_tui.core.tls import OwnName

PATIENCE_S = 10.0
_BODY = 64 * 1024  # bytes of an answer that are looked at


class Reader:
    """Reads from a connected socket until a moment, however slowly the bytes come.

    The time limit is the socket's own, as one whole from here on: a socket alone would grant it
    anew for every byte.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        limit = sock.gettimeout()
        self._deadline = time.monotonic() + (PATIENCE_S if limit is None else limit)

    def exactly(self, size: int) -> bytes:
        """That many bytes. Raises `ProtocolFault` at an early end, `OSError` as the socket does."""
        parts = bytearray()
        while len(parts) < size:
            part = self._some(size - len(parts))
            if not part:
                seen = f"after {len(parts)} of {size} bytes" if parts else "without an answer"
                raise ProtocolFault(f"it closed the connection {seen}")
            parts += part
        return bytes(parts)

    def some(self, size: int) -> bytes:
        """What comes next, at most `size` bytes; nothing at the end of the connection."""
        return self._some(size)

    def _some(self, size: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        self._socket.settimeout(left)
        return self._socket.recv(size)


@contextlib.contextmanager
def guarded(descriptor: int, seconds: float) -> Iterator[None]:
    """Cut a connection after `seconds`, for drivers that wait for each byte anew or for ever.

    What waited on it then fails, and `TimeoutError` is raised in its place.
    """
    late = threading.Event()
    own = os.dup(descriptor)  # the driver may close its own, and another take the number

    def cut() -> None:
        late.set()
        with socket.socket(fileno=os.dup(own)) as sock, contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
        timer.join()
        os.close(own)


def get(
    host: str, port: int, path: str, timeout: float, context: OwnName | None = None
) -> tuple[int, bytes]:
    """GET `path` by HTTP, or HTTPS with a context; the status and the beginning of the body.

    Raises `OSError` (an `ssl.SSLError` is one), and `ProtocolFault` for what is no HTTP.
    """
    with socket.create_connection((host, port), timeout) as plain, guarded(plain.fileno(), timeout):
        # A guard on the plain socket cuts what is wrapped around it, too.
        sock = context.wrap_socket(plain) if context else plain
        try:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
            connection.sock = sock
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read(_BODY)
        except (http.client.HTTPException, ValueError) as error:
            raise ProtocolFault(f"its answer is no HTTP: {type(error).__name__}") from None
        finally:
            sock.close()


def translated(error: Exception) -> Exception:
    """A driver's error as what an audit distinguishes: `Untrusted`, no answer (`OSError`), and the
    wrong one (`ProtocolFault`), with the reason in words."""
    if distrust := cause_of(error, ssl.SSLCertVerificationError):
        return Untrusted(distrust.verify_message, distrust.verify_code)
    for kind in (ForeignPeerError, ConnectionRefusedError, TimeoutError):
        if found := cause_of(error, kind):
            return found
    if closed := cause_of(error, ConnectionError) or cause_of(error, ssl.SSLEOFError):
        return ProtocolFault(f"it closed the connection ({type(closed).__name__})")
    if wrong := cause_of(error, ssl.SSLError):
        # A driver may have made one of its own, without a reason.
        reason = str(getattr(wrong, "reason", None) or "no reason given").lower().replace("_", " ")
        what = "it refused the handshake" if " alert " in reason else "its handshake is not TLS"
        return ProtocolFault(f"{what}: {reason}")
    if isinstance(error, DevstackError | OSError):
        return error
    first = redact(str(error).strip().partition("\n")[0]) or type(error).__name__
    return ProtocolFault(first)


def begin_at_once(sock: socket.socket) -> None:
    """The `begin` of a listener where TLS comes first."""
