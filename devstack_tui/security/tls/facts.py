"""The fields of a certificate, and how far a chain of them reaches."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from devstack_tui.contracts.audit import ProtocolFault

if TYPE_CHECKING:
    from cryptography import x509

_X = TypeVar("_X", bound="x509.ExtensionType")


@dataclass(frozen=True, slots=True)
class Facts:
    """One certificate. `key` is as `EC secp256r1` or `RSA`, `bits` its size; `digest` the hash of
    its signature, empty where the algorithm has none (Ed25519); `purposes` the extended key
    usages by their names, None without the extension."""

    der: bytes
    subject: str
    issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    key: str
    bits: int
    digest: str
    purposes: tuple[str, ...] | None
    ca: bool
    revocation: tuple[str, ...] = ()
    """The addresses that it names for what is revoked: lists (CRL) and responders (OCSP)."""

    @property
    def lifetime(self) -> datetime.timedelta:
        return self.not_after - self.not_before

    @property
    def own_issuer(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """How far the certificates that a server sent lead: their subjects, the leaf first, and the
    issuer that is missing behind the last, empty where the chain is whole."""

    subjects: tuple[str, ...]
    missing: str

    def __str__(self) -> str:
        return " ← ".join(self.subjects)


def read(der: bytes) -> Facts:
    """The facts of one certificate in DER. Raises `ProtocolFault` when it does not parse."""
    from cryptography import x509

    try:
        return _facts(x509.load_der_x509_certificate(der), der)
    except Exception as error:  # cryptography has a dozen kinds for what is wrong with one
        raise ProtocolFault(
            f"a certificate of {len(der)} bytes does not parse: {type(error).__name__}"
        ) from None


def read_pem(raw: bytes, what: str) -> tuple[Facts, ...]:
    """The certificates of a PEM file. Raises `ProtocolFault`, which names `what`."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise ProtocolFault(f"{what} holds no certificate that parses") from None
    return tuple(read(one.public_bytes(Encoding.DER)) for one in found)


def _facts(found: x509.Certificate, der: bytes) -> Facts:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    if names := _extension(found, x509.SubjectAlternativeName):
        dns = tuple(names.get_values_for_type(x509.DNSName))
        addresses = tuple(str(one) for one in names.get_values_for_type(x509.IPAddress))
    key = found.public_key()
    kind = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    if isinstance(key, ec.EllipticCurvePublicKey):
        kind = f"EC {key.curve.name}"
    purposes = _extension(found, x509.ExtendedKeyUsage)
    basic = _extension(found, x509.BasicConstraints)
    digest = found.signature_hash_algorithm
    return Facts(
        der=der,
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        dns=dns,
        addresses=addresses,
        key=kind,
        # Ed25519 and its like have one size, which they do not report.
        bits=int(getattr(key, "key_size", 256)),
        digest=digest.name if digest else "",
        purposes=None if purposes is None else tuple(one._name for one in purposes),
        ca=bool(basic and basic.ca),
        revocation=_revocation(found),
    )


def _revocation(found: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    points = _extension(found, x509.CRLDistributionPoints) or ()
    lists = [name for point in points for name in point.full_name or ()]
    access = _extension(found, x509.AuthorityInformationAccess) or ()
    ocsp = AuthorityInformationAccessOID.OCSP
    responders = [one.access_location for one in access if one.access_method == ocsp]
    return tuple(str(name.value) for name in (*lists, *responders))


def _extension(found: x509.Certificate, kind: type[_X]) -> _X | None:
    from cryptography import x509

    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def reach(sent: Sequence[Facts], roots: Sequence[Facts]) -> CertificateChain:
    """Follow the signatures from the leaf through what was sent to one of `roots`."""
    path = [sent[0]]
    pool = [*sent[1:], *roots]
    while path[-1] not in roots and not path[-1].own_issuer:
        issuer = next((one for one in pool if one not in path and signed(path[-1], one)), None)
        if issuer is None:
            return CertificateChain(tuple(one.subject for one in path), path[-1].issuer)
        path.append(issuer)
    return CertificateChain(tuple(one.subject for one in path), "")


def signed(child: Facts, parent: Facts) -> bool:
    """Whether `parent` signed `child`, by the signature itself."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        x509.load_der_x509_certificate(child.der).verify_directly_issued_by(
            x509.load_der_x509_certificate(parent.der)
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def key_matches(key: bytes, leaf: Facts) -> bool:
    """Whether the private key (PEM) is the leaf's. Raises `ProtocolFault` for what is no key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        own = load_pem_private_key(key, password=None).public_key().public_bytes(*form)
    except (ValueError, TypeError) as error:
        # Never the error's own text: it might quote the file.
        raise ProtocolFault(f"the key does not parse: {type(error).__name__}") from None
    return own == x509.load_der_x509_certificate(leaf.der).public_key().public_bytes(*form)
