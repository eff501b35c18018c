"""TLS of our own making: how every client of ours verifies, and what our certificates must hold."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_C = TypeVar("_C", bound=ssl.SSLContext)
SERVER_CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
"""What our servers take below TLS 1.3, by OpenSSL's names: forward secrecy and authenticated
encryption alone (RFC 9325)."""


class OwnName(ssl.SSLContext):
    """A client's context that accepts the server called `name` alone, at whatever address it is.

    Every driver gives the host that it connects to. That is the loopback address here, which each
    certificate of a stack holds: it does not distinguish one service from another.
    """

    name = ""

    def wrap_socket(  # noqa: PLR0917 - as the library has it
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - the driver's
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """See `ssl.SSLContext`."""
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, self.name, session
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - the driver's
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext`."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


_O = TypeVar("_O", bound=OwnName)


def client_context(ca: Path | str, name: str) -> OwnName:
    """A context of a client that trusts the authorities in the PEM file `ca` and no other, and the
    server's own `name` and no other.

    Raises `OSError` (`ssl.SSLError` is one) when the file cannot be used.
    """
    return trusting(OwnName(ssl.PROTOCOL_TLS_CLIENT), ca, name)


def trusting(context: _O, ca: Path | str, name: str) -> _O:
    """`context` as `client_context` makes one. Nothing of the environment is read: no further
    authority, and no file that keys would be written to."""
    context.name = name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=str(ca))
    return strict(context)


def strict(context: _C) -> _C:
    """`context`, verifying as RFC 5280 has it, up to a root.

    Python 3.13 made the first a default of `create_default_context`, together with accepting a
    trusted intermediate as the end of a chain: set here, a server passes or fails for the same
    reason in every Python.
    """
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def load_identity(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Have `context` show a certificate and prove it by its key, both PEM. OpenSSL reads files
    only: it is given one in memory. Raises `ssl.SSLError` for a key that is not the certificate's.
    """
    held = os.memfd_create("identity")
    try:
        os.write(held, key + b"\n" + cert)
        context.load_cert_chain(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def with_key_extensions(
    builder: x509.CertificateBuilder,
    key: PublicKey,
    issuer: x509.Certificate | None,
    *,
    ca: bool,
) -> x509.CertificateBuilder:
    """`builder` with the key identifiers and usages that strict verification demands (RFC 5280,
    4.2.1.1 to 4.2.1.3). `issuer` is None for a certificate that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    own = x509.SubjectKeyIdentifier.from_public_key(key)
    above = own
    if issuer is not None:
        above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca and isinstance(key, rsa.RSAPublicKey),
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above)
    return (
        builder.add_extension(own, critical=False)
        .add_extension(authority, critical=False)
        .add_extension(usage, critical=True)
    )
