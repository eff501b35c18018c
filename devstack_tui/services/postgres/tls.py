"""PostgreSQL's TLS: asked for by an SSLRequest on the one port, which answers plain as well."""

from __future__ import annotations

import socket

from devstack_tui.contracts.audit import (
    OPENSSL_WEAK,
    Listener,
    OneListener,
    PlainRefused,
    ProtocolFault,
    TlsPart,
    Untrusted,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.peer import Peer
from devstack_tui.loadgen.bounded_socket import Reader, guarded, translated
from devstack_tui.services.postgres.client import connect

# Length 8, then the protocol "version" 1234.5679: https://www.postgresql.org/docs/15/protocol-message-formats.html
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_LONGEST_ERROR = 1024
_PROTOCOL_3 = (3 << 16).to_bytes(4, "big")

SETTINGS = {
    "tls": "ssl = on",
    "protocols": "ssl_min_protocol_version = 'TLSv1.2', and no ssl_max_protocol_version",
    "ciphers": "ssl_ciphers = 'ECDHE+AESGCM:ECDHE+CHACHA20'",
    "plain": "`host` in pg_hba.conf (`hostssl` admits TLS alone)",
}


def begin(sock: socket.socket) -> None:
    """SSLRequest; the server's one byte answers whether TLS may start."""
    sock.sendall(SSL_REQUEST)
    reader = Reader(sock)
    answer = reader.exactly(1)
    if answer == b"S":
        return
    if answer == b"N":
        raise ProtocolFault("it answered N to the SSLRequest: TLS is off")
    if answer == b"E":
        raise ProtocolFault(f"it answered the SSLRequest with an error: {_error(reader)}")
    raise ProtocolFault(f"it answered the SSLRequest with byte 0x{answer.hex()}: not PostgreSQL")


def _error(reader: Reader) -> str:
    """The message of an ErrorResponse whose first byte was read."""
    length = int.from_bytes(reader.exactly(4), "big") - 4
    if not 0 <= length <= _LONGEST_ERROR:
        return f"{length} bytes long"
    fields = reader.exactly(length).split(b"\0")
    return next((f[1:].decode("utf-8", "replace") for f in fields if f[:1] == b"M"), "no message")


class PostgresTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reloaded = "postgres"

    listener = Listener(
        "postgres",
        "postgres",
        begin,
        dual=True,
        core={"plain": 3, "verified": 4, "files": 5, "leaf": 22},
        weak=OPENSSL_WEAK,
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:  # noqa: ARG002
        """A SELECT of the session's TLS as the server reports it; in plain, its question for the
        password."""
        if not tls:
            return _without_login(target, timeout)
        import psycopg

        try:
            with (
                connect(target, timeout) as connection,
                guarded(connection.fileno(), timeout),
            ):
                row = connection.execute(
                    "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"
                ).fetchone()
        except (psycopg.Error, OSError) as error:
            summary = str(error).strip().replace("\n", " ")
            # libpq has its errors as text alone.
            if "certificate verify failed" in summary or "does not match host name" in summary:
                raise Untrusted(summary.rpartition("failed: ")[2]) from None
            if "timeout expired" in summary:
                raise TimeoutError(f"no answer within {timeout:g} s") from None
            raise translated(error) from None
        if row is None:
            raise ProtocolFault("the server says that the session is plain")
        return f"SELECT answered over {row[0]}, {row[1]}"


def _without_login(target: Target, timeout: float) -> str:
    """That it answers in plain is shown by its question for a password, which is not sent."""
    who = target.credentials
    words = ("user", who.user, "database", who.database)
    body = _PROTOCOL_3 + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    try:
        with socket.create_connection(
            (target.endpoint.host, target.endpoint.port), timeout
        ) as sock:
            Peer.of(target).prove(sock)
            sock.sendall((len(body) + 4).to_bytes(4, "big") + body)
            reader = Reader(sock)
            kind = reader.exactly(1)
            if kind == b"E":
                return _refused(_error(reader))
            head = reader.exactly(8)
    except OSError as error:
        raise translated(error) from None
    if kind != b"R":
        raise ProtocolFault(f"it answered a StartupMessage with byte 0x{kind.hex()}")
    if not int.from_bytes(head[4:], "big"):
        return "it let an application in without a password, in plain"
    return "it answered in plain, and asked for a password"


def _refused(why: str) -> str:
    if "pg_hba.conf" in why:
        raise PlainRefused("pg_hba.conf has no entry for a plain connection")
    raise ProtocolFault(f"it refuses an application in plain: {why}")


TLS: TlsPart = PostgresTls()
