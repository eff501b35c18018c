"""Certificates with exactly one thing wrong.

They are signed by an intermediate whose key is ours, and which the stack's own root has signed: so
the chain holds, and a client can refuse a leaf for its one fault alone.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.model import own_name
from devstack_tui.core.tls import with_key_extensions
from devstack_tui.security.tls import untrusted_ca

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ELSEWHERE = "elsewhere.invalid"
"""A name that is never anybody's: RFC 2606."""
YEAR = datetime.timedelta(days=365)
LONG = datetime.timedelta(days=1000)
MOMENT_S = 3.0
"""Seconds that an `expired` certificate is valid: some servers refuse to load an expired one, and
a busy machine takes two to load it."""
_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("06092a864886f70d010105")


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA whose key is here."""

    certificate: x509.Certificate
    key: Private = field(repr=False)
    client: bool = False
    """Whether the leaves that it signs are for clients, too."""


@dataclass(frozen=True, slots=True)
class ForgedCertificate:
    """The files for a server, PEM: `cert` is the leaf and what is sent after it."""

    cert: str
    key: str = field(repr=False)
    serial: str
    ends: float
    """Unix time at which the leaf ends."""
    known: str = ""
    """A CA that the server gets to know beside its own; it is not sent."""


Maker = Callable[[Issuer, Sequence[str]], ForgedCertificate]
"""Makes a leaf for these names (DNS names and addresses)."""


@contextlib.contextmanager
def signed(stack: SabotageStack, ttl: str = "26280h", *, client: bool = False) -> Iterator[Issuer]:
    """A CA signed by the stack's root, which revokes it at the end. No root token lives within."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    # RSA, so that a signature by SHA-1 is as long as one by SHA-256: `sha1` needs that.
    key = _rsa(2048)
    name = _name("devstack-tui sabotage CA")
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    with stack.root() as root:
        answer = root.call(
            "post",
            "pki/root/sign-intermediate",
            csr=request.public_bytes(serialization.Encoding.PEM).decode(),
            common_name="devstack-tui sabotage CA",
            ttl=ttl,
            use_csr_values=False,
            format="pem",
        )["data"]
    try:
        yield Issuer(x509.load_pem_x509_certificate(answer["certificate"].encode()), key, client)
    finally:
        with stack.root() as root:
            root.call("post", "pki/revoke", serial_number=answer["serial_number"])


def pem(issuer: Issuer) -> str:
    """Its certificate, PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return issuer.certificate.public_bytes(Encoding.PEM).decode()


def good(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """A good leaf, but not the one in use."""
    return _certificate(issuer, names)


def reissued(issuer: Issuer, names: Sequence[str], key: bytes) -> ForgedCertificate:
    """Another leaf for the existing key (PEM)."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return _certificate(issuer, names, key=cast("Private", load_pem_private_key(key, None)))


def alone() -> str:
    """A self-signed leaf, PEM."""
    return _certificate(None, [ELSEWHERE]).cert


def ending_root() -> str:
    """A root that signed nothing and ends in 20 days, PEM."""
    return untrusted_ca.root("devstack-tui ending CA", datetime.timedelta(days=20))[1]


def key() -> str:
    """A private key, PEM."""
    return _private(_ec())


