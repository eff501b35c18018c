"""The declared access matrix: `configs/vault/matrix.toml`, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from devstack_tui.contracts.model import ADMIN_SUFFIX
from devstack_tui.contracts.registry import services
from devstack_tui.core.config import convert, fault, read_toml
from devstack_tui.core.errors import unknown_name
from devstack_tui.core.paths import resource
from devstack_tui.identity.bootstrap import ADMIN

FILE = "configs/vault/matrix.toml"
Operation = Literal["read", "write", "list", "delete"]
Privilege = Literal[
    "accessors", "methods", "mint", "mounts", "names", "policies", "roles", "sign", "tokens"
]


class RolePermissions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one AppRole may do; see the file."""

    secrets: dict[str, tuple[Operation, ...]] = {}
    certificates: tuple[str, ...] = ()
    privileges: tuple[Privilege, ...] = ()
    patterns: tuple[str, ...] = ()
    sudo: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every AppRole and what is declared for it; one that is not in the file may do nothing."""

    roles: Mapping[str, RolePermissions]

    def may(self, role: str, secret: str, operation: str) -> bool:
        """Whether `operation` on the secret is declared for the role."""
        return operation in self.roles[role].secrets.get(secret, ())

    def may_issue(self, role: str, owner: str) -> bool:
        """Whether the role may have certificates of `owner` issued."""
        return owner in self.roles[role].certificates

    def readers(self, secret: str) -> tuple[str, ...]:
        """The roles that may read the secret, its owner first."""
        found = [role for role in self.roles if self.may(role, secret, "read")]
        owner = secret.removesuffix(ADMIN_SUFFIX)
        return tuple(sorted(found, key=lambda role: role != owner))


def secrets() -> tuple[str, ...]:
    """The names of the secrets: each service's own, and those of administrators' accounts."""
    return tuple(name for service in services() for name in service.secrets)


def owners() -> tuple[str, ...]:
    """The names by which services have certificates issued."""
    return tuple(service.secret for service in services())


def roles() -> tuple[str, ...]:
    """The AppRoles, by the name without `-role`: each service's own and the administrator's."""
    return (*owners(), ADMIN)


def load() -> Matrix:
    """Read the file; the user's copy wins. Raises `ConfigError` naming file, line and key."""
    path = resource(FILE)
    written = convert(read_toml(path), _File, path).roles
    found = {role: RolePermissions() for role in roles()}
    for service in services():
        if service.outside:
            found[service.secret] = RolePermissions(
                secrets=dict.fromkeys(service.secrets, ("read",)), certificates=(service.secret,)
            )
    for role, table in written.items():
        _known(path, f"roles.{role}", "role", [role], roles())
        # One by one: the path of a fault is reported through one level of free names only.
        declared = found[role] = convert(table, RolePermissions, path, f"roles.{role}")
        for secret in declared.secrets:
            _known(path, f"roles.{role}.secrets.{secret}", "secret", [secret], secrets())
        _known(path, f"roles.{role}.certificates", "service", declared.certificates, owners())
    return Matrix(found)


def _known(path: Path, key: str, kind: str, names: Iterable[str], allowed: tuple[str, ...]) -> None:
    for name in names:
        if name not in allowed:
            error = unknown_name(kind, name, allowed)
            raise fault(path, key, error.message, error.remedy)
