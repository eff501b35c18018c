"""Whom Vault knows: an entity for each AppRole that has logged in, without rights of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.services.vault.audit.kit import (
    VAULT,
    admin_answer,
    ask_as_admin,
    declared,
    judged,
    shared,
    within,
)
from devstack_tui.services.vault.audit.roles import setting
from devstack_tui.services.vault.audit.surface import as_declared
from devstack_tui.services.vault.matrix import roles

MOUNT = "auth/approle/"
# Settings of an AppRole that no login shows and that nothing else looks at.
APPROLE = {
    "local_secret_ids": False,
    "token_explicit_max_ttl": 0,
    "token_no_default_policy": False,
    "token_num_uses": 0,
    "token_strictly_bind_ip": False,
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Entity = Mapping[str, Any]


def checks() -> tuple[Check, ...]:
    """Two for each AppRole, and what belongs to none."""
    found: list[Check] = []
    for role in roles():
        runs = {
            "entity.{role}": partial(_entity, role),
            "approle.{role}": partial(_approle, role),
        }
        found += declared("identities", runs, role=role)
    return (*found, *declared("identities", {"entity.foreign": _foreign}))


def _entities(audit: Audit) -> tuple[Entity, ...]:
    """All of them, once an audit."""
    return shared(
        audit,
        "entities",
        lambda: tuple(
            answer.data
            for id in admin_answer(audit, "list", "identity/entity/id").names
            if (answer := admin_answer(audit, "get", f"identity/entity/id/{id}")).ok
        ),
    )


def _role_id(audit: Audit, role: str) -> str:
    path = f"auth/approle/role/{role}-role/role-id"
    return shared(
        audit, f"role_id.{role}", lambda: str(ask_as_admin(audit, "get", path).get("role_id"))
    )


def _aliases(entity: Entity) -> list[tuple[str, str]]:
    """The logins that lead to it: where and by what name."""
    return [
        (str(alias.get("mount_path")), str(alias.get("name")))
        for alias in entity.get("aliases") or ()
    ]


def _entity(role: str, audit: Audit) -> Finding:
    own = (MOUNT, _role_id(audit, role))
    found = [one for one in _entities(audit) if own in _aliases(one)]
    wrong = [words for one in found if (words := _beyond(one, own))]
    evidence = f"{role} is {'an entity' if found else 'no entity yet'}"
    return judged(not wrong, f"{evidence} with {'; '.join(wrong) or 'nothing of its own'}")


def _beyond(entity: Entity, own: tuple[str, str]) -> str:
    """What an entity has beyond being the one of an AppRole."""
    kept = {
        "policies": entity.get("policies"),
        "groups": entity.get("group_ids"),
        "metadata": entity.get("metadata"),
        "disabled": entity.get("disabled"),
        "further logins": [f"{at}{name}" for at, name in _aliases(entity) if (at, name) != own],
    }
    return "; ".join(f"{name}: {value}" for name, value in kept.items() if value)


def _foreign(audit: Audit) -> Finding:
    known = {(MOUNT, _role_id(audit, role)) for role in roles()}
    entities = _entities(audit)
    foreign = [str(one.get("name")) for one in entities if not known & set(_aliases(one))]
    return judged(
        not foreign, f"{len(entities)} entities; of no AppRole: {', '.join(foreign) or 'none'}"
    )


def _approle(role: str, audit: Audit) -> Finding:
    found, role_id = setting(audit, role), _role_id(audit, role)
    if not _UUID.fullmatch(role_id):
        return judged(False, f"{role}-role: its role_id is none that Vault makes: {role_id[:40]!r}")
    clients = audit.target(VAULT).clients
    wide = [c for c in found.get("token_bound_cidrs") or ["0.0.0.0/0"] if not within(c, clients)]
    if wide:
        return judged(False, f"{role}-role: tokens may be used from {', '.join(wide)}")
    return as_declared(f"{role}-role", found, APPROLE)
