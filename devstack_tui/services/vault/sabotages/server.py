"""Sabotages of Vault itself: its mounts, issuing roles, files and configuration."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity import bootstrap
from devstack_tui.identity.owner_socket import CONFIG_FILE
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.services.vault.audit.files import watched
from devstack_tui.services.vault.audit.kit import VAULT
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import added, changed, rewritten

STRAY = "devstack-tui-stray"
AUDIT_STANZA = re.compile(r'audit "file" "file" \{.*?\n\}\n', re.DOTALL)
RAW_STANZA = """
audit "file" "raw" {{
  options {{
    file_path = {}
    mode      = "0600"
    log_raw   = "true"
  }}
}}
"""
_TLS = '  tls_min_version = "tls12"\n'
# What opens one door without a token, and one endpoint with one.
OPENED: dict[str, tuple[str, ...]] = {
    "metrics": (
        _TLS,
        f"{_TLS}  telemetry {{ unauthenticated_metrics_access = true }}\n",
        "vault.listeners",
    ),
    "introspection": ("", "introspection_endpoint = true\n"),
}
NAME, OTHER = "rabbitmq", "mysql"
"""The service whose issuing role is changed, and one whose name it then signs for."""
ISSUERS: dict[str, dict[str, Any]] = {
    "allowed_domains": {},
    "allow_any_name": {"allow_any_name": True},
    "allow_subdomains": {"allow_subdomains": True, "allow_wildcard_certificates": True},
    "max_ttl": {"max_ttl": 87600 * 3600},
    "key_type": {"key_type": "rsa", "key_bits": 2048},
    "code_signing_flag": {"code_signing_flag": True},
}
ANY_NAME = ("other_name", "subdomain")
"""What a role that signs for any name signs for as well."""
FILE = "vault.secret_id"


def sabotages() -> tuple[Sabotage, ...]:
    """All of them."""
    found: list[Sabotage] = []
    for name in ISSUERS:
        kinds = ANY_NAME if name == "allow_any_name" else ()
        found += kit.sabotages(
            {f"issuer.{{name}}.{name}": partial(_issuer, name)},
            [f"issuer.{NAME}.{kind}" for kind in kinds],
            name=NAME,
        )
    for door, (before, after, *expects) in OPENED.items():
        change = partial(_replaced, before, after)
        found += kit.sabotages({"config.{door}": partial(_configured, change)}, expects, door=door)
    found += kit.sabotages({"files.{name}": _chmod}, name=FILE)
    found += kit.sabotages(
        {
            "files.root_token": _keep_root_token,
            "issuer.foreign": added(f"pki_int/roles/{STRAY}", allow_any_name=True),
            "issuer.root": added(f"pki/roles/{STRAY}", allow_any_name=True),
            "sealed": _sealed,
            "auth.second_approle": added(f"sys/auth/{STRAY}", type="approle"),
            "auth.userpass": added("sys/auth/userpass", type="userpass"),
            "mount.kv1": added(f"sys/mounts/{STRAY}", type="kv", options={"version": "1"}),
            "mount.listed": lambda stack: changed(
                stack, partial(_tune, visibility="unauth"), partial(_tune, visibility="hidden")
            ),
            "kv.one_version": lambda stack: rewritten(
                stack, ["secret/config"], lambda before: {"max_versions": 1}
            ),
            "config.cors": added("sys/config/cors", enabled=True, allowed_origins=["*"]),
            "audit.off": partial(_configured, lambda text: AUDIT_STANZA.sub("", text)),
            "audit.raw": _raw_log,
        }
    )
    return tuple(found)


def _issuer(name: str, stack: SabotageStack) -> AbstractContextManager[None]:
    def change(before: dict[str, Any]) -> dict[str, Any]:
        if name == "allowed_domains":
            return {"allowed_domains": [*before["allowed_domains"], OTHER]}
        return ISSUERS[name]

    return rewritten(stack, [f"pki_int/roles/{NAME}-role"], change, whole=True)


@contextlib.contextmanager
def _chmod(stack: SabotageStack) -> Iterator[None]:
    path = watched()[FILE][1](stack.audit)
    found = path.stat()
    if found is None:
        raise DevstackError(f"{path} is not there")
    try:
        path.files.chmod(path.name, found.mode | 0o044)
        yield
    finally:
        path.files.chmod(path.name, found.mode)


def _keep_root_token(stack: SabotageStack) -> AbstractContextManager[None]:
    return stack.edited(
        stack.audit.own_file(bootstrap.keys_path(stack.audit.secrets)),
        lambda text: text.replace('"root_token":""', '"root_token":"s.kept"'),
    )


@contextlib.contextmanager
def _sealed(stack: SabotageStack) -> Iterator[None]:
    """Nothing can be revoked while it is sealed: the token is revoked once it is unsealed."""
    with stack.root() as vault:
        vault.call("put", "sys/seal")
        token, vault.token = vault.token, ""
    try:
        yield
    finally:
        stack.restart(VAULT)
        with VaultApi(stack.audit.target(VAULT), token) as last:
            last.revoke()


def _tune(vault: VaultClient, visibility: str) -> None:
    vault.call("post", "sys/mounts/secret/tune", listing_visibility=visibility)


def _configured(change: Callable[[str], str], stack: SabotageStack) -> AbstractContextManager[None]:
    """Vault with another configuration; its own again at the end."""
    return stack.reconfigured(VAULT, CONFIG_FILE, change)


@contextlib.contextmanager
def _raw_log(stack: SabotageStack) -> Iterator[None]:
    files, log = stack.audit.files(VAULT), "audit-raw.log"
    stanza = RAW_STANZA.format(json.dumps(files.path(log)))
    try:
        with _configured(lambda text: text + stanza, stack):
            yield
    finally:
        files.remove(log)


def _replaced(before: str, after: str, text: str) -> str:
    return text.replace(before, after, 1)
