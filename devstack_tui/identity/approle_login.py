"""A service's identity: it logs in by its own AppRole and gets its secret and its certificate."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import msgspec

from devstack_tui.contracts.model import Certificate, Credentials, Target
from devstack_tui.contracts.server_home import HOST
from devstack_tui.contracts.service import IDENTITY, Service
from devstack_tui.contracts.service_files import CA, CERT, CHAIN, KEY, ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import make_dir, read_bytes, read_word, write_private
from devstack_tui.core.tls import with_key_extensions
from devstack_tui.identity import bootstrap, issued
from devstack_tui.identity.certificates import read_certificate
from devstack_tui.identity.vault_api import (
    VaultApi,
    VaultError,
    admin_path,
    approle_files,
    credentials_path,
    login_as,
    read_admin,
    spoilt,
)

RENEW_BELOW_DAYS = 90
MINT_AFTER_DAYS = 15
DAY = 86400.0
ROLE_ID, SECRET_ID = "approle/role-id", "approle/secret-id"
"""The copies of a service that logs in to Vault by itself."""


def obtain(
    vault: Target, service: Service, files: ServiceFiles, *, renew: bool = False
) -> Credentials:
    """Log in as `service`, read its secrets, and renew its certificate where that is due, with
    `renew` in any case.

    A missing or refused secret_id is minted anew by the admin AppRole. The token is revoked.
    """
    client = _login(vault, service)
    admin = Credentials()
    try:
        found = client.credentials(service.secret) if service.credentials else Credentials()
        if service.admin is not None:
            admin = _admin_account(client, service, lenient=renew)
        if renew or _due(service, files, vault.ca):
            issued.note(vault.secrets, service.name, issue(client, service, files))
        if files.stat(SECRET_ID):
            give(vault.secrets, service.secret, files)
    finally:
        if service.token_type != "batch":  # a batch token cannot be revoked, it expires
            client.revoke()
        client.__exit__()
    if admin.user:
        _keep(admin_path(vault.secrets, service.name), admin)
    if service.credentials is not None:
        _keep(credentials_path(vault.secrets, service.name), found)
    return found


def _admin_account(client: VaultApi, service: Service, *, lenient: bool) -> Credentials:
    """The account that administrates the service. `lenient`: none where the stack is of a release
    that had no such account, which `up` mends."""
    try:
        return client.credentials(service.admin_secret)
    except VaultError as error:
        if lenient and error.status in (403, 404):
            return Credentials()
        raise


def _keep(path: Path, credentials: Credentials) -> None:
    make_dir(path.parent)
    write_private(path, msgspec.json.encode(credentials))


def give(secrets: Path, name: str, files: ServiceFiles) -> None:
    """Copy the AppRole of `name` to the service's own files: its server may read no others."""
    files.directory(ROLE_ID.partition("/")[0])
    for path, copy in zip(approle_files(secrets, name), (ROLE_ID, SECRET_ID), strict=True):
        files.write(copy, read_bytes(path))


def _login(vault: Target, service: Service) -> VaultApi:
    _, secret_file = approle_files(vault.secrets, service.secret)
    try:
        fresh = time.time() - secret_file.stat().st_mtime < MINT_AFTER_DAYS * DAY
        if fresh and not lacking(vault.secrets, service.secret):
            return login_as(vault, service.secret)
    except (FileNotFoundError, VaultError):
        pass  # never minted, expired, revoked or spoilt: the admin mints another
    with _admin(vault) as admin:
        try:
            bootstrap.mint(admin, vault.secrets, service.secret)
        finally:
            admin.revoke()
    return login_as(vault, service.secret)


def _admin(vault: Target) -> VaultApi:
    """The admin, logged in. What Vault does not know any more is thrown away: then `up` makes it
    anew."""
    try:
        return login_as(vault, bootstrap.ADMIN)
    except VaultError as error:
        if error.status == 400:
            approle_files(vault.secrets, bootstrap.ADMIN)[1].unlink(missing_ok=True)
            raise DevstackError(
                f"the admin's secret_id is no more valid ({error.message})",
                f"`devstack-tui up {IDENTITY}` makes it anew",
            ) from None
        raise


def lacking(secrets: Path, name: str) -> str:
    """What is not there of the AppRole of `name` and is made anew, in words; empty if all is."""
    role, secret = approle_files(secrets, name)
    for path in (role, secret, bootstrap.accessor_of(secret)) if secrets.is_dir() else ():
        try:
            word = read_word(path)
        except OSError:
            word = ""
        if not word:
            return f"its AppRole's {path.name} is gone or damaged: it is made anew"
    return ""


