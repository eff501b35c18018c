"""Vault's checks and sabotages as a list: nothing is asked of a server."""

from __future__ import annotations

import fnmatch
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devstack_tui.contracts.audit import Audit, Check
from devstack_tui.contracts.service_files import ServicePath
from devstack_tui.core.check import Status
from devstack_tui.core.errors import ConfigError
from devstack_tui.core.redact import redact
from devstack_tui.core.rooted_files import RootedFiles
from devstack_tui.identity.vault_api import approle_files
from devstack_tui.services.vault.audit import files
from devstack_tui.services.vault.checks import CHECKS
from devstack_tui.services.vault.matrix import secrets


@dataclass
class Here:
    """Of an audit, what the checks of files use."""

    secrets: Path

    def services(self) -> tuple[str, ...]:
        return ("vault", "postgres")

    def own_file(self, path: Path) -> ServicePath:
        return ServicePath(RootedFiles(self.secrets), str(path.relative_to(self.secrets)))


def catalogue() -> tuple[Check, ...]:
    vault = SimpleNamespace(clients="192.0.2.7/32")
    return CHECKS.checks(cast("Audit", SimpleNamespace(target=lambda name: vault)))


def test_no_id_is_given_twice() -> None:
    assert not [id for id, times in Counter(c.id for c in catalogue()).items() if times > 1]
    assert not [id for id, times in Counter(s.id for s in CHECKS.sabotages()).items() if times > 1]


def test_the_remedy_binds_a_role_to_the_addresses_of_this_stack() -> None:
    remedies = {check.id: check.remedy for check in catalogue()}
    assert "token_bound_cidrs=192.0.2.7/32" in remedies["approle.role.postgres.token_cidrs"]


def test_every_core_check_is_there_once_and_first() -> None:
    numbers = [check.core for check in catalogue()[:21]]
    assert numbers == [f"AppRole {number}" for number in range(1, 22)]
    assert not [check.id for check in catalogue()[21:] if check.core]


def test_the_matrix_has_every_cell() -> None:
    groups = Counter(check.group for check in catalogue())
    assert groups["matrix"] == 9 * len(secrets()) * 4
    assert groups["certificates"] == 9 * 8


def test_every_sabotage_is_named_by_a_check() -> None:
    named = {check.sabotage for check in catalogue()}
    assert {sabotage.id for sabotage in CHECKS.sabotages()} <= named


def test_what_a_sabotage_expects_exists() -> None:
    checks = {check.id: check for check in catalogue()}
    for sabotage in CHECKS.sabotages():
        for id in sabotage.expects:
            if id.startswith(("tls.", "files.", "network.")):  # of what every service has
                continue
            found = fnmatch.filter(checks, id)
            assert found, sabotage.id


def test_every_check_says_what_is_at_stake_and_what_to_do() -> None:
    assert not [check.id for check in catalogue() if not (check.stake and check.remedy)]


def test_a_bad_matrix_is_told_before_any_check_runs(room: Path) -> None:
    own = room / "config" / "devstack-tui" / "vault" / "matrix.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[roles.nobody]\n")
    with pytest.raises(ConfigError, match="unknown role 'nobody'"):
        catalogue()


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (0o600, Status.PASS),
        (0o400, Status.PASS),
        (0o640, Status.FAIL),
        (0o604, Status.FAIL),
        (0o700, Status.FAIL),
    ],
)
def test_a_secret_id_is_for_its_owner_alone(room: Path, mode: int, status: Status) -> None:
    path = approle_files(room, "postgres")[1]
    path.parent.mkdir(parents=True)
    path.write_text("canary")
    path.chmod(mode)
    found = file_check(room, "postgres.secret_id")
    assert found[0] is status
    assert f"{mode:04o}" in found[1]
    assert "canary" not in found[1]


def test_the_file_of_a_service_that_never_ran_is_skipped_and_any_other_missed(room: Path) -> None:
    assert file_check(room, "mysql.secret_id")[0] is Status.SKIPPED
    assert file_check(room, "postgres.secret_id")[0] is Status.ERROR
    assert file_check(room, "keys")[0] is Status.ERROR


def test_what_is_said_of_a_secret_id_is_not_taken_for_one(room: Path) -> None:
    missing = [file_check(room, f"{role}.secret_id")[1] for role in ("mysql", "postgres")]
    assert missing[0].endswith("since mysql was never started")
    path = approle_files(room, "postgres")[1]
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    said = [*missing, file_check(room, "postgres.secret_id")[1]]
    assert [redact(text) for text in said] == said


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ('{"unseal_key":"k","root_token":"","made_by":"x"}', Status.PASS),
        ('{"unseal_key":"k","root_token":"s.canary","made_by":"x"}', Status.FAIL),
    ],
)
def test_a_kept_root_token_is_seen_and_not_told(room: Path, keys: str, status: Status) -> None:
    (room / "vault-keys.json").write_text(keys)
    found = file_check(room, "root_token")
    assert found[0] is status
    assert "canary" not in found[1]


def file_check(secrets: Path, name: str) -> tuple[Status, str]:
    """What the check of that file finds."""
    checks = {check.id: check for check in files.checks()}
    finding = checks[f"approle.file.{name}"].run(cast("Audit", Here(secrets)))
    return finding.status, finding.evidence
