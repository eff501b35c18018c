"""A TLS 1.2 client that asks what no library lets us ask: may a client renegotiate, and how long
would a session ticket be good?

It verifies nothing, and sends nothing but handshakes: there is no secret on it. ECDHE on x25519 or
P-256 with AES-128-GCM is all that it speaks (RFC 5246, RFC 5288, RFC 8422).
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devstack_tui.contracts.audit import Listener, ProtocolFault
from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.bounded_socket import Reader
from devstack_tui.security.tls.client_hello import (
    ALERT,
    HANDSHAKE,
    TLS1_2,
    Alert,
    Fields,
    Offer,
    alert,
    client_hello,
    record_header,
    server_hello,
    shorts,
    vector,
)
from devstack_tui.security.tls.handshake import Identity, Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CIPHERS = (0xC02B, 0xC02F)
_X25519, _P256 = 29, 23
_OFFER = Offer(TLS1_2, CIPHERS, groups=(_X25519, _P256), ticket=True)
_CHANGE_CIPHER, _DATA = 20, 23
_SERVER_HELLO, _TICKET, _KEY_EXCHANGE, _REQUEST, _DONE, _FINISHED = 2, 4, 12, 13, 14, 20
_LARGEST = 64 * 1024
_RECORDS = 40
_SILENCE_S = 1.0
_NO_RENEGOTIATION = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """`renegotiates`: whether it began another handshake that the client asked for; `answer` how it
    did so. `ticket_s`: the lifetime of its session ticket in seconds, None without one."""

    renegotiates: bool
    answer: str
    ticket_s: int | None


def ask(listener: Listener, timeout: float, identity: Identity | None = None) -> Seen:
    """A whole handshake, and another ClientHello on the same connection. Raises `Refused`,
    `ProtocolFault` for what is no TLS 1.2, and `OSError`."""
    with socket.create_connection((listener.host, listener.port), timeout) as sock:
        listener.begin(sock)
        sock.settimeout(timeout)
        try:
            return _Client(sock, identity).run()
        except (ConnectionResetError, BrokenPipeError):
            raise ProtocolFault("it reset the connection in the handshake") from None


@dataclass(slots=True)
class _Keys:
    """One direction: key, the fixed part of the nonce, and how many records there were."""

    key: bytes
    salt: bytes
    count: int = 0

    def seal(self, kind: int, body: bytes) -> bytes:
        """A record with the body encrypted."""
        nonce = self.count.to_bytes(8, "big")
        made = nonce + _gcm(self.key).encrypt(self.salt + nonce, body, self._extra(kind, len(body)))
        return _record(kind, made)

    def open(self, kind: int, body: bytes) -> bytes:
        """What a record holds. Raises `ProtocolFault` where it is not the server's."""
        from cryptography.exceptions import InvalidTag

        if len(body) < 24:
            raise ProtocolFault("its encrypted record is too short")
        extra = self._extra(kind, len(body) - 24)
        try:
            return _gcm(self.key).decrypt(self.salt + body[:8], body[8:], extra)
        except InvalidTag:
            raise ProtocolFault("its encrypted record cannot be decrypted") from None

    def _extra(self, kind: int, size: int) -> bytes:
        counted = self.count.to_bytes(8, "big")
        self.count += 1
        return counted + bytes([kind]) + shorts(TLS1_2, size)