def without_account(secrets: Path, service: Service) -> str:
    """Why a service that runs must be started once more for its accounts, in words; empty if it has
    them, or has none."""
    if not secrets.is_dir():
        return ""
    if lost := spoilt(secrets, service):
        return f"{lost}: it is made anew"
    if service.admin is None or read_admin(secrets, service).user:
        return ""
    return "the account that administrates it is made"


def renew_admin(vault: Target) -> None:
    """Give the admin AppRole a fresh secret_id once half of its validity of a year is over."""
    _, secret_file = approle_files(vault.secrets, bootstrap.ADMIN)
    age = time.time() - secret_file.stat().st_mtime
    if age < bootstrap.ADMIN_SECRET_ID_TTL / 2:
        return
    with _admin(vault) as admin:
        try:
            bootstrap.mint_secret_id(admin, vault.secrets, bootstrap.ADMIN)
        finally:
            admin.revoke()


def _due(service: Service, files: ServiceFiles, root: Path) -> bool:
    """Whether a new leaf is needed: none, ending soon, not as declared, or another root."""
    try:
        leaf = read_certificate(files)
        known = files.read(CA)
        if leaf is None or root.read_bytes() != known or not matches(files):
            return True
    except (DevstackError, OSError):
        return True
    soon = leaf.not_after < time.time() + RENEW_BELOW_DAYS * DAY
    return soon or not _as_declared(service, leaf)


def _as_declared(service: Service, leaf: Certificate) -> bool:
    """Whether a leaf is for the names and usages of `service`, no fewer and no more."""
    return {*leaf.sans} == {*bootstrap.dns_names(service), HOST} and {*leaf.usages} == {
        *bootstrap.usages_of(service)
    }


def undeclared(service: Service, files: ServiceFiles) -> str:
    """Why a service that runs is to have another certificate, in words; empty if its own is for
    what is declared, or it has none."""
    try:
        leaf = read_certificate(files)
    except DevstackError:
        return ""
    if leaf is None or _as_declared(service, leaf):
        return ""
    return "its certificate is for more, or for less, than its own names: it gets another"


def matches(files: ServiceFiles) -> bool:
    """Whether the private key belongs to the leaf. After a crash between two writes it may not."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        leaf = x509.load_pem_x509_certificate(files.read(CERT))
        key = serialization.load_pem_private_key(files.read(KEY), password=None)
    except (OSError, ValueError):
        return False
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = serialization.Encoding.PEM
    return leaf.public_key().public_bytes(pem, spki) == key.public_key().public_bytes(pem, spki)


def issue(vault: VaultApi, service: Service, files: ServiceFiles) -> str:
    """Have a leaf issued by the intermediate and write it with its key and its chain, 0600.
    Returns its serial."""
    names = bootstrap.dns_names(service)
    answer = vault.call(
        "post",
        f"pki_int/issue/{service.role}",
        common_name=names[0],
        alt_names=",".join(names),
        ip_sans=HOST,
        ttl=bootstrap.LEAF_TTL,
    )["data"]
    chain = "\n".join(answer["ca_chain"]) + "\n"
    root = answer["ca_chain"][-1] + "\n"
    leaf = answer["certificate"] + "\n" + answer["issuing_ca"] + "\n"
    _write(files, root, chain, answer["private_key"] + "\n", leaf)
    return str(answer["serial_number"])


def _write(files: ServiceFiles, root: str, chain: str, key: str, leaf: str) -> None:
    """Write all four. After a crash between two of them `_due` has all of them issued again."""
    files.directory("tls")
    for name, text in ((CA, root), (CHAIN, chain), (KEY, key), (CERT, leaf)):
        files.write(name, text)


def self_signed(service: Service, files: ServiceFiles) -> None:
    """A first certificate for Vault's own listener, until its PKI can issue a real one.

    It is its own root, so that the bootstrap is verified too; valid for one day.
    """
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "devstack-tui bootstrap")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(n) for n in bootstrap.dns_names(service)]
    names.append(x509.IPAddress(ipaddress.ip_address(HOST)))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    builder = with_key_extensions(builder, key.public_key(), None, ca=True)
    leaf = builder.sign(key, hashes.SHA256())
    pem = leaf.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(files, pem, pem, private.decode(), pem)
