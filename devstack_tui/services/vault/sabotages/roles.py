"""AppRoles, entities, secret_ids and tokens that are looser than declared."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Sabotage, SabotageStack, VaultClient
from devstack_tui.contracts.registry import service
from devstack_tui.identity.bootstrap import TOKEN_MAX_TTL
from devstack_tui.identity.vault_api import VaultError
from devstack_tui.services.vault.audit.login import NOBODY
from devstack_tui.services.vault.audit.roles import FIRST
from devstack_tui.services.vault.matrix import owners, roles
from devstack_tui.services.vault.sabotages import kit
from devstack_tui.services.vault.sabotages.kit import changed, rewritten

STRAY = "devstack-tui-stray"
TEN_DAYS = 10 * 24 * 3600
# What is written into every AppRole at once.
SETTINGS: dict[str, dict[str, Any]] = {
    "bind_secret_id": {"bind_secret_id": False},
    "secret_id_ttl": {"secret_id_ttl": 0},
    "secret_id_num_uses": {"secret_id_num_uses": 40},
    "secret_id_cidrs": {"secret_id_bound_cidrs": []},
    "token_cidrs": {"token_bound_cidrs": []},
    "token_ttl": {"token_ttl": TEN_DAYS, "token_max_ttl": 2 * TEN_DAYS},
    "token_period": {"token_period": TOKEN_MAX_TTL},
    "token_type": {},
    "policies": {},
}


def sabotages() -> tuple[Sabotage, ...]:
    """One for each setting, and those of what an AppRole makes."""
    found: list[Sabotage] = []
    for name in SETTINGS:
        found += kit.sabotages({f"role.{name}": partial(_set, name)}, _expects(name))
    entities = [f"vault.entity.{role}" for role in roles()]
    found += kit.sabotages({"entity.policy": _entities}, entities)
    found += kit.sabotages(
        {
            "approle.guessable": _guessable,
            "secret_id.eternal": _eternal,
            "token.root": _root,
            "token.orphan": _orphan,
        }
    )
    return tuple(found)


def _expects(name: str) -> list[str]:
    """What a setting turns red, role by role, besides the checks that name it."""
    match name:
        case "token_ttl":
            return [f"role.{role}.renewal_cap" for role in roles() if _is_service(role)]
        case "token_period":
            renewed = (role for role in roles() if _is_service(role) and role != FIRST)
            return [f"role.{role}.token_ttl" for role in renewed]
        case "policies":
            return [f"role.{role}.effective_policies" for role in roles() if role != FIRST]
    return []


def _is_service(role: str) -> bool:
    return role not in owners() or service(role).token_type == "service"


def _set(name: str, stack: SabotageStack) -> contextlib.AbstractContextManager[None]:
    # Vault refuses a period for a batch token.
    chosen = [role for role in roles() if name != "token_period" or _is_service(role)]
    paths = [f"auth/approle/role/{role}-role" for role in chosen]

    def change(before: dict[str, Any]) -> dict[str, Any]:
        if name == "token_type":
            return {"token_type": "service" if before["token_type"] == "batch" else "batch"}
        if name == "policies":
            return {"token_policies": [*before["token_policies"], STRAY]}
        return SETTINGS[name]

    return rewritten(stack, paths, change)


def _entities(stack: SabotageStack) -> contextlib.AbstractContextManager[None]:
    """Every AppRole has one once it has logged in."""
    for role in roles():
        stack.audit.login(role)

    def every(vault: VaultClient, policies: list[str]) -> None:
        for id in vault.call("list", "identity/entity/id")["data"]["keys"]:
            vault.call("post", f"identity/entity/id/{id}", policies=policies)

    return changed(stack, lambda vault: every(vault, [STRAY]), lambda vault: every(vault, []))


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

    return changed(stack, make, lambda vault: _quietly(vault, "delete", path))


@contextlib.contextmanager
def _eternal(stack: SabotageStack) -> Iterator[None]:
    made: list[tuple[str, str]] = []
    paths = [f"auth/approle/role/{role}-role" for role in roles()]
    with rewritten(stack, paths, lambda before: {"secret_id_ttl": 0}), stack.root() as vault:
        for path in paths:
            answer = vault.call("post", f"{path}/secret-id")["data"]
            made.append((path, answer["secret_id_accessor"]))
    try:
        yield
    finally:
        with stack.root() as vault:
            for path, accessor in made:
                vault.call(
                    "post",
                    f"{path}/secret-id-accessor/destroy",
                    secret_id_accessor=accessor,
                )


@contextlib.contextmanager
def _root(stack: SabotageStack) -> Iterator[None]:
    with stack.root():
        yield


@contextlib.contextmanager
def _orphan(stack: SabotageStack) -> Iterator[None]:
    with stack.root() as vault:
        made = vault.call("post", "auth/token/create-orphan", ttl="720h", policies=[STRAY])["auth"]
    try:
        yield
    finally:
        with stack.root() as vault:
            vault.call("post", "auth/token/revoke-accessor", accessor=made["accessor"])


def _quietly(vault: VaultClient, method: str, path: str) -> None:
    with contextlib.suppress(VaultError):
        vault.call(method, path)