@dataclass(slots=True)
class _Client:
    """One connection. `sent` is every handshake message so far, which the keys are bound to."""

    sock: socket.socket
    identity: Identity | None
    sent: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)
    reading: _Keys | None = None
    random: bytes = b""

    def run(self) -> Seen:
        reader = Reader(self.sock)
        hello = client_hello(_OFFER)
        own_random = hello[11:43]
        self._say(hello[5:])
        self.sock.sendall(hello)
        share, wants = self._flight(reader)
        writing, reading, proof = self._finish(own_random, share, wants)
        ticket = self._until_finished(reader, reading)
        again = client_hello(Offer(TLS1_2, CIPHERS, groups=_OFFER.groups, bound=proof))
        self.sock.sendall(writing.seal(HANDSHAKE, again[5:]))
        return self._judge(ticket)

    def _say(self, message: bytes) -> bytes:
        self.sent += message
        return message

    # -- reading ---------------------------------------------------------------------------

    def _record(self, reader: Reader) -> tuple[int, bytes]:
        """The next record, decrypted once that is due. Raises `Refused` for a fatal alert."""
        head = reader.exactly(5)
        kind, size = head[0], int.from_bytes(head[3:5], "big")
        if kind not in (_CHANGE_CIPHER, _DATA):
            kind, size = record_header(head)
        if head[1] != 3 or size > _LARGEST:
            raise ProtocolFault(f"it announced a record of type {kind} with {size} bytes")
        body = reader.exactly(size)
        if self.reading is not None and kind != _CHANGE_CIPHER:
            body = self.reading.open(kind, body)
        return kind, body

    def _message(self, reader: Reader) -> tuple[int, bytes]:
        """The next handshake message, or a record of another type (as its negative)."""
        for _ in range(_RECORDS):
            if len(self.pending) >= 4:
                end = 4 + int.from_bytes(self.pending[1:4], "big")
                if end > _LARGEST:
                    raise ProtocolFault(f"it announced a handshake message of {end} bytes")
                if len(self.pending) >= end:
                    whole = bytes(self.pending[:end])
                    del self.pending[:end]
                    return whole[0], self._say(whole)[4:]
            kind, body = self._record(reader)
            if kind == ALERT:
                found = alert(body)
                if found.fatal or found.code in (0, _NO_RENEGOTIATION):
                    raise Refused(_word(found))
            elif kind == HANDSHAKE:
                self.pending += body
            else:
                return -kind, body
        raise ProtocolFault("it sent record after record and no whole message")

    def _flight(self, reader: Reader) -> tuple[tuple[int, bytes], bool]:
        """The server's part until its ServerHelloDone: its group and public key, and whether it
        wants a certificate."""
        share: tuple[int, bytes] | None = None
        wants = False
        for _ in range(_RECORDS):
            kind, body = self._message(reader)
            if kind == _SERVER_HELLO:
                hello = server_hello(body, _OFFER)
                if hello.version != TLS1_2:
                    raise ProtocolFault("it does not speak TLS 1.2")
                self.random = hello.random
            elif kind == _KEY_EXCHANGE:
                fields = Fields(body)
                if fields.number(1) != 3:
                    raise ProtocolFault("its key exchange is on no named curve")
                share = fields.number(2), fields.take(fields.number(1))
            elif kind == _REQUEST:
                wants = True
            elif kind == _DONE and share is not None and self.random:
                return share, wants
            elif kind < 0 or kind == _DONE:
                raise ProtocolFault(f"it sent {kind} in the middle of its handshake")
        raise ProtocolFault("its handshake does not end")

    def _until_finished(self, reader: Reader, keys: _Keys) -> int | None:
        """Up to its Finished; the lifetime of a ticket before it."""
        ticket: int | None = None
        for _ in range(_RECORDS):
            kind, body = self._message(reader)
            if kind == _TICKET:
                ticket = Fields(body).number(4)
            elif kind == -_CHANGE_CIPHER:
                self.reading = keys
            elif kind == _FINISHED and self.reading is not None:
                return ticket
            else:
                raise ProtocolFault(f"it sent {kind} in place of its Finished")
        raise ProtocolFault("its handshake does not end")

    def _judge(self, ticket: int | None) -> Seen:
        """What it makes of the second ClientHello."""
        self.sock.settimeout(_SILENCE_S)
        reader = Reader(self.sock)
        try:
            for _ in range(_RECORDS):
                kind, _ = self._message(reader)
                if kind == _SERVER_HELLO:
                    return Seen(True, "it began another handshake", ticket)
        except Refused as error:
            return Seen(False, f"alert {error.alert}", ticket)
        except TimeoutError:
            return Seen(False, "no answer", ticket)
        except (ProtocolFault, OSError):
            return Seen(False, "it closed the connection", ticket)
        return Seen(False, "it went on without", ticket)

    # -- writing ---------------------------------------------------------------------------

    def _finish(
        self, own_random: bytes, share: tuple[int, bytes], wants: bool
    ) -> tuple[_Keys, _Keys, bytes]:
        """Our part: certificate where it is wanted, key, Finished. The keys of both directions, and
        what binds a renegotiation to this connection."""
        public, secret = _agree(*share)
        flight = b""
        if wants:
            flight += _record(HANDSHAKE, self._say(_handshake(11, _certificates(self.identity))))
        exchange = self._say(_handshake(16, vector(1, public)))
        flight += _record(HANDSHAKE, exchange)
        if wants and self.identity is not None:
            signed = _signed(self.identity[1], bytes(self.sent))
            flight += _record(HANDSHAKE, self._say(_handshake(15, signed)))
        master = _prf(secret, b"master secret", own_random + self.random, 48)
        block = _prf(master, b"key expansion", self.random + own_random, 40)
        writing, reading = _Keys(block[:16], block[32:36]), _Keys(block[16:32], block[36:40])
        proof = _prf(master, b"client finished", hashlib.sha256(self.sent).digest(), 12)
        finished = writing.seal(HANDSHAKE, self._say(_handshake(_FINISHED, proof)))
        self.sock.sendall(flight + _record(_CHANGE_CIPHER, b"\1") + finished)
        return writing, reading, proof


