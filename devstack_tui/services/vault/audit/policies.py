"""Vault's policies and AppRoles themselves: nothing but what is declared, and nothing wider."""

from __future__ import annotations

import itertools
from functools import partial

from devstack_tui.contracts.audit import Audit, Check, Finding
from devstack_tui.contracts.registry import service
from devstack_tui.identity.bootstrap import ADMIN, policy_text
from devstack_tui.services.vault.audit.kit import (
    ask_as_admin,
    declared,
    exactly,
    judged,
    shared,
)
from devstack_tui.services.vault.matrix import Matrix, roles
from devstack_tui.services.vault.policies import parse

BUILT_IN = ("default", "root")
# What the policy that every token has may grant, in any version of Vault: the token's own business.
DEFAULT = {
    "auth/token/lookup-self": "read",
    "auth/token/renew-self": "update",
    "auth/token/revoke-self": "update",
    "cubbyhole/*": "create read update delete list",
    "identity/entity/id/{{identity.entity.id}}": "read",
    "identity/entity/name/{{identity.entity.name}}": "read",
    "identity/oidc/provider/+/authorize": "read update",
    "sys/capabilities-self": "update",
    "sys/control-group/request": "update",
    "sys/internal/ui/resultant-acl": "read",
    "sys/leases/lookup": "update",
    "sys/leases/renew": "update",
    "sys/renew": "update",
    "sys/tools/hash": "update",
    "sys/tools/hash/*": "update",
    "sys/wrapping/lookup": "update",
    "sys/wrapping/unwrap": "update",
    "sys/wrapping/wrap": "update",
}


def checks(matrix: Matrix) -> tuple[Check, ...]:
    """Three for each policy, and what belongs to no service."""
    kinds = {"patterns": _patterns, "sudo": _sudo, "text": _text}
    found: list[Check] = []
    for role in roles():
        runs = {f"policy.{{role}}.{kind}": partial(kinds[kind], matrix, role) for kind in kinds}
        found += declared("policies", runs, role=role)
    found += declared(
        "policies",
        {
            "policy.default.reach": _default,
            "policy.foreign": _foreign_policies,
            "role.foreign": _foreign_roles,
        },
    )
    return tuple(found)


def in_force(audit: Audit, name: str) -> str:
    """The text of a policy, once an audit."""
    return shared(
        audit,
        f"policy.{name}",
        lambda: str(ask_as_admin(audit, "get", f"sys/policies/acl/{name}")["policy"]),
    )


def _patterns(matrix: Matrix, role: str, audit: Audit) -> Finding:
    rules = parse(in_force(audit, f"{role}-policy"))
    stray = [str(r) for r in rules if r.pattern and r.path not in matrix.roles[role].patterns]
    known = [r for r in rules if r.pattern and r.path in matrix.roles[role].patterns]
    summary = f"{len(rules)} rules, {len(known)} declared patterns"
    return judged(not stray, f"not declared: {'; '.join(stray)}" if stray else summary)


def _sudo(matrix: Matrix, role: str, audit: Audit) -> Finding:
    mighty = {"sudo", "root"}
    rules = [r for r in parse(in_force(audit, f"{role}-policy")) if r.capabilities & mighty]
    stray = [str(r) for r in rules if r.path not in matrix.roles[role].sudo]
    summary = ", ".join(r.path for r in rules) or "none"
    return judged(not stray, f"not declared: {'; '.join(stray)}" if stray else f"sudo: {summary}")


def _text(matrix: Matrix, role: str, audit: Audit) -> Finding:  # noqa: ARG001
    real = in_force(audit, f"{role}-policy").strip().splitlines()
    file = policy_text(None if role == ADMIN else service(role)).strip().splitlines()
    if real == file:
        return judged(True, f"{len(file)} lines, as in {role}.hcl")
    pairs = itertools.zip_longest(real, file, fillvalue="(the end)")
    at, (have, want) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return judged(False, f"line {at} in force: {have.strip()!r}; in {role}.hcl: {want.strip()!r}")


def _default(audit: Audit) -> Finding:
    rules = parse(in_force(audit, "default"))
    stray = [str(r) for r in rules if not r.capabilities <= set(DEFAULT.get(r.path, "").split())]
    return judged(not stray, f"beyond the token: {'; '.join(stray) or 'nothing'}")


def _foreign_policies(audit: Audit) -> Finding:
    listed = ask_as_admin(audit, "list", "sys/policies/acl")["keys"]
    return exactly(listed, {*BUILT_IN, *(f"{role}-policy" for role in roles())})


def _foreign_roles(audit: Audit) -> Finding:
    listed = ask_as_admin(audit, "list", "auth/approle/role")["keys"]
    return exactly(listed, {f"{role}-role" for role in roles()})
