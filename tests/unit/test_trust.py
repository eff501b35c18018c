"""What the suite `trust` decides of paths, names and uses, where no server is needed for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from devstack_tui.identity import issued
from devstack_tui.security.trust import rules
from devstack_tui.security.trust.certificates import leaf_of, serial_text
from tests.unit.tls_kit import Pki

OWN = ("postgres", "postgres.dev-services.local", "localhost")


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """A CA file below a directory of the stack, below one that everybody may write to."""
    shared = tmp_path / "shared"
    stack = shared / "stack"
    stack.mkdir(parents=True, mode=0o700)
    shared.chmod(0o1777)
    file = stack / "ca.crt"
    file.touch(0o600)
    return file


def test_a_sticky_directory_above_the_stack_is_no_way_in(ca: Path) -> None:
    assert list(rules._above(ca)) == []


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("stack/ca.crt", 0o666),
        ("stack/ca.crt", 0o620),
        ("stack", 0o777),
        ("stack", 0o1777),
        ("", 0o777),
    ],
    ids=["file", "file by the group", "stack", "sticky stack", "above"],
)
def test_who_may_write_the_file_or_a_directory_above_it_is_named(
    ca: Path, name: str, mode: int
) -> None:
    path = ca.parent.parent / name
    path.chmod(mode)
    assert list(rules._above(ca)) == [f"{path} has mode {mode:04o}"]


def test_the_directories_behind_a_link_are_looked_at(ca: Path, tmp_path: Path) -> None:
    link = tmp_path / "state"
    link.symlink_to(ca.parent)
    ca.parent.parent.chmod(0o777)
    found = list(rules._above(link / ca.name))
    assert found == [f"{ca.parent.parent} has mode 0777"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_a_directory_of_another_account_is_named(ca: Path) -> None:
    os.chown(ca.parent, 12345, 12345)
    assert list(rules._above(ca)) == [f"{ca.parent} belongs to uid 12345"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"dns": (*OWN, "*.dev-services.local")}, ["also for *.dev-services.local"]),
        ({"dns": (*OWN, "mysql")}, ["also for mysql"]),
        ({"dns": OWN[1:]}, ["not for postgres"]),
        ({"addresses": ("127.0.0.1", "127.0.0.2")}, ["also for 127.0.0.2"]),
    ],
    ids=["declared", "wildcard", "another's", "one less", "another address"],
)
def test_a_leaf_is_for_its_own_names_alone(
    tmp_path: Path, changes: dict[str, object], wrong: list[str]
) -> None:
    leaf = Pki(tmp_path).leaf(**{"dns": OWN, **changes})
    found = rules._unlike(leaf_of(leaf.der, "here"), "postgres")
    assert found == [*wrong, "its common name is leaf"]


@pytest.mark.parametrize(
    ("usage", "wrong"),
    [
        (ExtendedKeyUsageOID.SERVER_AUTH, []),
        (ExtendedKeyUsageOID.CLIENT_AUTH, ["also for clientAuth", "not for serverAuth"]),
        (None, ["not for serverAuth"]),
    ],
    ids=["server", "client", "any"],
)
def test_a_leaf_is_for_its_declared_use_alone(
    tmp_path: Path, usage: object, wrong: list[str]
) -> None:
    leaf = leaf_of(Pki(tmp_path).leaf(dns=OWN, usage=usage).der, "here")
    assert rules._misused(leaf, "postgres") == wrong


def test_a_ca_in_place_of_a_leaf_is_named(tmp_path: Path) -> None:
    assert "it may sign others" in rules._misused(leaf_of(Pki(tmp_path).middle.der, "x"), "mysql")


def test_what_was_issued_is_remembered_and_damage_is_passed_over(tmp_path: Path) -> None:
    assert issued.read(tmp_path) == {}
    issued.note(tmp_path, "postgres", "0A:0b", 100.4)
    issued.note(tmp_path, "postgres", "0c:0d", 200.0)
    issued.note(tmp_path, "mysql", "0e", 300.0)
    (tmp_path / "issued" / "redis").write_bytes(b"\xff\xfe\nno number x\n")
    assert issued.read(tmp_path) == {"0a:0b": 100.0, "0c:0d": 200.0, "0e": 300.0}
    assert (tmp_path / "issued" / "postgres").stat().st_mode & 0o777 == 0o600


def test_a_serial_is_written_as_vault_writes_it() -> None:
    assert serial_text(0x0A1B2C) == "0a:1b:2c"
    assert serial_text(0) == "00"
