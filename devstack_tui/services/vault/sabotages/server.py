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
from devstack_tui.identity import bootstrap
from devstack_tui.identity.owner_socket import CONFIG_FILE
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.services.vault.audit.files import watched
from devstack_tui.services.vault.audit.kit import VAULT
from devstack_tui.services.vault.matrix import owners
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
OPEN_LISTENER = """\
  telemetry { unauthenticated_metrics_access = true }
  profiling { unauthenticated_pprof_access = true }
  inflight_requests_logging { unauthenticated_in_flight_requests_access = true }
  disable_unauthed_generate_root_endpoints = false
  disable_unauthed_rekey_endpoints = false
"""
OPEN_SERVER = "raw_storage_endpoint = true\nintrospection_endpoint = true\n"
# What is written into every issuing role at once.
ISSUERS: dict[str, dict[str, Any]] = {
    "allowed_domains": {},
    "allow_any_name": {"allow_any_name": True},
    "allow_subdomains": {"allow_subdomains": True, "allow_wildcard_certificates": True},
    "max_ttl": {"max_ttl": 87600 * 3600},
    "key_type": {"key_type": "rsa", "key_bits": 2048},
    "code_signing_flag": {"code_signing_flag": True},
}
ANY_NAME = ("other_name", "wildcard", "subdomain")
"""What a role that signs for any name signs for as well."""
FILES = (
    *("keys", "secrets", "config", "audit_log", "storage", "data"),
    *("role_id", "secret_id", "accessor", "folder", "credentials"),
)


def sabotages() -> tuple[Sabotage, ...]:
    """All of them."""
    found: list[Sabotage] = []
    for name in ISSUERS:
        kinds = ANY_NAME if name == "allow_any_name" else ()
        expects = [f"issuer.{service}.{kind}" for service in owners() for kind in kinds]
        found += kit.sabotages({f"issuer.{name}": partial(_issuers, name)}, expects)
    for kind in FILES:
        found += kit.sabotages({"files.{kind}": partial(_chmod, kind)}, kind=kind)
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
            "config.open": partial(_configured, _opened),
            "audit.off": partial(_configured, lambda text: AUDIT_STANZA.sub("", text)),
            "audit.raw": _raw_log,
        }
    )
    return tuple(found)


def _issuers(name: str, stack: SabotageStack) -> AbstractContextManager[None]:
    def change(before: dict[str, Any]) -> dict[str, Any]:
        if name == "allowed_domains":
            return {"allowed_domains": [*before["allowed_domains"], "mysql", "postgres"]}
        return ISSUERS[name]

    paths = [f"pki_int/roles/{service}-role" for service in owners()]
    return rewritten(stack, paths, change, whole=True)


@contextlib.contextmanager
def _chmod(kind: str, stack: SabotageStack) -> Iterator[None]:
    paths = [
        where(stack.audit)
        for name, (_, where) in watched().items()
        if name.rpartition(".")[2] == kind
    ]
    modes = [(path, found) for path in paths if (found := path.stat())]
    try:
        for path, found in modes:
            path.files.chmod(path.name, found.mode | (0o055 if found.is_directory else 0o044))
        yield
    finally:
        for path, found in modes:
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


def _opened(text: str) -> str:
    text = text.replace("ui           = false", "ui           = true")
    return OPEN_SERVER + text.replace(
        '  tls_min_version = "tls12"\n', f'  tls_min_version = "tls12"\n{OPEN_LISTENER}'
    )
