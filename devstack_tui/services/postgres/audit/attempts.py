"""What PostgreSQL answers to somebody without a password, and what it lets an application do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator

from devstack_tui.contracts.audit import Audit, ProtocolFault
from devstack_tui.contracts.model import Target
from devstack_tui.identity.account_checks import declared
from devstack_tui.loadgen.bounded_socket import Reader, guarded, translated
from devstack_tui.services.postgres.accounts import MAINTENANCE
from devstack_tui.services.postgres.client import connect
from devstack_tui.services.postgres.tls import begin

# https://www.postgresql.org/docs/15/protocol-message-formats.html
_VERSION = 196608
_LONGEST = 4096
_TERMINATE = b"X\0\0\0\4"
LET_IN = "let in"
METHODS = {
    0: LET_IN,
    3: "asked for a password in clear",
    5: "asked for a password by MD5",
    7: "asked for GSSAPI",
    9: "asked for SSPI",
    10: "asked for a password by SCRAM",
}


def first_answer(target: Target, way: str, user: str, database: str, timeout: float) -> str:
    """What the server answers to the name alone: no password is sent. `way` is `plain`, `tls` or
    the path of a Unix socket; `database` may be `replication`. Raises `OSError` and
    `ProtocolFault`."""
    with contextlib.ExitStack() as held:
        if way.startswith("/"):
            sock = held.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(timeout)
            sock.connect(way)
        else:
            where = (target.endpoint.host, target.endpoint.port)
            sock = held.enter_context(socket.create_connection(where, timeout))
        if way == "tls":
            begin(sock)
            sock = held.enter_context(_unverified().wrap_socket(sock))
        sock.sendall(_startup(user, database))
        answer = _answer(Reader(sock))
        with contextlib.suppress(OSError):
            sock.sendall(_TERMINATE)
        return answer


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing secret is sent: who answers is asked elsewhere
    return context


def _startup(user: str, database: str) -> bytes:
    named = {"user": user, "database": MAINTENANCE if database == "replication" else database}
    if database == "replication":
        named["replication"] = "true"
    pairs = b"".join(f"{key}\0{value}\0".encode() for key, value in named.items()) + b"\0"
    return struct.pack("!II", len(pairs) + 8, _VERSION) + pairs


def _answer(reader: Reader) -> str:
    kind = reader.exactly(1)
    length = int.from_bytes(reader.exactly(4), "big") - 4
    if not 0 <= length <= _LONGEST or kind not in (b"R", b"E"):
        raise ProtocolFault(f"it answered with a message 0x{kind.hex()} of {length} bytes")
    body = reader.exactly(length)
    if kind == b"E":
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0")}
        return f"refused ({fields.get(b'C', 'no code')}: {fields.get(b'M', 'no message')})"
    code = int.from_bytes(body[:4], "big")
    return METHODS.get(code, f"asked for authentication {code}")


def allowed(audit: Audit) -> dict[str, str]:
    """What an application's account was let do of what is declared that it must not, by what that
    is; each in a transaction that is rolled back. Raises `DevstackError` and `OSError`."""
    import psycopg

    target = audit.target("postgres")
    found: dict[str, str] = {}
    try:
        with (
            connect(target, audit.timeout) as session,
            guarded(session.fileno(), audit.timeout),
        ):
            for what, statement in declared("postgres")["attempts"].items():
                try:
                    with session.transaction(force_rollback=True):
                        session.execute(statement.encode())
                    found[what] = statement
                except psycopg.errors.InsufficientPrivilege:
                    continue
                except psycopg.errors.Error as error:
                    if session.closed:
                        raise
                    # It came past the rights: to a file that is not there, say.
                    found[what] = f"{statement}: {str(error).splitlines()[0]}"
    except (psycopg.Error, OSError) as error:
        raise translated(error) from None
    return found


def sockets(target: Target, directories: str) -> Iterator[str]:
    """The Unix sockets that the server's settings make."""
    for directory in filter(None, (part.strip() for part in directories.split(","))):
        yield f"{directory}/.s.PGSQL.{target.endpoint.port}"