def _word(found: Alert) -> str:
    return "no_renegotiation" if found.code == _NO_RENEGOTIATION else found.name


def _record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + shorts(TLS1_2) + vector(2, body)


def _handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(3, body)


def _gcm(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """The pseudorandom function of TLS 1.2 with SHA-256 (RFC 5246, 5)."""
    seed = label + seed
    found, step = b"", seed
    while len(found) < size:
        step = hmac.digest(secret, step, "sha256")
        found += hmac.digest(secret, step + seed, "sha256")
    return found[:size]


def _agree(group: int, share: bytes) -> tuple[bytes, bytes]:
    """Our public key, and the secret that it and the server's make."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    try:
        if group == _X25519:
            own = x25519.X25519PrivateKey.generate()
            secret = own.exchange(x25519.X25519PublicKey.from_public_bytes(share))
            return own.public_key().public_bytes_raw(), secret
        if group == _P256:
            curve = ec.SECP256R1()
            key = ec.generate_private_key(curve)
            theirs = ec.EllipticCurvePublicKey.from_encoded_point(curve, share)
            return _point(key.public_key()), key.exchange(ec.ECDH(), theirs)
    except ValueError:
        raise ProtocolFault(f"its public key of {len(share)} bytes is none") from None
    raise ProtocolFault(f"it chose group {group}, which was not offered")


def _point(key: EllipticCurvePublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _certificates(identity: Identity | None) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    found = x509.load_pem_x509_certificates(identity[0]) if identity else []
    return vector(3, b"".join(vector(3, one.public_bytes(Encoding.DER)) for one in found))


def _signed(key: bytes, message: bytes) -> bytes:
    """The algorithm, and the message signed by it."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    own = load_pem_private_key(key, password=None)
    if isinstance(own, rsa.RSAPrivateKey):
        return shorts(0x0401) + vector(2, own.sign(message, padding.PKCS1v15(), SHA256()))
    if isinstance(own, ec.EllipticCurvePrivateKey):
        return shorts(0x0403) + vector(2, own.sign(message, ec.ECDSA(SHA256())))
    raise DevstackError("the key for its mutual TLS is neither of RSA nor of a curve")
