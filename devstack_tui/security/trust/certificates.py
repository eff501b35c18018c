"""The certificates that a trust depends on: Vault's own, those in files, those that are served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from devstack_tui.contracts.audit import Audit, ProtocolFault
from devstack_tui.contracts.registry import service, services
from devstack_tui.contracts.service_files import CERT, CHAIN, ServicePath
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.bootstrap import ADMIN
from devstack_tui.identity.certificates import encrypted
from devstack_tui.identity.vault_api import VaultError
from devstack_tui.security.tls import facts
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.tls.listener_audit import ListenerView

if TYPE_CHECKING:
    from cryptography import x509

ROOT, INTERMEDIATE = "pki", "pki_int"
"""The mounts of the CA that is trusted, and of the one that signs for the services."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A service's certificate and where it was seen. `others` are names that are neither DNS names
    nor addresses; `signs` says whether it may sign certificates; `key` is its public key in DER,
    `serial` as Vault writes it, `begins` Unix time."""

    where: str
    der: bytes
    common_name: str
    names: frozenset[str]
    others: tuple[str, ...]
    usages: tuple[str, ...]
    signs: bool
    key: bytes
    serial: str
    begins: float


def leaf_of(der: bytes, where: str) -> Leaf:
    """What a certificate says. Raises `ProtocolFault` where it does not parse."""
    from cryptography import x509

    seen = facts.read(der)
    try:
        return _leaf(x509.load_der_x509_certificate(der), seen, where)
    except Exception as error:  # cryptography has a dozen kinds for what is wrong with one
        raise ProtocolFault(f"{where}: it does not parse: {type(error).__name__}") from None


def _leaf(found: x509.Certificate, seen: Facts, where: str) -> Leaf:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    names = _extension(found, x509.SubjectAlternativeName)
    others = [
        str(one.value) for one in names or () if not isinstance(one, x509.DNSName | x509.IPAddress)
    ]
    usage = _extension(found, x509.KeyUsage)
    common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Leaf(
        where=where,
        der=seen.der,
        common_name=", ".join(str(one.value) for one in common),
        names=frozenset({*seen.dns, *seen.addresses}),
        others=tuple(others),
        usages=seen.purposes or (),
        signs=seen.ca or bool(usage and (usage.key_cert_sign or usage.crl_sign)),
        key=found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        serial=serial_text(found.serial_number),
        begins=found.not_valid_before_utc.timestamp(),
    )


def _extension(found: x509.Certificate, kind: type[Any]) -> Any:
    from cryptography import x509

    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def serial_text(number: int) -> str:
    """A serial as Vault writes it: `0a:1b:…`."""
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big").hex(":")


def with_certificates(audit: Audit) -> tuple[str, ...]:
    """The services that have a certificate."""
    return tuple(
        one.name
        for one in services()
        if not one.unavailable and encrypted(one, audit.target(one.name))
    )


def in_file(audit: Audit, name: str) -> tuple[Facts, ...]:
    """What a service's certificate file holds, its own first. Raises `DevstackError`."""
    return read(ServicePath(audit.files(name), CERT))


def read(path: ServicePath) -> tuple[Facts, ...]:
    """The certificates of a PEM file. Raises `DevstackError`."""
    try:
        raw = path.read()
    except OSError as error:
        raise DevstackError(f"{path} cannot be read: {error.strerror}") from None
    return facts.read_pem(raw, str(path))


def leaves(audit: Audit, name: str) -> tuple[Leaf, ...]:
    """The leaf in the file of a service, and what each of its listeners serves that is another.
    Raises `DevstackError` where one cannot be seen."""
    found = [leaf_of(in_file(audit, name)[0].der, "in its file")]
    for listener in encrypted(service(name), audit.target(name)):
        der = ListenerView(audit, listener).leaf().der
        if der not in [one.der for one in found]:
            found.append(leaf_of(der, f"served by {listener.name}"))
    return tuple(found)


def chains(audit: Audit) -> Iterator[tuple[str, Facts]]:
    """What the chain files of the services hold, and whose it is; of those that can be read."""
    for name in with_certificates(audit):
        try:
            found = read(ServicePath(audit.files(name), CHAIN))
        except DevstackError:
            continue
        yield from ((name, one) for one in found)


# -- what Vault says ---------------------------------------------------------------------------


def ask(audit: Audit, method: str, path: str) -> dict[str, Any]:
    """`data` of Vault's answer to the administrator's AppRole. Raises `DevstackError`."""
    try:
        answer = audit.login(ADMIN).call(method, path).get("data")
    except VaultError as error:
        if error.status != 403:
            raise
        raise DevstackError(
            f"the policy of {ADMIN}-role does not let the audit see {path}: "
            "`devstack-tui up` renews it"
        ) from None
    return answer if isinstance(answer, dict) else {}


def _once(audit: Audit, key: str, make: Callable[[], _T]) -> _T:
    return cast("_T", audit.once(f"trust.{key}", make))


def default_issuer(audit: Audit, mount: str) -> Facts:
    """The CA by which a mount signs. Raises `DevstackError`."""

    def make() -> Facts:
        known = ask(audit, "get", f"{mount}/config/issuers").get("default", "")
        return _issuer(audit, f"{mount}/issuer/{known}/json")

    return _once(audit, f"default.{mount}", make)


def issuers(audit: Audit, mount: str) -> tuple[Facts, ...]:
    """Every CA that a mount knows. Raises `DevstackError`."""

    def make() -> tuple[Facts, ...]:
        keys = ask(audit, "list", f"{mount}/issuers").get("keys") or []
        return tuple(_issuer(audit, f"{mount}/issuer/{key}/json") for key in keys)

    return _once(audit, f"issuers.{mount}", make)


def _issuer(audit: Audit, path: str) -> Facts:
    found = str(ask(audit, "get", path).get("certificate", ""))
    return facts.read_pem(found.encode(), f"{path} of Vault")[0]
