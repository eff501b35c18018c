"""`check` on a real stack, whole and broken: exit statuses, files, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.identity.vault_api import VaultApi
from devstack_tui.security.sabotage_run import SabotageRun
from devstack_tui.security.sabotage_stack import SabotagedStack
from tests.conftest import Cli

ALL = ["check", "run", "--json"]


@pytest.fixture
def broken(run: SabotageRun) -> SabotagedStack:
    return run.broken


def accessors(broken: SabotagedStack) -> tuple[set[str], set[str]]:
    """Every token that lives (but the one that asks), and every secret_id of every AppRole."""
    with broken.root() as root:
        tokens = set(root.call("list", "auth/token/accessors")["data"]["keys"])
        tokens.discard(root.call("get", "auth/token/lookup-self")["data"]["accessor"])
        secret_ids: set[str] = set()
        for role in root.call("list", "auth/approle/role")["data"]["keys"]:
            with contextlib.suppress(Exception):
                found = root.call("list", f"auth/approle/role/{role}/secret-id")
                secret_ids |= set(found["data"]["keys"])
    return tokens, secret_ids


def by_suite(document: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in document["checks"]:
        found.setdefault(row["suite"], set()).add(row["status"])
    return found


def test_a_whole_stack_passes_within_the_time_and_leaves_no_token_and_no_secret_id(
    cli: Cli, broken: SabotagedStack, tmp_path: Path
) -> None:
    before = accessors(broken)
    junit, sarif = tmp_path / "c.xml", tmp_path / "c.sarif"
    ended = cli.run(*ALL, "--junit", str(junit), "--sarif", str(sarif))
    report = json.loads(ended.stdout)
    bad = [(r["id"], r["evidence"]) for r in report["checks"] if r["status"] in ("FAIL", "ERROR")]
    assert bad == []
    assert (ended.returncode, report["verdict"]) == (0, "PASS")
    after = accessors(broken)
    assert after[0] - before[0] == set()
    assert after[1] - before[1] == set()
    assert int(ElementTree.parse(junit).getroot().get("tests", "0")) == len(report["checks"])
    assert len(json.loads(sarif.read_text())["runs"][0]["tool"]["driver"]["rules"]) > 600
    listed = {row["id"]: row["status"] for row in cli.json("check", "list")["checks"]}
    assert listed == {row["id"]: row["status"] for row in report["checks"]}


def test_nothing_that_is_secret_is_in_the_report(cli: Cli, run: SabotageRun) -> None:
    assert cli.run("check", "run", "approle").returncode == 0
    told = cli.run("check", "list", "--json").stdout
    files = [*run.stack.paths.secrets.rglob("secret-id"), run.stack.paths.secrets / "root"]
    secrets = [path.read_text().strip() for path in files if path.exists()]
    for name in run.stack.selected():
        password = run.stack.engine().target(service(name)).credentials.password
        secrets += [password] if password else []
    assert len(secrets) > 8
    assert [secret[:3] for secret in secrets if secret in told] == []


def test_an_interrupted_audit_ends_at_once_and_takes_back_what_it_borrowed(
    cli: Cli, broken: SabotagedStack
) -> None:
    before = accessors(broken)
    child = cli.start("check", "run", "--jsonl")
    assert child.stdout is not None
    for line in child.stdout:
        if '"check_done"' in line:
            break
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in stderr
    after = accessors(broken)
    assert (after[0] - before[0], after[1] - before[1]) == (set(), set())


@contextlib.contextmanager
def sealed(broken: SabotagedStack) -> Iterator[None]:
    with broken.root() as root:
        root.call("put", "sys/seal")
        # The token is of a sealed Vault: it cannot be revoked there, and it is after the unsealing.
        root_token, root.token = root.token, ""
    try:
        yield
    finally:
        broken.restart("vault")
        with VaultApi(broken.audit.target("vault"), root_token) as again:
            again.revoke()


def test_with_vault_sealed_what_needs_it_is_an_error_and_the_others_are_decided(
    cli: Cli, broken: SabotagedStack
) -> None:
    with sealed(broken):
        ended = cli.run(*ALL)
    rows = json.loads(ended.stdout)["checks"]
    assert ended.returncode == 1
    own = [r for r in rows if r["suite"] == "approle" and r["group"] == "matrix"]
    assert {r["status"] for r in own} == {"ERROR"}
    assert all("sealed" in r["evidence"] for r in own)
    others = {r["status"] for r in rows if r["suite"] == "tls" and r["service"] == "postgres"}
    assert others <= {"PASS", "WARN"}


def test_a_service_that_is_down_is_an_error_and_the_others_are_decided(
    cli: Cli, broken: SabotagedStack
) -> None:
    assert cli.run("down", "postgres").returncode == 0
    try:
        rows = json.loads(cli.run(*ALL, "--suite", "tls").stdout)["checks"]
    finally:
        assert cli.run("up", "postgres").returncode == 0
        broken.prepare()
    of = {
        name: {r["status"] for r in rows if r["service"] == name} for name in ("postgres", "mysql")
    }
    assert of["postgres"] == {"ERROR"}
    assert of["mysql"] <= {"PASS", "WARN"}


def test_a_server_that_is_held_still_makes_its_checks_errors_within_their_time(
    cli: Cli, run: SabotageRun
) -> None:
    engine = run.stack.engine()
    held = engine.aim(service("mongodb"), ["mongodb"], Fault.FREEZE)
    engine.inject(held)
    try:
        ended = cli.run(*ALL, "mongodb")
    finally:
        engine.undo(held)
    rows = [r for r in json.loads(ended.stdout)["checks"] if r["suite"] == "tls"]
    asked = {r["status"] for r in rows if ".cipher." in r["id"] or r["id"] == "tls.14"}
    assert asked == {"ERROR"}


def test_the_matrix_is_as_declared(cli: Cli) -> None:
    document = cli.json("check", "matrix")
    assert len(document["matrix"]) > 100
    assert [c for c in document["matrix"] if c["real"] is not c["declared"]] == []


def test_a_proof_on_a_stack_of_its_own_leaves_nothing_of_it(cli: Cli, home: Path) -> None:
    stacks = set((home / "devstack-tui").iterdir())
    ended = cli.run("check", "prove", "vault.policy.foreign", "--json", timeout=180)
    document = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert [proof["sabotage"] for proof in document["proofs"]] == ["vault.policy.foreign"]
    assert document["proofs"][0]["turned"]
    assert set((home / "devstack-tui").iterdir()) == stacks


def test_an_interrupted_proof_removes_its_stack_and_its_processes(cli: Cli, home: Path) -> None:
    stacks = set((home / "devstack-tui").iterdir())
    child = cli.start("check", "prove", "vault.policy.foreign", "--jsonl")
    assert child.stdout is not None
    for line in child.stdout:
        if "vault ready" in line:
            break
    made = set((home / "devstack-tui").iterdir()) - stacks
    assert len(made) == 1
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert set((home / "devstack-tui").iterdir()) == stacks
    folder = str(made.pop())
    left = [pid for pid in process.pids() if process.environment(pid).get("HOME", "") == folder]
    assert left == []
