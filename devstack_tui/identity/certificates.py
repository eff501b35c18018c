"""Certificates: their contents, how long they are valid, and whether a server serves them."""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import Certificate
from devstack_tui.contracts.service_files import CERT
from devstack_tui.core.errors import DevstackError

if TYPE_CHECKING:
    from cryptography import x509

    from devstack_tui.contracts.audit import Listener
    from devstack_tui.contracts.model import Target
    from devstack_tui.contracts.service import Service
    from devstack_tui.contracts.service_files import ServiceFiles

SOON_DAYS = 60
URGENT_DAYS = 30
DAY = 86400.0
HANDSHAKE_S = 3.0
LOOK_S = 0.05
"""Seconds between two handshakes while waiting for a server."""


class Age(enum.StrEnum):
    """How much of its validity is left: `SOON` less than 60 days, `URGENT` less than 30."""

    OK = "ok"
    SOON = "soon"
    URGENT = "urgent"
    EXPIRED = "expired"


def days_left(certificate: Certificate, now: float) -> int:
    """Whole days until it ends; negative once it has ended. `now` is Unix time."""
    return int((certificate.not_after - now) // DAY)


def age(certificate: Certificate, now: float) -> Age:
    """The class of a certificate by the days that are left. `now` is Unix time."""
    days = days_left(certificate, now)
    if days < 0:
        return Age.EXPIRED
    if days < URGENT_DAYS:
        return Age.URGENT
    return Age.SOON if days < SOON_DAYS else Age.OK


def ending(certificate: Certificate, now: float) -> str:
    """The sentence for a certificate that is not `OK`, else empty."""
    days = days_left(certificate, now)
    if days < 0:
        return "its certificate has expired"
    if days >= SOON_DAYS:
        return ""
    return f"its certificate ends in {days} day{'' if days == 1 else 's'}"


def remedy(service: str) -> str:
    """The command that gives a service another certificate."""
    return f"devstack-tui certs rotate {service}"


def described(certificate: x509.Certificate) -> Certificate:
    """The fields of `certificate`. Raises `ValueError` where it cannot be parsed."""
    from cryptography import x509

    sans: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        sans = [str(name) for name in names.get_values_for_type(x509.DNSName)]
        sans += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    usages: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usages = [USAGES.get(one.dotted_string, one.dotted_string) for one in purposes]
    # The library's own names are private: the RFC's name, or the dotted number if unknown.
    signature = certificate.signature_algorithm_oid
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        sans=tuple(sans),
        serial=f"{certificate.serial_number:x}",
        key=_key(certificate),
        signature=SIGNATURES.get(signature.dotted_string, signature.dotted_string),
        usages=tuple(usages),
    )


def read_certificate(files: ServiceFiles) -> Certificate | None:
    """A service's leaf, or None when it has none. Raises `DevstackError` for one that
    cannot be used."""
    from cryptography import x509

    try:
        raw = files.read(CERT)
    except OSError:
        return None
    try:
        leaf = described(x509.load_pem_x509_certificate(raw))
    except ValueError as error:
        raise DevstackError(f"{files.path(CERT)} is no usable certificate: {error}") from None
    if not leaf.sans:
        raise DevstackError(f"{files.path(CERT)} is no usable certificate: it is for no name")
    return leaf


USAGES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
"""As RFC 5280 calls them."""
SIGNATURES = {
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.3.101.112": "Ed25519",
}
"""As RFC 8017, RFC 5758 and RFC 8410 call them."""


def _key(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey")


def encrypted(service: Service, target: Target) -> tuple[Listener, ...]:
    """The listeners of a service that answer TLS; none where it has no such part."""
    part = service.tls()
    return tuple(one for one in part.listeners(target) if one.tls) if part is not None else ()


def served(listener: Listener, timeout: float) -> Certificate:
    """The leaf that a listener serves now, by a handshake in its own protocol; nothing is verified
    and nothing is sent. `timeout` (seconds) is for each step.

    Raises `OSError` (of which TLS's own errors are some), or `DevstackError` for a server that does
    not speak its protocol.
    """
    from cryptography import x509

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Weak keys and ciphers must be accepted too, so that they are reported.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((listener.host, listener.port), timeout) as plain:
        listener.begin(plain)
        with context.wrap_socket(plain) as secure:
            raw = secure.getpeercert(binary_form=True)
    if not raw:
        raise DevstackError(f"{listener.name} shows no certificate")
    return described(x509.load_der_x509_certificate(raw))


def await_served(listeners: Iterable[Listener], serial: str, timeout: float) -> tuple[str, ...]:
    """Wait until every listener serves the certificate `serial`; returns their names.

    One that nobody listens at is passed over: it will read the file when it starts. Raises
    `DevstackError` after `timeout` seconds, with who serves what instead.
    """
    deadline = time.monotonic() + timeout
    taken: list[str] = []
    for listener in listeners:
        while (why := _differs(listener, serial)) is not None:
            if why and time.monotonic() > deadline:
                raise DevstackError(f"{listener.name} {why}")
            if not why:
                break
            time.sleep(LOOK_S)
        else:
            taken.append(listener.name)
    return tuple(taken)


def _differs(listener: Listener, serial: str) -> str | None:
    """None when the listener serves it, else the reason; an empty one where nothing listens."""
    try:
        found = served(listener, HANDSHAKE_S).serial
    except ConnectionRefusedError:
        return ""
    except (OSError, ValueError, DevstackError) as error:
        return f"shows no certificate: {error}"
    return None if found == serial else f"still serves the certificate {found}"
