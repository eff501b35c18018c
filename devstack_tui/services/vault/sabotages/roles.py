"""AppRoles, entities, secret_ids and tokens that are looser than declared."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.identity.bootstrap import TOKEN_MAX_TTL
from devstack_tui.identity.vault_api import VaultError
from devstack_tui.services.vault.audit.login import NOBODY
from devstack_tui.services.vault.audit.roles import FIRST
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import changed, rewritten

STRAY = "devstack-tui-stray"
TEN_DAYS = 10 * 24 * 3600
OTHER = "mysql"
"""The role that is broken where it need not be the first one."""
SETTINGS: dict[str, dict[str, Any]] = {
    "bind_secret_id": {"bind_secret_id": False},
    "secret_id_ttl": {"secret_id_ttl": 0},
    "secret_id_num_uses": {"secret_id_num_uses": 40},
    "secret_id_cidrs": {"secret_id_bound_cidrs": []},
    "token_cidrs": {"token_bound_cidrs": []},
    "token_ttl": {"token_ttl": TEN_DAYS, "token_max_ttl": 2 * TEN_DAYS},
    "token_period": {"token_period": TOKEN_MAX_TTL},
    "token_type": {"token_type": "batch"},
    "policies": {},
}
# Of one of our policies and for no longer than ours: nothing but its origin is wrong.
_ORPHAN = {"ttl": "10m", "policies": [f"{OTHER}-policy"]}
# The role that some are for alone: what the checks of its logins look at.
_WHOSE = {"bind_secret_id": (FIRST,), "token_type": (FIRST,), "token_ttl": (FIRST, OTHER)}
# What a setting turns red of its role, besides the checks that name it.
_BESIDES = {
    "token_ttl": ("renewal_cap",),
    "token_period": ("token_ttl",),
    "policies": ("effective_policies",),
}


def sabotages() -> tuple[Sabotage, ...]:
    """One for each setting, of one role, and those of what an AppRole makes."""
    found: list[Sabotage] = []
    for name in SETTINGS:
        for role in _WHOSE.get(name, (OTHER,)):
            found += kit.sabotages(
                {f"role.{{role}}.{name}": partial(_set, name, role)},
                [f"role.{role}.{what}" for what in _BESIDES.get(name, ())],
                role=role,
            )
    found += kit.sabotages(
        {"entity.{role}": _entity, "secret_id.{role}.eternal": _eternal}, role=OTHER
    )
    found += kit.sabotages(
        {"approle.guessable": _guessable, "token.root": _root, "token.orphan": _orphan}
    )
    return tuple(found)


def _set(name: str, role: str, stack: SabotageStack) -> contextlib.AbstractContextManager[None]:
    def change(before: dict[str, Any]) -> dict[str, Any]:
        if name == "policies":
            return {"token_policies": [*before["token_policies"], STRAY]}
        return SETTINGS[name]

    return rewritten(stack, [_path(role)], change)


def _path(role: str) -> str:
    return f"auth/approle/role/{role}-role"


def _entity(stack: SabotageStack) -> contextlib.AbstractContextManager[None]:
    """The AppRole has one once it has logged in."""
    stack.audit.login(OTHER)

    def write(vault: VaultClient, policies: list[str]) -> None:
        mount = vault.call("get", "sys/auth")["data"]["approle/"]["accessor"]
        alias = {
            "alias_name": vault.call("get", f"{_path(OTHER)}/role-id")["data"]["role_id"],
            "alias_mount_accessor": mount,
        }
        id = vault.call("post", "identity/lookup/entity", **alias)["data"]["id"]
        vault.call("post", f"identity/entity/id/{id}", policies=policies)

    return changed(stack, lambda vault: write(vault, [STRAY]), lambda vault: write(vault, []))


def _guessable(stack: SabotageStack) -> contextlib.AbstractContextManager[None]:
    path = f"auth/approle/role/{STRAY}"
    around = ipaddress.ip_network(stack.audit.target("vault").clients).supernet(new_prefix=8)

    def make(vault: VaultClient) -> None:
        vault.call(
            "post",
            path,
            bind_secret_id=False,
            secret_id_bound_cidrs=[str(around)],
            token_policies=["default"],
            token_ttl=60,
        )
        vault.call("post", f"{path}/role-id", role_id=NOBODY)
        # Whom a login by it makes: there before the first, whichever check looks first.
        id = vault.call("post", "identity/entity", name=STRAY)["data"]["id"]
        mount = vault.call("get", "sys/auth")["data"]["approle/"]["accessor"]
        vault.call(
            "post", "identity/entity-alias", name=NOBODY, canonical_id=id, mount_accessor=mount
        )

    def undo(vault: VaultClient) -> None:
        _quietly(vault, "delete", path)
        _quietly(vault, "delete", f"identity/entity/name/{STRAY}")

    return changed(stack, make, undo)


@contextlib.contextmanager
def _eternal(stack: SabotageStack) -> Iterator[None]:
    path = _path(OTHER)
    with rewritten(stack, [path], lambda before: {"secret_id_ttl": 0}), stack.root() as vault:
        accessor = vault.call("post", f"{path}/secret-id")["data"]["secret_id_accessor"]
    try:
        yield
    finally:
        with stack.root() as vault:
            vault.call("post", f"{path}/secret-id-accessor/destroy", secret_id_accessor=accessor)


@contextlib.contextmanager
def _root(stack: SabotageStack) -> Iterator[None]:
    with stack.root():
        yield


@contextlib.contextmanager
def _orphan(stack: SabotageStack) -> Iterator[None]:
    with stack.root() as vault:
        made = vault.call("post", "auth/token/create-orphan", **_ORPHAN)["auth"]
    try:
        yield
    finally:
        with stack.root() as vault:
            vault.call("post", "auth/token/revoke-accessor", accessor=made["accessor"])


def _quietly(vault: VaultClient, method: str, path: str) -> None:
    with contextlib.suppress(VaultError):
        vault.call(method, path)
