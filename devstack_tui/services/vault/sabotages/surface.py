"""Sabotages of what Vault holds and is set to beyond its AppRoles: one object each."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.bootstrap import TOKEN_MAX_TTL
from devstack_tui.identity.owner_socket import CONFIG_FILE
from devstack_tui.identity.vault_api import VaultError, approle_files
from devstack_tui.services.vault.audit.kit import SECRET_ID_TTL_S, VAULT
from devstack_tui.services.vault.audit.surface import Row, rows
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import changed, rewritten

STRAY = "devstack-tui-stray"
_GONE_S = 30.0
ROLE = "auth/approle/role/mysql-role"
TEN_YEARS_S = 10 * 365 * 24 * 3600
FAR = ["0.0.0.0/0"]
SECOND = """
listener "tcp" {{
  address       = "{host}:0"
  tls_cert_file = {cert}
  tls_key_file  = {key}
}}
"""


def sabotages() -> tuple[Sabotage, ...]:
    """Those of `configs/vault/surface.toml`, and one for each other kind."""
    return (*_of_rows(), *kit.sabotages(_APPLIES))


def _of_rows() -> Iterator[Sabotage]:
    found = rows()
    for name, row in {**found.lists.rows, **found.documents.rows}.items():
        if row.provable:
            yield Sabotage(
                id=f"vault.surface.{name}",
                title=f"not so: {row.title}",
                service=VAULT,
                apply=_row(row),
                seconds=kit.QUICK_S,
            )


def _row(row: Row) -> kit.Apply:
    stray = row.stray
    if stray is not None:
        body = stray.body or {"description": ""}

        def remove(vault: VaultClient) -> None:
            vault.call("delete", stray.path)
            _until_unlisted(vault, row.path)

        return lambda stack: changed(stack, lambda vault: _write(vault, stray.path, body), remove)
    return lambda stack: rewritten(stack, [row.path], lambda _: row.changes)


def _write(vault: VaultClient, path: str, body: Mapping[str, Any]) -> None:
    vault.call("post", path, **body)


def _until_unlisted(vault: VaultClient, path: str) -> None:
    """Wait until the list has what was added no more: a namespace is deleted after the answer.
    Raises `DevstackError` when it stays."""
    deadline = time.monotonic() + _GONE_S
    while any(name.rstrip("/") == STRAY for name in _names(vault, path)):
        if time.monotonic() > deadline:
            raise DevstackError(f"{path} still lists {STRAY} after {_GONE_S:.0f} s")
        time.sleep(0.05)


def _names(vault: VaultClient, path: str) -> list[str]:
    try:
        return list(vault.call("list", path)["data"]["keys"])
    except VaultError as error:
        if error.status != 404:  # an empty list
            raise
        return []


def _tuned(path: str, settings: Mapping[str, Any], back: Mapping[str, Any]) -> kit.Apply:
    """A mount with further settings, and without them at the end."""
    return lambda stack: changed(
        stack,
        lambda vault: _tune(vault, path, settings),
        lambda vault: _tune(vault, path, back),
    )


def _tune(vault: VaultClient, path: str, settings: Mapping[str, Any]) -> None:
    vault.call("post", f"sys/{path}/tune", **settings)


def _written(path: str, **settings: Any) -> kit.Apply:
    return lambda stack: rewritten(stack, [path], lambda _: settings, whole=True)


def _acme(stack: SabotageStack) -> AbstractContextManager[None]:
    """Where the CA is reached stays behind: Vault does not forget it, and it opens nothing."""

    def on(vault: VaultClient) -> None:
        where = stack.audit.target(VAULT).endpoint
        vault.call("post", "pki_int/config/cluster", path=f"https://{where}/v1/pki_int")
        vault.call("post", "pki_int/config/acme", enabled=True)

    def off(vault: VaultClient) -> None:
        vault.call("post", "pki_int/config/acme", enabled=False)

    return changed(stack, on, off)


@contextlib.contextmanager
def _secret_id(stack: SabotageStack, limits: Mapping[str, Any], **role: Any) -> Iterator[None]:
    """A secret_id of mysql's AppRole that was made while the AppRole was set otherwise."""
    with rewritten(stack, [ROLE], lambda _: role), stack.root() as vault:
        made = vault.call("post", f"{ROLE}/secret-id", **limits)["data"]
    try:
        yield
    finally:
        with stack.root() as vault:
            path, accessor = f"{ROLE}/secret-id-accessor/destroy", made["secret_id_accessor"]
            vault.call("post", path, secret_id_accessor=accessor)


@contextlib.contextmanager
def _useless(stack: SabotageStack) -> Iterator[None]:
    """The secret_id in Vault's own file is of nobody."""
    _, path = approle_files(stack.audit.secrets, "vault")
    with stack.edited(stack.audit.own_file(path), lambda text: text[::-1]):
        yield


def _entity(stack: SabotageStack) -> AbstractContextManager[None]:
    """The entity of Vault's own AppRole has metadata: nobody is locked out."""
    stack.audit.login("vault")

    def write(vault: VaultClient, metadata: Mapping[str, str]) -> None:
        role_id = vault.call("get", "auth/approle/role/vault-role/role-id")["data"]["role_id"]
        for id, one in vault.call("list", "identity/entity/id")["data"]["key_info"].items():
            if role_id in [alias["name"] for alias in one["aliases"]]:
                vault.call("post", f"identity/entity/id/{id}", metadata=metadata)

    return changed(
        stack, lambda vault: write(vault, {"made": "up"}), lambda vault: write(vault, {})
    )


