"""Vault's first hour: initialise, unseal, and make what every service is identified by.

Every step looks before it makes, so a bootstrap that was killed at any point is finished by the
next one. The root token lives in a 0600 file until the last step revokes it.
"""

from __future__ import annotations

import hashlib
import json
import secrets as random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from devstack_tui.contracts.model import LOOPBACK, Credentials, Target, own_name
from devstack_tui.contracts.service import Service
from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import resource
from devstack_tui.identity.vault_api import VaultApi, VaultError, approle_files

ADMIN = "admin"
TOKEN_TTL = 3600
TOKEN_MAX_TTL = 4 * 3600
SECRET_ID_TTL = 30 * 24 * 3600
ADMIN_SECRET_ID_TTL = 365 * 24 * 3600
ROOT_TTL = "87600h"
INTERMEDIATE_TTL = "43800h"
LEAF_TTL = "8760h"
POLICY = """\
# What the AppRole of {name} may do: read its own secret, have its own certificate issued.
path "secret/data/{name}" {{
  capabilities = ["read"]
}}

path "pki_int/issue/{name}-role" {{
  capabilities = ["update"]
}}
"""
ADMIN_POLICY = """
path "secret/data/{name}-admin" {{
  capabilities = ["read"]
}}
"""


class Keys(msgspec.Struct, frozen=True):
    """What opens Vault. `root_token` is empty once the bootstrap has revoked it.

    `made_by` is a digest of the policies and services that the bootstrap was made from.
    """

    unseal_key: str
    root_token: str = ""
    made_by: str = ""

    def __repr__(self) -> str:
        return "Keys(…)"


def keys_path(secrets: Path) -> Path:
    """The 0600 file with the unseal key."""
    return secrets / "vault-keys.json"


def read_keys(secrets: Path) -> Keys | None:
    """The keys of an initialised Vault, or None. Raises `DevstackError` for a damaged file."""
    try:
        return codec.decode(files.read_bytes(keys_path(secrets)), Keys)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise files.explain(error, "reading the keys of Vault") from None
    except ValueError:
        raise DevstackError(
            f"{keys_path(secrets)} is damaged: Vault cannot be unsealed",
            "put the file back from a copy, or `devstack-tui down --wipe` the stack",
        ) from None


def _write_keys(secrets: Path, keys: Keys) -> Keys:
    files.write_private(keys_path(secrets), msgspec.json.encode(keys))
    return keys


def initialise(vault: VaultApi, secrets: Path) -> Keys:
    """Initialise an empty Vault with one unseal key, and keep it before anything else."""
    answer = vault.call("put", "sys/init", secret_shares=1, secret_threshold=1)
    return _write_keys(secrets, Keys(answer["keys_base64"][0], answer["root_token"]))


def unseal(vault: VaultApi, keys: Keys) -> None:
    """Unseal; harmless when it is open."""
    vault.call("put", "sys/unseal", key=keys.unseal_key)


def digest(services: Iterable[Service]) -> str:
    """What a bootstrap depends on, as one value: another value means another bootstrap."""
    state = hashlib.sha256()
    state.update(policy_text(None).encode())
    for service in sorted(services, key=lambda service: service.name):
        made_of = [service.name, policy_text(service), service.token_type]
        for account in filter(None, (service.credentials, service.admin)):
            made_of += [account.user, account.database]
        made_of.append(json.dumps(issuing(service)))
        state.update("\0".join(made_of).encode())
    return state.hexdigest()[:16]


def bootstrap(vault: VaultApi, target: Target, keys: Keys, services: Iterable[Service]) -> Keys:
    """Make mounts, PKI, policies, AppRoles and secrets; mint the admin's secret_id; revoke root.

    `vault` carries the root token; `target` is Vault's own. Returns the keys without it.
    """
    services, secrets = list(services), target.secrets
    mounts = vault.call("get", "sys/mounts")["data"]
    if "secret/" not in mounts:
        vault.call("post", "sys/mounts/secret", type="kv", options={"version": "2"})
    auths = vault.call("get", "sys/auth")["data"]
    if "approle/" not in auths:
        vault.call("post", "sys/auth/approle", type="approle")
    _pki(vault, mounts, services)
    for service in services:
        vault.call("put", f"sys/policies/acl/{service.policy}", policy=policy_text(service))
        vault.call(
            "post",
            f"auth/approle/role/{service.role}",
            **_role(service.policy, SECRET_ID_TTL, service.token_type, target.clients),
        )
        _secret(vault, service.secret, service.credentials)
        if service.admin is not None:
            _secret(vault, service.admin_secret, service.admin)
        _write_role_id(vault, secrets, service.secret, service.role)
    vault.call("put", "sys/policies/acl/admin-policy", policy=policy_text(None))
    vault.call(
        "post",
        f"auth/approle/role/{ADMIN}-role",
        **_role("admin-policy", ADMIN_SECRET_ID_TTL, "service", target.clients),
    )
    mint_admin(vault, secrets)
    return finish(secrets, keys, services)


