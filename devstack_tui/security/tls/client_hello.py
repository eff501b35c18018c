"""The first exchange of TLS, byte by byte (RFC 8446, RFC 5246, RFC 6101): pure, no connection.

A library offers only what it would speak itself: OpenSSL 3 has no SSLv3, no export cipher and,
unless it is forced, no TLS 1.0. A ClientHello made by hand offers any version and any cipher, and
a server's ServerHello to it, or its alert, is its decision.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from devstack_tui.contracts.audit import ProtocolFault

SSL3, TLS1_0, TLS1_1, TLS1_2, TLS1_3 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
VERSIONS = {
    SSL3: "SSL 3.0",
    TLS1_0: "TLS 1.0",
    TLS1_1: "TLS 1.1",
    TLS1_2: "TLS 1.2",
    TLS1_3: "TLS 1.3",
}
ALERT, HANDSHAKE = 21, 22
LARGEST_RECORD = 2**14 + 2048
LARGEST_HELLO = 16 * 1024
"""Bytes of a ServerHello that are read: real ones have fewer than 500."""
_SERVER_HELLO = 2
_RENEGOTIATION, _SUPPORTED_VERSIONS = 0xFF01, 43
_SCSV = 0x00FF  # "renegotiation info" as a cipher, for what knows no extensions
_NULL, _DEFLATE = 0, 1
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}


GROUPS = (29, 23, 24, 25, 256)
"""x25519, P-256, P-384, P-521, ffdhe2048."""
# ECDSA and RSA (PSS and PKCS 1) with SHA-256, -384, -512, then SHA-1: which of them a server
# refuses is not what most offers ask.
SIGNATURES = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0809, 0x0401, 0x0501, 0x0601,
    0x0203, 0x0201,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Offer:
    """What a ClientHello offers: one version at most, and the ciphers by their code points.

    `name` goes into SNI; `deflate` offers compression beside none; `groups` and `signatures` are
    code points as well; `ticket` asks for a session ticket; `bound` is what a renegotiation is
    bound to the connection by (RFC 5746).
    """

    version: int
    ciphers: tuple[int, ...]
    name: str = ""
    deflate: bool = False
    groups: tuple[int, ...] = GROUPS
    signatures: tuple[int, ...] = SIGNATURES
    ticket: bool = False
    bound: bytes = b""

    def __str__(self) -> str:
        return VERSIONS[self.version]


@dataclass(frozen=True, slots=True)
class Alert:
    """A server's no. `name` is the standard's word."""

    fatal: bool
    code: int

    @property
    def name(self) -> str:
        return ALERTS.get(self.code, f"alert {self.code}")


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a server chose. `version` is the real one, also of TLS 1.3; `retry` shows that it wants
    another key share first, which is no refusal."""

    version: int
    cipher: int
    compression: int = 0
    extensions: dict[int, bytes] = field(default_factory=dict)
    retry: bool = False
    random: bytes = b""

    @property
    def secure_renegotiation(self) -> bool:
        """Whether it follows RFC 5746 (TLS 1.3 has no renegotiation at all)."""
        return self.version >= TLS1_3 or self.extensions.get(_RENEGOTIATION) == b"\0"


def client_hello(offer: Offer) -> bytes:
    """One record with a ClientHello of exactly this offer."""
    legacy = min(offer.version, TLS1_2)
    ciphers = offer.ciphers
    if offer.version == SSL3:
        ciphers += (_SCSV,)
    extensions = b"" if offer.version == SSL3 else vector(2, _extensions(offer))
    body = (
        legacy.to_bytes(2, "big")
        + os.urandom(32)
        # A session id makes middleboxes and servers take TLS 1.3 for a resumption (RFC 8446, D.4).
        + vector(1, os.urandom(32) if offer.version == TLS1_3 else b"")
        + vector(2, shorts(*ciphers))
        + vector(1, bytes([_DEFLATE, _NULL] if offer.deflate else [_NULL]))
        + extensions
    )
    message = b"\x01" + vector(3, body)
    return bytes([HANDSHAKE]) + min(legacy, TLS1_0).to_bytes(2, "big") + vector(2, message)


def _extensions(offer: Offer) -> bytes:
    parts = [(10, vector(2, shorts(*offer.groups))), (11, vector(1, b"\0"))]
    if offer.name:
        parts.append((0, vector(2, b"\0" + vector(2, offer.name.encode("ascii")))))
    if offer.version >= TLS1_2:
        parts.append((13, vector(2, shorts(*offer.signatures))))
    if offer.ticket:
        parts.append((35, b""))
    if offer.version == TLS1_3:
        # Any 32 bytes are a public key of x25519, and nobody waits for its other half.
        share = shorts(29) + vector(2, os.urandom(32))
        parts.append((_SUPPORTED_VERSIONS, vector(1, shorts(TLS1_3))))
        parts.append((51, vector(2, share)))
    else:
        parts.append((_RENEGOTIATION, vector(1, offer.bound)))
    return b"".join(shorts(code) + vector(2, body) for code, body in parts)


