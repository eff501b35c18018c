"""MySQL's and MariaDB's TLS: asked for after the server's greeting, on the one port."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass

import msgspec

from devstack_tui.contracts.audit import (
    OPENSSL_WEAK,
    Listener,
    OneListener,
    PlainRefused,
    ProtocolFault,
    TlsPart,
)
from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.loadgen.bounded_socket import Reader, translated
from devstack_tui.services.mysql.cert_reload import reload
from devstack_tui.services.mysql.client import bounded

# https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
PROTOCOL_41, SSL, SECURE_CONNECTION, PLUGIN_AUTH = 0x200, 0x800, 0x8000, 0x80000
_LARGEST_GREETING = 4096
_UTF8MB4 = 45
_ACCESS_DENIED = 1045
NOBODY = "devstack-tui-nobody"
"""An account that is not there."""

SETTINGS = {
    "tls": "ssl-cert, ssl-key and ssl-ca",
    "protocols": "tls-version = TLSv1.2,TLSv1.3",
    "ciphers": "ssl-cipher = ECDHE+AESGCM:ECDHE+CHACHA20",
    "plain": "require-secure-transport = OFF (ON admits TLS alone)",
}


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's first packet: its version and its capabilities."""

    version: str
    capabilities: int


def greeting(packet: bytes) -> Greeting:
    """The payload of the first packet (protocol 10).

    Raises `ProtocolFault` for an error packet, with its text, and for what is no greeting.
    """
    if packet[:1] == b"\xff":
        number = int.from_bytes(packet[1:3], "little")
        text = packet[3:].removeprefix(b"#08004").decode("utf-8", "replace")[:200]
        raise ProtocolFault(f"it greets with error {number}: {text}")
    if packet[:1] != b"\x0a":
        raise ProtocolFault(f"it does not greet as MySQL does: {packet[:8].hex(' ') or 'nothing'}")
    end = packet.find(b"\0", 1)
    # The version, a thread id of 4, half of a scramble of 8, a filler, the lower capabilities.
    lower = end + 1 + 4 + 8 + 1
    if end < 0 or len(packet) < lower + 2:
        raise ProtocolFault(f"its greeting ends after {len(packet)} bytes")
    capabilities = int.from_bytes(packet[lower : lower + 2], "little")
    # Behind them a character set and a status, then the upper half.
    capabilities |= int.from_bytes(packet[lower + 5 : lower + 7], "little") << 16
    return Greeting(packet[1:end].decode("ascii", "replace"), capabilities)


def begin(sock: socket.socket) -> None:
    """Read the greeting and send the SSLRequest: a login packet that ends before the user."""
    reader = Reader(sock)
    header = reader.exactly(4)
    length = int.from_bytes(header[:3], "little")
    if not 0 < length <= _LARGEST_GREETING:
        raise ProtocolFault(f"it announced a greeting of {length} bytes: not MySQL")
    found = greeting(reader.exactly(length))
    if not found.capabilities & SSL:
        raise ProtocolFault(f"{found.version} does not offer TLS: it is off")
    flags = PROTOCOL_41 | SSL | SECURE_CONNECTION | PLUGIN_AUTH
    body = struct.pack("<IIB23x", flags, 2**24 - 1, _UTF8MB4)
    sock.sendall(len(body).to_bytes(3, "little") + bytes([(header[3] + 1) & 0xFF]) + body)


class MysqlTls(OneListener):
    """See `devstack_tui.contracts.audit.TlsPart`."""

    reload = staticmethod(reload)

    listener = Listener(
        "mysql",
        "mysql",
        begin,
        dual=True,
        core={"plain": 6, "verified": 7, "files": 8, "leaf": 23},
        weak=OPENSSL_WEAK,
        explained={"cipher_order": "it has no setting for it; every cipher of ours is strong"},
        settings=SETTINGS,
    )

    def query(self, target: Target, listener: Listener, tls: bool, timeout: float) -> str:  # noqa: ARG002
        """The session's TLS as the server reports it; in plain, that it refuses whoever has no
        password."""
        import pymysql

        try:
            if not tls:
                return _without_login(target, timeout)
            with bounded(target, timeout) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version')")
                version = str((cursor.fetchone() or ("", ""))[1])
        except (pymysql.Error, OSError) as error:
            # Its connection errors keep what was behind them under a name of their own.
            raise translated(getattr(error, "original_exception", error)) from None
        if not version:
            raise ProtocolFault("the server says that the session is plain")
        return f"SHOW STATUS answered over {version}"


def _without_login(target: Target, timeout: float) -> str:
    """That it answers in plain is shown by its refusal of an account that is not there: no password
    is sent. Raises the driver's errors for any other answer."""
    import pymysql

    nobody = msgspec.structs.replace(target, credentials=Credentials(NOBODY))
    try:
        with bounded(nobody, timeout, "", tls=False):
            return f"it let {NOBODY} in without a password, in plain"
    except pymysql.err.OperationalError as error:
        if error.args[0] != _ACCESS_DENIED:
            raise
    # It refuses a wrong password before it refuses plain. Without TLS it cannot insist on that.
    with (
        contextlib.suppress(pymysql.err.OperationalError),
        bounded(target, timeout, "") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT @@global.require_secure_transport")
        row = cursor.fetchone()
        if row is not None and row[0]:
            raise PlainRefused("require_secure_transport is on")
    return "it greeted in plain, and refused whoever has no password"


TLS: TlsPart = MysqlTls()