def finish(secrets: Path, keys: Keys, services: Iterable[Service]) -> Keys:
    """Write down that the bootstrap is done and its root token revoked."""
    return _write_keys(secrets, Keys(keys.unseal_key, "", digest(services)))


def mint(vault: VaultApi, secrets: Path, name: str) -> None:
    """All that the AppRole of `name` logs in with: its role_id and a fresh secret_id."""
    _write_role_id(vault, secrets, name, f"{name}-role")
    mint_secret_id(vault, secrets, name)


def mint_admin(vault: VaultApi, secrets: Path) -> None:
    """The same for the admin, who cannot do that for itself. `vault` carries a root token, which is
    revoked, and with it every other."""
    mint(vault, secrets, ADMIN)
    _revoke_root(vault)


def accessor_of(secret_file: Path) -> Path:
    """Where it is kept by what a secret_id can be destroyed."""
    return secret_file.with_name("secret-id-accessor")


def mint_secret_id(vault: VaultApi, secrets: Path, name: str) -> None:
    """A fresh secret_id for the AppRole of `name`; every other one of it is destroyed: the one that
    it replaces, whose accessor may be lost, and what a killed command left."""
    role = f"auth/approle/role/{name}-role"
    answer = vault.call("post", f"{role}/secret-id")["data"]
    own = answer["secret_id_accessor"]
    _, secret_file = approle_files(secrets, name)
    files.write_private(secret_file, answer["secret_id"])
    files.write_private(accessor_of(secret_file), own)
    for accessor in vault.call("list", f"{role}/secret-id")["data"]["keys"]:
        if accessor == own:
            continue
        try:
            vault.call("post", f"{role}/secret-id-accessor/destroy", secret_id_accessor=accessor)
        except VaultError as error:
            if error.status not in (403, 404, 500):  # it has expired: there is nothing to destroy
                raise


def policy_text(service: Service | None) -> str:
    """The policy of the AppRole of a service, or of the admin's (None): its file, or for a service
    of another package what every service may do, which is to read its own secrets and to have its
    own certificate issued."""
    name = service.secret if service else ADMIN
    path = resource(f"configs/vault/policies/{name}.hcl")
    if service is None or path.exists():
        return path.read_text(encoding="utf-8")
    text = POLICY + ADMIN_POLICY if service.admin else POLICY
    return text.format(name=name)


def _role(policy: str, secret_id_ttl: int, token_type: str, clients: str) -> dict[str, Any]:
    """The settings of an AppRole that can be used from the addresses of `clients` only."""
    return {
        "token_policies": [policy],
        "token_ttl": TOKEN_TTL,
        "token_max_ttl": TOKEN_MAX_TTL,
        "token_type": token_type,
        "token_bound_cidrs": [clients],
        "bind_secret_id": True,
        "secret_id_bound_cidrs": [clients],
        "secret_id_ttl": secret_id_ttl,
        "secret_id_num_uses": 0,
    }


def _write_role_id(vault: VaultApi, secrets: Path, name: str, role: str) -> None:
    role_id = vault.call("get", f"auth/approle/role/{role}/role-id")["data"]["role_id"]
    role_file, _ = approle_files(secrets, name)
    files.make_dir(role_file.parent)
    files.write_private(role_file, role_id)


def _secret(vault: VaultApi, path: str, wanted: Credentials | None) -> None:
    """An account's user and password, made once; the password is never overwritten."""
    data = {"probe": random.token_hex(16)}
    if wanted is not None:
        data = {
            "user": wanted.user,
            "password": random.token_urlsafe(24),
            "database": wanted.database,
        }
    try:
        # cas 0: only if there is no version yet.
        vault.call("post", f"secret/data/{path}", data=data, options={"cas": 0})
    except VaultError as error:
        if error.status != 400:
            raise
        if wanted is not None:
            _rename(vault, path, wanted)