def record_header(raw: bytes) -> tuple[int, int]:
    """Type and length of the record that five bytes announce.

    Raises `ProtocolFault` when they are no header of TLS: plain text, garbage, a huge length.
    """
    if len(raw) != 5:
        raise ProtocolFault(f"its answer ends after {len(raw)} bytes")
    kind, major, length = raw[0], raw[1], int.from_bytes(raw[3:5], "big")
    if kind not in (20, ALERT, HANDSHAKE, 23) or major != 3:
        raise ProtocolFault(f"its answer is not TLS: it begins with {_evidence(raw)}")
    if kind not in (ALERT, HANDSHAKE):
        raise ProtocolFault(f"it began with a record of type {kind} in place of a ServerHello")
    if not 0 < length <= LARGEST_RECORD:
        raise ProtocolFault(f"it announced a record of {length} bytes")
    return kind, length


def alert(body: bytes) -> Alert:
    """The body of an alert record. Raises `ProtocolFault`."""
    if len(body) != 2 or body[0] not in (1, 2):
        raise ProtocolFault(f"its alert cannot be read: {_evidence(body)}")
    return Alert(body[0] == 2, body[1])


def hello_length(head: bytes) -> int:
    """The length of the handshake message that four bytes begin. Raises `ProtocolFault` when it is
    no ServerHello, or one that is too long to be true."""
    if len(head) != 4:
        raise ProtocolFault(f"its handshake message ends after {len(head)} bytes")
    length = int.from_bytes(head[1:4], "big")
    if head[0] != _SERVER_HELLO:
        raise ProtocolFault(f"it sent handshake message {head[0]} in place of a ServerHello")
    if length > LARGEST_HELLO:
        raise ProtocolFault(f"it announced a ServerHello of {length} bytes")
    return length


def server_hello(body: bytes, offer: Offer) -> ServerHello:
    """The body of a ServerHello that answers `offer`.

    Raises `ProtocolFault` when it cannot be read, or chooses what was not offered.
    """
    reader = Fields(body)
    version = reader.number(2)
    random = reader.take(32)
    reader.take(reader.number(1))
    cipher, compression = reader.number(2), reader.number(1)
    extensions: dict[int, bytes] = {}
    if reader.remaining:
        inner = Fields(reader.take(reader.number(2)))
        while inner.remaining:
            code = inner.number(2)
            extensions[code] = inner.take(inner.number(2))
    if reader.remaining:
        raise ProtocolFault(f"its ServerHello has {reader.remaining} bytes too many")
    chosen = extensions.get(_SUPPORTED_VERSIONS)
    if chosen is not None:
        version = int.from_bytes(chosen, "big") if len(chosen) == 2 else 0
    if version not in VERSIONS or version > offer.version:
        raise ProtocolFault(f"it chose version {version:#06x}, which was not offered")
    if cipher not in offer.ciphers:
        raise ProtocolFault(f"it chose cipher {cipher:#06x}, which was not offered")
    if compression not in ((_NULL, _DEFLATE) if offer.deflate else (_NULL,)):
        raise ProtocolFault(f"it chose compression {compression}, which was not offered")
    return ServerHello(version, cipher, compression, extensions, random == _RETRY, random)


class Fields:
    """The fields of a message, one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._raw) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes. Raises `ProtocolFault` where they are fewer."""
        if size > self.remaining:
            raise ProtocolFault(
                f"its message ends after {len(self._raw)} bytes, in the middle of a field"
            )
        self._at += size
        return self._raw[self._at - size : self._at]

    def number(self, size: int) -> int:
        """The next bytes as a number. Raises as `take`."""
        return int.from_bytes(self.take(size), "big")


def vector(size: int, body: bytes) -> bytes:
    """A body behind its length in `size` bytes."""
    return len(body).to_bytes(size, "big") + body


def shorts(*values: int) -> bytes:
    """Numbers of two bytes each."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def _evidence(raw: bytes) -> str:
    """Server bytes as evidence: hexadecimal, and as text where they are text."""
    text = raw.decode("ascii", "replace")
    return f"{raw[:8].hex(' ')} ({text!r})" if text.isprintable() else raw[:8].hex(" ")