def expired(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """It ends within four seconds: see `ends`."""
    now = datetime.datetime.now(datetime.UTC)
    # A certificate's time has whole seconds.
    ends = datetime.datetime.fromtimestamp(math.ceil(now.timestamp() + MOMENT_S), datetime.UTC)
    return _certificate(issuer, names, until=ends)


def other_ca(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """By a CA that signed nothing of the stack, which is sent along."""
    known = untrusted_ca.authority()
    return _certificate(Issuer(known.certificate, known.key, issuer.client), names)


def self_signed(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """By itself."""
    return _certificate(None, names, client=issuer.client)


def wrong_san(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:  # noqa: ARG001
    """For another service, and for no address."""
    return _certificate(issuer, [own_name(untrusted_ca.SERVICE)])


def no_ip_san(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """For the host's names, not for its address."""
    return _certificate(issuer, [name for name in names if not _address(name)])


def no_intermediate(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """The CA between leaf and root is not sent."""
    return _certificate(issuer, names, chain=False)


def with_rsa(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """A good leaf with an RSA key, which many weak ciphers need."""
    return _certificate(issuer, names, key=_rsa(2048))


def weak_key(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """RSA with 1024 bits."""
    return _certificate(issuer, names, key=_rsa(1024))


def sha1(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """Signed by SHA-1."""
    return _certificate(issuer, names, sha1=True)


def long_life(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """Good for 1000 days."""
    return _certificate(issuer, names, until=datetime.datetime.now(datetime.UTC) + LONG)


def others_name(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """For the name of another service, too."""
    return _certificate(issuer, [*names, own_name("another")])


def more_usage(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """For signing programs, too."""
    return _certificate(issuer, names, code=True)


def unissued(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """A good leaf that Vault has not issued."""
    return _certificate(issuer, names)


def pointed(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """It names a list of what is revoked that is nobody's."""
    return _certificate(issuer, names, revocation=f"http://{ELSEWHERE}/crl")


def wrong_usage(issuer: Issuer, names: Sequence[str]) -> ForgedCertificate:
    """For clients alone."""
    return _certificate(issuer, names, server=False)


def _certificate(
    issuer: Issuer | None,
    names: Sequence[str],
    *,
    key: Private | None = None,
    until: datetime.datetime | None = None,
    server: bool = True,
    client: bool | None = None,
    code: bool = False,
    chain: bool = True,
    sha1: bool = False,
    revocation: str = "",
) -> ForgedCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = key or _ec()
    subject = _name(next((name for name in names if not _address(name)), ELSEWHERE))
    now = datetime.datetime.now(datetime.UTC)
    serial = x509.random_serial_number()
    until = until or now + YEAR
    sans = [
        x509.IPAddress(ipaddress.ip_address(name)) if _address(name) else x509.DNSName(name)
        for name in names
    ]
    if client is None:
        client = issuer is not None and issuer.client
    wanted = {
        ExtendedKeyUsageOID.SERVER_AUTH: server,
        ExtendedKeyUsageOID.CLIENT_AUTH: client or not server,
        ExtendedKeyUsageOID.CODE_SIGNING: code,
    }
    purposes = [usage for usage, whether in wanted.items() if whether]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    builder = with_key_extensions(
        builder, key.public_key(), issuer.certificate if issuer else None, ca=False
    )
    if revocation:
        named = [x509.UniformResourceIdentifier(revocation)]
        points = [x509.DistributionPoint(named, None, None, None)]
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    leaf = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    text = _with_sha1(leaf, issuer) if sha1 and issuer else leaf.public_bytes(pem).decode()
    known = ""
    if issuer and chain:
        text += issuer.certificate.public_bytes(pem).decode()
    elif issuer:
        known = issuer.certificate.public_bytes(pem).decode()
    return ForgedCertificate(text, _private(key), f"{serial:x}", until.timestamp(), known)


def _private(key: Private) -> str:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _with_sha1(leaf: x509.Certificate, issuer: Issuer) -> str:
    """The same leaf as PEM, signed by RSA with SHA-1, which the library refuses to do: the name of
    the algorithm is as long as that for SHA-256, and so is the signature."""
    import ssl

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    whole, inner = leaf.public_bytes(Encoding.DER), leaf.tbs_certificate_bytes
    weak = inner.replace(_SHA256_RSA, _SHA1_RSA, 1)
    signature = issuer.key.sign(weak, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    outer = whole.replace(inner, weak, 1)
    place = outer.rindex(leaf.signature)
    head = outer[:place].replace(_SHA256_RSA, _SHA1_RSA)
    return ssl.DER_cert_to_PEM_cert(head + signature)


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, bits)


def _ec() -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
