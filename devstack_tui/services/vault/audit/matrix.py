"""The access matrix, tried: every AppRole on every secret, certificate role and privilege.

Every attempt is a real request that changes nothing even where it is wrongly allowed: a write asks
for a version that cannot be there, a delete names a version that was never written, and the rest
have a body that Vault refuses once the policy has let it through: 400 means allowed, 403 denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from devstack_tui.contracts.audit import Audit, Check, Finding, MatrixCell, Severity
from devstack_tui.core.errors import UnreachableError
from devstack_tui.services.vault.audit.kit import Answer, ask, check, failed, passed, shared, unsure
from devstack_tui.services.vault.matrix import Matrix, Operation, owners, roles, secrets

OPERATIONS: tuple[str, ...] = get_args(Operation)
NEVER = 2**31 - 1
"""A version of a secret that nobody has written."""
PRIVILEGES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "accessors": ("list all tokens", "list", "auth/token/accessors", {}),
    "methods": ("enable an auth method", "post", "sys/auth/devstack-tui-audit", {"type": ""}),
    "mint": (
        "mint secret_ids",
        "post",
        "auth/approle/role/postgres-role/secret-id",
        {"ttl": "never"},
    ),
    "mounts": ("mount an engine", "post", "sys/mounts/devstack-tui-audit", {"type": ""}),
    "names": ("list the names of all secrets", "list", "secret/metadata", {}),
    "policies": ("write policies", "put", "sys/policies/acl/devstack-tui-audit", {"policy": ""}),
    "roles": (
        "write AppRoles",
        "post",
        "auth/approle/role/devstack-tui-audit",
        {"token_type": "never"},
    ),
    "sign": ("sign any certificate", "post", "pki_int/sign-verbatim", {"csr": ""}),
    "tokens": ("create tokens", "post", "auth/token/create", {"ttl": "never"}),
}
# What else would let a role do it, asked of Vault as further evidence.
_FURTHER: dict[str, tuple[tuple[str, frozenset[str]], ...]] = {
    "read": (("secret/data/{}", frozenset({"read"})),),
    "write": (("secret/data/{}", frozenset({"create", "update", "patch"})),),
    "list": (("secret/metadata/{}", frozenset({"list"})),),
    "delete": (
        ("secret/data/{}", frozenset({"delete"})),
        ("secret/metadata/{}", frozenset({"delete"})),
        ("secret/destroy/{}", frozenset({"create", "update"})),
    ),
}
# Where a core check asserts a cell, there is no second one.
CORE_CELLS = {
    ("postgres", "postgres", "read"): 14,
    ("mysql", "mysql", "read"): 15,
    ("redis", "redis", "read"): 16,
    ("postgres", "mysql", "read"): 17,
    ("mysql", "postgres", "read"): 18,
}


@dataclass(frozen=True, slots=True)
class Row:
    """What one role was answered; `capabilities` by path, as Vault reports them."""

    cells: Mapping[tuple[str, str], Answer]
    issue: Mapping[str, Answer]
    privileges: Mapping[str, Answer]
    capabilities: Mapping[str, frozenset[str]]

    def further(self, secret: str, operation: str) -> dict[str, frozenset[str]]:
        """The capabilities on the secret that amount to the operation, by path."""
        found: dict[str, frozenset[str]] = {}
        for pattern, wanted in _FURTHER[operation]:
            path = pattern.format(secret)
            has = self.capabilities.get(path, frozenset())
            found[path] = has & wanted if "root" not in has else frozenset({"root"})
        return found

    def real(self, secret: str, operation: str) -> bool:
        """Whether Vault lets the role do it, by any way that we know."""
        return not self.cells[secret, operation].denied or any(
            self.further(secret, operation).values()
        )


def row(audit: Audit, role: str) -> Row:
    """All attempts of one role, once an audit. Raises `UnreachableError` if its token is not alive
    before and after them: nothing that it was denied would count."""
    return shared(audit, f"row.{role}", lambda: _row(audit, role))


def _row(audit: Audit, role: str) -> Row:
    client = audit.login(role)
    alive = [ask(client, "get", "auth/token/lookup-self").ok]
    cells: dict[tuple[str, str], Answer] = {}
    for secret in secrets():
        data = f"secret/data/{secret}"
        write: dict[str, Any] = {"data": {}, "options": {"cas": NEVER}}
        cells[secret, "read"] = _blank(ask(client, "get", data))
        cells[secret, "write"] = ask(client, "post", data, **write)
        cells[secret, "list"] = ask(client, "list", f"secret/metadata/{secret}")
        cells[secret, "delete"] = ask(client, "post", f"secret/delete/{secret}", versions=[NEVER])
    issue = {
        owner: ask(
            client,
            "post",
            f"pki_int/issue/{owner}-role",
            common_name="devstack-tui.invalid",
            ttl="never",
        )
        for owner in owners()
    }
    privileges = {
        name: _blank(ask(client, method, path, **body))
        for name, (_, method, path, body) in PRIVILEGES.items()
    }
    paths = [
        pattern.format(secret)
        for secret in secrets()
        for pattern in ("secret/data/{}", "secret/metadata/{}", "secret/destroy/{}")
    ]
    summary = ask(client, "post", "sys/capabilities-self", paths=paths).document
    alive.append(ask(client, "get", "auth/token/lookup-self").ok)
    if not all(alive):
        raise UnreachableError(f"the token of {role}-role is refused: its denials prove nothing")
    has = summary.get("data") or {}
    return Row(
        cells,
        issue,
        privileges,
        {path: frozenset(has.get(path) or []) - {"deny"} for path in paths},
    )


def _blank(answer: Answer) -> Answer:
    """The answer without what was read."""
    return Answer(answer.status, {}, answer.why)


def checks(matrix: Matrix) -> tuple[Check, ...]:
    """Every cell; that of a core check has its id."""
    found = [
        _cell_check(matrix, role, secret, operation)
        for role in roles()
        for secret in secrets()
        for operation in OPERATIONS
    ]
    found += [_issue_check(matrix, role, owner) for role in roles() for owner in owners()]
    found += [_privilege_check(matrix, role, name) for role in roles() for name in PRIVILEGES]
    return tuple(found)


def cells(audit: Audit, matrix: Matrix) -> tuple[MatrixCell, ...]:
    """Declared against real, for who shows the matrix."""
    found = []
    for role in roles():
        seen = row(audit, role)
        found += [
            MatrixCell(
                role,
                f"secret/{secret}",
                operation,
                matrix.may(role, secret, operation),
                seen.real(secret, operation),
            )
            for secret in secrets()
            for operation in OPERATIONS
        ]
        found += [
            MatrixCell(
                role,
                f"pki_int/issue/{owner}-role",
                "issue",
                matrix.may_issue(role, owner),
                not seen.issue[owner].denied,
            )
            for owner in owners()
        ]
    return tuple(found)


def _cell_check(matrix: Matrix, role: str, secret: str, operation: str) -> Check:
    declared = matrix.may(role, secret, operation)
    number = CORE_CELLS.get((role, secret, operation), 0)
    word = "may" if declared else "may not"
    return check(
        f"{number:02}" if number else f"matrix.{role}.{secret}.{operation}",
        f"{role} {word} {operation} the secret of {secret}",
        partial(_judge_cell, matrix, role, secret, operation),
        severity=Severity.HIGH if operation in ("read", "list") else Severity.CRITICAL,
        stake=_stake(role, f"secret/{secret}", declared),
        remedy=_remedy(role),
        sabotage=f"vault.denied.{role}.{secret}"
        if declared
        else f"vault.grant.{role}.{secret}.{operation}",
        group="matrix",
        kind="matrix.allowed" if declared else f"matrix.{operation}",
        core=number,
    )


def _judge_cell(matrix: Matrix, role: str, secret: str, operation: str, audit: Audit) -> Finding:
    seen = row(audit, role)
    answer, further = seen.cells[secret, operation], seen.further(secret, operation)
    has = {path: names for path, names in further.items() if names}
    evidence = f"{role}: {operation} secret/{secret} → {answer}"
    if has:
        listed = "; ".join(f"{', '.join(sorted(n))} on {path}" for path, n in has.items())
        evidence += f"; Vault reports the capabilities {listed}"
    if matrix.may(role, secret, operation):
        return (failed if answer.denied else passed)(f"{evidence}; declared allowed")
    if seen.real(secret, operation):
        return failed(f"{evidence}; declared denied")
    return _beside(matrix, secret, f"{evidence}; declared denied", audit)


def _beside(matrix: Matrix, secret: str, evidence: str, audit: Audit) -> Finding:
    """A denial counts only where somebody who may is let through to the same secret."""
    tried = []
    for reader in matrix.readers(secret):
        answer = row(audit, reader).cells[secret, "read"]
        tried.append(f"{reader} reads it: {answer.status}")
        if answer.ok:
            return passed(f"{evidence}; {tried[-1]}")
    return unsure(f"{evidence}; no control: {'; '.join(tried) or 'nobody may read it'}")


def _issue_check(matrix: Matrix, role: str, owner: str) -> Check:
    declared = matrix.may_issue(role, owner)
    word = "may" if declared else "may not"
    return check(
        f"pki.{role}.{owner}",
        f"{role} {word} have a certificate of {owner} issued",
        partial(_judge_issue, matrix, role, owner),
        severity=Severity.CRITICAL,
        stake=_stake(role, f"pki_int/issue/{owner}-role", declared),
        remedy=_remedy(role),
        sabotage=f"vault.denied.{role}.certificate"
        if declared
        else f"vault.grant.{role}.{owner}.issue",
        group="certificates",
        kind="pki.allowed" if declared else "pki",
    )


def _judge_issue(matrix: Matrix, role: str, owner: str, audit: Audit) -> Finding:
    answer = row(audit, role).issue[owner]
    evidence = f"{role}: issue by {owner}-role with an impossible TTL → {answer}"
    if matrix.may_issue(role, owner):
        return (failed if answer.denied else passed)(f"{evidence}; declared allowed")
    if not answer.denied:
        return failed(f"{evidence}; declared denied")
    control = row(audit, owner).issue[owner]
    summary = f"{evidence}; declared denied; {owner} itself: {control}"
    return unsure(f"no control: {summary}") if control.denied else passed(summary)


def _privilege_check(matrix: Matrix, role: str, name: str) -> Check:
    declared = name in matrix.roles[role].privileges
    what, word = PRIVILEGES[name][0], "may" if declared else "may not"
    return check(
        f"privilege.{role}.{name}",
        f"{role} {word} {what}",
        partial(_judge_privilege, declared, role, name),
        severity=Severity.CRITICAL,
        stake=_stake(role, PRIVILEGES[name][2], declared),
        remedy=_remedy(role),
        sabotage=f"vault.{'denied' if declared else 'grant'}.{role}.{name}",
        group="privileges",
        kind="privilege.allowed" if declared else "privilege",
    )


def _judge_privilege(declared: bool, role: str, name: str, audit: Audit) -> Finding:
    _, method, path, _ = PRIVILEGES[name]
    answer = row(audit, role).privileges[name]
    word = "allowed" if declared else "denied"
    evidence = f"{role}: {method} {path} → {answer}; declared {word}"
    if answer.denied == declared:
        return failed(evidence)
    return passed(f"{evidence}; the same token looks itself up: 200")


def _stake(role: str, path: str, declared: bool) -> str:
    if declared:
        return f"without it {role} cannot start: it needs {path}"
    return f"whoever gets hold of the AppRole of {role} would reach {path}"


def _remedy(role: str) -> str:
    return (
        f"mend configs/vault/policies/{role}.hcl, or declare it in configs/vault/matrix.toml; a "
        "policy takes effect at the next `devstack-tui up`"
    )
