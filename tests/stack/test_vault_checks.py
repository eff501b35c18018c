"""Vault's checks on a real Vault: what they see of a sound stack, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from devstack_tui.contracts.audit import Check, Finding, MatrixCell
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.security.audit import StackAudit
from devstack_tui.services.vault.audit.matrix import CORE_CELLS
from devstack_tui.services.vault.checks import CHECKS
from devstack_tui.services.vault.matrix import load, owners, roles, secrets
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import approle_token, vault


@dataclass(frozen=True)
class Seen:
    """One audit by Vault's checks: the findings by id, the matrix, and what was made for it."""

    checks: dict[str, Check]
    findings: dict[str, Finding]
    matrix: tuple[MatrixCell, ...]
    secrets: frozenset[str]
    notes: list[str]


@pytest.fixture(scope="module")
def stack(live: Cli) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        live.enter(patch)
        yield Stack(live.stack)


@pytest.fixture(scope="module")
def before(live: Cli) -> dict[str, int]:
    return living(live)


@pytest.fixture(scope="module")
def seen(stack: Stack, before: dict[str, int]) -> Seen:  # noqa: ARG001
    with StackAudit(stack) as audit:
        checks = CHECKS.checks(audit)
        with ThreadPoolExecutor(8) as threads:
            findings = list(threads.map(lambda check: check.run(audit), checks))
        matrix = CHECKS.matrix(audit)
        made = audit.issued_secrets()
        notes = audit.close()
    found = {check.id: check for check in checks}
    return Seen(found, dict(zip(found, findings, strict=True)), matrix, made, notes)


def living(live: Cli) -> dict[str, int]:
    """How many secret_ids of each role are alive."""
    client: Any = vault(live, approle_token(live, "admin"))
    try:
        found = {}
        for role in roles():
            listed = client.list(f"auth/approle/role/{role}-role/secret-id")
            found[role] = len(listed["data"]["keys"]) if listed else 0
        return found
    finally:
        client.auth.token.revoke_self()


def test_every_check_of_a_sound_stack_passes(seen: Seen) -> None:
    wrong = {id: f.status for id, f in seen.findings.items() if f.status is not Status.PASS}
    # The one unseal key is as declared.
    assert wrong.pop("vault.seal") is Status.WARN
    # Forgejo has no program on most machines: it never got a secret_id.
    assert set(wrong.values()) <= {Status.SKIPPED}, [
        id for id in wrong if wrong[id] is not Status.SKIPPED
    ]
    assert wrong.keys() <= {
        "approle.file.forgejo.secret_id",
        "approle.file.forgejo.accessor",
        "vault.secret_id.forgejo.works",
    }


def test_the_ids_are_one_for_each_check_and_the_core_checks_are_all_there(seen: Seen) -> None:
    assert len(seen.checks) == len(seen.findings)
    numbers = {check.core for check in seen.checks.values()} - {""}
    assert numbers == {f"AppRole {number}" for number in range(1, 22)}
    assert {f"approle.{number:02}" for number in range(1, 22)} <= seen.checks.keys()


def test_every_cell_is_one_check(seen: Seen) -> None:
    ids = {
        f"approle.matrix.{role}.{secret}.{operation}"
        for role in roles()
        for secret in secrets()
        for operation in ("read", "write", "list", "delete")
        if (role, secret, operation) not in CORE_CELLS
    }
    assert len(ids) == 9 * len(secrets()) * 4 - len(CORE_CELLS)
    assert ids <= seen.checks.keys()
    assert {f"approle.pki.{role}.{owner}" for role in roles() for owner in owners()} <= (
        seen.checks.keys()
    )


def test_the_matrix_is_declared_and_real_for_every_cell(seen: Seen) -> None:
    assert len(seen.matrix) == 9 * len(secrets()) * 4 + 9 * 8
    assert all(cell.real is cell.declared for cell in seen.matrix)
    allowed = {(c.role, c.path) for c in seen.matrix if c.real and c.operation == "read"}
    assert allowed == {
        (role, f"secret/{secret}")
        for role in roles()
        for secret in secrets()
        if load().may(role, secret, "read")
    }


def test_no_evidence_holds_a_token_a_secret_id_or_a_password(seen: Seen, stack: Stack) -> None:
    with StackAudit(stack) as audit:
        known = seen.secrets | audit.known_secrets()
    told = "\n".join(finding.evidence for finding in seen.findings.values())
    assert not [secret for secret in known if secret in told]


def test_an_audit_leaves_no_secret_id_and_writes_no_secret(
    live: Cli, seen: Seen, before: dict[str, int]
) -> None:
    assert seen.notes == []
    assert living(live) == before
    client: Any = vault(live, approle_token(live, "postgres"))
    try:
        found = client.secrets.kv.v2.read_secret_version("postgres", raise_on_deleted_version=True)
    finally:
        client.auth.token.revoke_self()
    assert found["data"]["metadata"]["version"] == 1
    assert not found["data"]["metadata"]["destroyed"]


def test_a_cell_that_is_declared_otherwise_fails_both_ways(live: Cli, stack: Stack) -> None:
    own = live.state / "config" / "devstack-tui" / "vault" / "matrix.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text('[roles.mysql]\nsecrets.mysql = ["list"]\n')
    try:
        with StackAudit(stack) as audit:
            checks = {check.id: check for check in CHECKS.checks(audit)}
            too_much = checks["approle.15"].run(audit)
            too_little = checks["approle.matrix.mysql.mysql.list"].run(audit)
    finally:
        own.unlink()
    assert (too_much.status, too_little.status) == (Status.FAIL, Status.FAIL)
    assert "200" in too_much.evidence
    assert "declared denied" in too_much.evidence
    assert "403" in too_little.evidence
    assert "declared allowed" in too_little.evidence


def test_a_denial_without_a_control_is_inconclusive(live: Cli, stack: Stack) -> None:
    own = live.state / "config" / "devstack-tui" / "vault" / "matrix.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("[roles.mysql]\n")
    try:
        with StackAudit(stack) as audit:
            checks = {check.id: check for check in CHECKS.checks(audit)}
            found = checks["approle.18"].run(audit)
    finally:
        own.unlink()
    assert found.status is Status.INCONCLUSIVE
    assert "nobody may read it" in found.evidence


def test_a_token_that_has_ended_proves_no_denial(stack: Stack) -> None:
    with StackAudit(stack) as audit:
        audit.login("redis").call("post", "auth/token/revoke-self")
        checks = {check.id: check for check in CHECKS.checks(audit)}
        with pytest.raises(UnreachableError, match="its denials prove nothing"):
            checks["approle.matrix.redis.mysql.read"].run(audit)


def test_a_right_that_the_admin_does_not_have_is_told_with_its_remedy(stack: Stack) -> None:
    from devstack_tui.services.vault.audit.kit import ask_as_admin

    with StackAudit(stack) as audit, pytest.raises(DevstackError) as caught:
        ask_as_admin(audit, "get", "sys/host-info")
    assert "sys/host-info" in caught.value.message
    assert "devstack-tui up" in caught.value.remedy