@contextlib.contextmanager
def _login(stack: SabotageStack, **limits: Any) -> Iterator[None]:
    """A token that an AppRole's login makes while the AppRole is set otherwise."""
    path = ROLE
    with rewritten(stack, [path], lambda _: limits), stack.root() as vault:
        role_id = vault.call("get", f"{path}/role-id")["data"]["role_id"]
        made = vault.call("post", f"{path}/secret-id", ttl=SECRET_ID_TTL_S)["data"]
        auth = vault.call(
            "post", "auth/approle/login", role_id=role_id, secret_id=made["secret_id"]
        )["auth"]
        vault.call(
            "post",
            f"{path}/secret-id-accessor/destroy",
            secret_id_accessor=made["secret_id_accessor"],
        )
    try:
        yield
    finally:
        with stack.root() as vault:
            vault.call("post", "auth/token/revoke-accessor", accessor=auth["accessor"])


def _plugins(stack: SabotageStack) -> AbstractContextManager[None]:
    folder = json.dumps(stack.audit.files(VAULT).path("tls"))
    return stack.reconfigured(
        VAULT, CONFIG_FILE, lambda text: f"plugin_directory = {folder}\n{text}"
    )


def _second_listener(stack: SabotageStack) -> AbstractContextManager[None]:
    files = stack.audit.files(VAULT)
    stanza = SECOND.format(
        host="127.0.0.2",
        cert=json.dumps(files.path("tls/server.crt")),
        key=json.dumps(files.path("tls/server.key")),
    )
    return stack.reconfigured(VAULT, CONFIG_FILE, lambda text: text + stanza)


def _key(stack: SabotageStack) -> AbstractContextManager[None]:
    """A key that no issuer has yet, as before somebody imports one."""
    made: list[str] = []

    def make(vault: VaultClient) -> None:
        answer = vault.call("post", "pki_int/keys/generate/internal", key_type="ec", key_bits=256)
        made.append(answer["data"]["key_id"])

    def undo(vault: VaultClient) -> None:
        for id in made:
            vault.call("delete", f"pki_int/key/{id}")

    return changed(stack, make, undo)


def _field(stack: SabotageStack) -> AbstractContextManager[None]:
    before: dict[str, Any] = {}

    def make(vault: VaultClient) -> None:
        before.update(vault.call("get", "secret/data/mysql")["data"]["data"])
        _post(vault, "secret/data/mysql", data={**before, "note": "up"})

    return changed(stack, make, lambda vault: _post(vault, "secret/data/mysql", data=before))


_APPLIES: Mapping[str, kit.Apply] = {
    "acme": _acme,
    "mount.non_hmac": _tuned(
        "auth/approle",
        {"audit_non_hmac_request_keys": ["secret_id"]},
        {"audit_non_hmac_request_keys": []},
    ),
    "mount.headers": _tuned(
        "mounts/secret",
        {"passthrough_request_headers": ["Authorization"]},
        {"passthrough_request_headers": []},
    ),
    "mount.leases": _tuned("mounts/secret", {"max_lease_ttl": "87600h"}, {"max_lease_ttl": "0"}),
    "mount.shown": _tuned(
        "mounts/pki_int", {"listing_visibility": "unauth"}, {"listing_visibility": "hidden"}
    ),
    "mount.token_type": _tuned(
        "auth/approle", {"token_type": "default-batch"}, {"token_type": "default-service"}
    ),
    "secret_id.ten_years": lambda stack: _secret_id(stack, {}, secret_id_ttl=TEN_YEARS_S),
    "secret_id.anywhere": lambda stack: _secret_id(
        stack,
        {"ttl": SECRET_ID_TTL_S, "token_bound_cidrs": FAR},
        token_bound_cidrs=[],
        secret_id_bound_cidrs=[],
    ),
    "secret_id.spare": lambda stack: _secret_id(stack, {}),
    "secret_id.useless": _useless,
    "entity.metadata": _entity,
    "entity.foreign": lambda stack: changed(
        stack,
        lambda vault: _post(vault, "identity/entity", name=STRAY),
        lambda vault: _delete(vault, f"identity/entity/name/{STRAY}"),
    ),
    "approle.further": lambda stack: rewritten(
        stack, [ROLE], lambda _: {"token_explicit_max_ttl": TOKEN_MAX_TTL}
    ),
    "listener.second": _second_listener,
    "config.plugins": _plugins,
    "secret.metadata": lambda stack: changed(
        stack,
        lambda vault: _post(vault, "secret/metadata/mysql", custom_metadata={"made": "up"}),
        lambda vault: _post(vault, "secret/metadata/mysql", custom_metadata={}),
    ),
    "secret.field": _field,
    "loggers": lambda stack: changed(
        stack,
        lambda vault: _post(vault, "sys/loggers", level="trace"),
        lambda vault: _delete(vault, "sys/loggers"),
    ),
    "issuer.uri": _written("pki_int/roles/mysql-role", allowed_uri_sans=["*"]),
    "pki.key": _key,
    "token.periodic": lambda stack: _login(stack, token_period=3600),
    "token.unbound": lambda stack: _login(stack, token_bound_cidrs=[]),
}


def _post(vault: VaultClient, path: str, **body: Any) -> None:
    vault.call("post", path, **body)


def _delete(vault: VaultClient, path: str) -> None:
    vault.call("delete", path)