def _rename(vault: VaultApi, path: str, wanted: Credentials) -> None:
    """Write an account's name and database as they are declared now, its password kept."""
    found = vault.call("get", f"secret/data/{path}")["data"]
    kept = found["data"]
    data = {**kept, "user": wanted.user, "database": wanted.database}
    if data != kept:
        options = {"cas": found["metadata"]["version"]}
        vault.call("post", f"secret/data/{path}", data=data, options=options)


def _pki(vault: VaultApi, mounts: dict[str, Any], services: list[Service]) -> None:
    for mount, ttl in (("pki", ROOT_TTL), ("pki_int", INTERMEDIATE_TTL)):
        if f"{mount}/" not in mounts:
            vault.call("post", f"sys/mounts/{mount}", type="pki", config={"max_lease_ttl": ttl})
    if not _has_issuer(vault, "pki"):
        vault.call(
            "post",
            "pki/root/generate/internal",
            common_name="devstack-tui root CA",
            key_type="ec",
            key_bits=256,
            ttl=ROOT_TTL,
        )
    if not _has_issuer(vault, "pki_int"):
        request = vault.call(
            "post",
            "pki_int/intermediate/generate/internal",
            common_name="devstack-tui intermediate CA",
            key_type="ec",
            key_bits=256,
        )["data"]["csr"]
        signed = vault.call(
            "post",
            "pki/root/sign-intermediate",
            csr=request,
            ttl=INTERMEDIATE_TTL,
            format="pem_bundle",
            use_csr_values=False,
            common_name="devstack-tui intermediate CA",
        )["data"]
        chain = "\n".join([signed["certificate"], signed["issuing_ca"]])
        vault.call("post", "pki_int/intermediate/set-signed", certificate=chain)
    for service in services:
        vault.call(
            "post",
            f"pki_int/roles/{service.role}",
            **issuing(service),
        )


def issuing(service: Service) -> dict[str, Any]:
    """What Vault issues to the AppRole of `service`: a leaf of its own names and nothing more."""
    return {
        "allowed_domains": dns_names(service),
        "allow_bare_domains": True,
        "allow_subdomains": False,
        "allow_glob_domains": False,
        "allow_wildcard_certificates": False,
        "allow_any_name": False,
        # It is among the domains: this would allow others beside it.
        "allow_localhost": False,
        "allow_ip_sans": True,
        # OpenBao's alone; where there is no such setting, any address can be asked for.
        "allowed_ip_sans_cidr": [f"{LOOPBACK}/32"],
        "allowed_other_sans": [],
        "allowed_uri_sans": [],
        "enforce_hostnames": True,
        "key_type": "ec",
        "key_bits": 256,
        "max_ttl": LEAF_TTL,
        "server_flag": True,
        "client_flag": service.mutual_tls,
        "code_signing_flag": False,
        "email_protection_flag": False,
        "ext_key_usage": [],
        "ext_key_usage_oids": [],
    }


def names_of(service: Service) -> list[str]:
    """The DNS names that the certificate of `service` alone may hold, its own first."""
    return [service.secret, own_name(service.name), *service.sans]


def dns_names(service: Service) -> list[str]:
    """Every DNS name of its certificate: its own, and the one of loopback."""
    return [*names_of(service), "localhost"]


def usages_of(service: Service) -> tuple[str, ...]:
    """The extended key usages of its certificate."""
    return ("serverAuth", "clientAuth") if service.mutual_tls else ("serverAuth",)


def _has_issuer(vault: VaultApi, mount: str) -> bool:
    """Whether the mount has a CA that can sign; a request for one alone does not count."""
    try:
        return bool(vault.call("get", f"{mount}/cert/ca")["data"]["certificate"])
    except VaultError:
        return False


def _revoke_root(vault: VaultApi) -> None:
    """Revoke every root token, the one in use last: an interrupted bootstrap may have left one."""
    own = vault.call("get", "auth/token/lookup-self")["data"]["accessor"]
    for accessor in vault.call("list", "auth/token/accessors")["data"]["keys"]:
        if accessor == own:
            continue
        try:
            found = vault.call("post", "auth/token/lookup-accessor", accessor=accessor)["data"]
            if "root" in (found.get("policies") or []):
                vault.call("post", "auth/token/revoke-accessor", accessor=accessor)
        except VaultError as error:
            if error.status not in (403, 404):  # it ended meanwhile
                raise
    vault.revoke()
