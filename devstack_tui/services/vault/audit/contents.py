"""What lies in Vault's engines: the secrets' metadata, and the keys and roles of the CAs."""

from __future__ import annotations

from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.registry import service, services
from devstack_tui.identity.bootstrap import issuing
from devstack_tui.services.vault.audit.issuers import issuing_role
from devstack_tui.services.vault.audit.kit import (
    admin_answer,
    ask,
    ask_as_admin,
    declared,
    judged,
    shared,
    unsure,
)
from devstack_tui.services.vault.audit.surface import as_declared
from devstack_tui.services.vault.matrix import owners, secrets

METADATA = {
    "cas_required": False,
    "custom_metadata": {},
    "delete_version_after": "0s",
    "max_versions": 0,
    "metadata_cas_required": False,
}
ACCOUNT, PROBE = {"user", "password", "database"}, {"probe"}
PASSWORD_CHARACTERS = 8
"""Different ones: a password of ours has 32 characters, of 64."""
# Settings of an issuing role beyond those that it is made with: as Vault makes them.
ISSUING = {
    "allow_globs_in_identity_templates": False,
    "allow_token_displayname": False,
    "allowed_domains_template": False,
    "allowed_serial_numbers": [],
    "allowed_uri_sans_template": False,
    "allowed_user_ids": [],
    "basic_constraints_valid_for_non_ca": False,
    "cn_validations": ["email", "hostname"],
    "issuer_ref": "default",
    "no_store": False,
    "not_after": "",
    "not_before": "",
    "require_cn": True,
}

# What its own checks look at, by real requests.
_ASKED = {
    *("allowed_domains", "allow_any_name", "allow_subdomains", "allow_wildcard_certificates"),
    *("max_ttl", "key_type", "key_bits", "code_signing_flag", "email_protection_flag"),
    *("server_flag", "ext_key_usage"),
}


def checks() -> tuple[Check, ...]:
    """One for each secret, each issuing role and each CA."""
    found: list[Check] = []
    for name in secrets():
        runs = {
            "secret.{name}": partial(_secret, name),
            "secret.{name}.fields": partial(_fields, name),
        }
        found += declared("contents", runs, name=name)
    for name in owners():
        found += declared("contents", {"issuer.{name}.settings": partial(_role, name)}, name=name)
    for name in ("pki", "pki_int"):
        found += declared("contents", {"keys.{name}": partial(_keys, name)}, name=name)
    return tuple(found)


def _secret(name: str, audit: Audit) -> Finding:
    answer = admin_answer(audit, "get", f"secret/metadata/{name}")
    if not answer.ok:
        return unsure(f"secret/{name} is not there: {answer}")
    versions = answer.data.get("versions") or {}
    last = versions.get(str(answer.data.get("current_version"))) or {}
    if not last or last.get("destroyed") or last.get("deletion_time"):
        return judged(False, f"secret/{name}: its last version is deleted; {len(versions)} kept")
    return as_declared(f"secret/{name}", answer.data, METADATA)


def _fields(name: str, audit: Audit) -> Finding:
    """Read by whom it belongs to; no value of it is evidence."""
    owner = next(one for one in services() if name in one.secrets)
    account = owner.credentials if name == owner.secret else owner.admin
    answer = ask(audit.login(owner.secret), "get", f"secret/data/{name}")
    if not answer.ok:
        return unsure(f"{owner.secret} cannot read secret/{name}: {answer}")
    data = answer.data.get("data")
    data = data if isinstance(data, dict) else {}
    wrong = sorted(data.keys() ^ (ACCOUNT if account else PROBE))
    if account and (data.get("user"), data.get("database")) != (account.user, account.database):
        wrong.append("another user or database")
    if account and len(set(str(data.get("password", "")))) < PASSWORD_CHARACTERS:
        wrong.append("a password that can be guessed")
    has = ", ".join(sorted(map(str, data)))
    return judged(not wrong, f"secret/{name} has {has}; not as made: {', '.join(wrong) or 'none'}")


def _role(name: str, audit: Audit) -> Finding:
    made = {key: value for key, value in issuing(service(name)).items() if key not in _ASKED}
    return as_declared(f"pki_int/roles/{name}-role", issuing_role(audit, name), {**made, **ISSUING})


def _keys(mount: str, audit: Audit) -> Finding:
    """Each key is one of an issuer, and there is one that can sign."""
    keys = set(shared(audit, f"{mount}.keys", lambda: _listed(audit, f"{mount}/keys")))
    listed = ask_as_admin(audit, "list", f"{mount}/issuers").get("key_info") or {}
    signing = [str(one.get("key_id")) for one in listed.values() if one.get("key_id")]
    idle = sorted(keys - set(signing))
    evidence = f"{mount}/: {len(keys)} keys, {len(signing)} issuers with one"
    evidence += f"; keys of no issuer: {', '.join(idle) or 'none'}"
    return judged(len(signing) == 1 and not idle, evidence)


def _listed(audit: Audit, path: str) -> tuple[str, ...]:
    return admin_answer(audit, "list", path).names
