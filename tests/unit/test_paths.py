"""Where things live."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack_tui.cli.main import main
from devstack_tui.core import paths
from devstack_tui.core.errors import UsageError
from devstack_tui.core.paths import StackPaths


def test_a_stack_lives_below_the_state_home_under_its_name(room: Path) -> None:
    found = StackPaths.of("work")
    assert found.root == room / "state" / "devstack-tui" / "work"
    assert {found.lock, found.secrets, found.data, found.logs, found.run} == {
        found.root / name for name in ("lock", "secrets", "data", "logs", "run")
    }


@pytest.mark.parametrize("name", ["default", "a", "0", "my-stack_2", "x" * 31])
def test_a_plain_name_is_a_stack_name(name: str) -> None:
    assert StackPaths.of(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc", "-x", "_x", "x" * 32, "Work", "a b", "a\n", "é", "a\0"],
)
def test_a_name_that_is_no_safe_directory_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no stack name") as caught:
        StackPaths.of(name)
    assert "a-z" in caught.value.remedy


def test_only_directories_with_an_identity_are_stacks(room: Path) -> None:
    assert paths.stack_names() == []
    for name in ("work", "default", "empty"):
        (paths.state_home() / name).mkdir(parents=True)
    for name in ("work", "default"):
        (paths.state_home() / name / "instance.json").write_text("{}")
    (paths.state_home() / "crash.log").write_text("")
    assert paths.stack_names() == ["default", "work"]
    assert room in paths.state_home().parents


@pytest.mark.parametrize("given", ["", "relative/dir"])
def test_a_relative_state_home_is_ignored(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", given)
    assert paths.state_home().is_absolute()
    assert "relative" not in str(paths.state_home())


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(0, "/var/lib/devstack-tui"), (1000, "/home/somebody/.local/state/devstack-tui")],
)
def test_without_the_variable_root_has_another_state_home_than_a_user(
    uid: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake user id: a test cannot be both."""
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert str(paths.state_home()) == expected


def test_a_relative_config_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(paths.config_home()) == "/home/somebody/.config/devstack-tui"


def test_a_shipped_file_is_found_without_a_copy_of_the_user() -> None:
    found = paths.resource("configs/stack.toml")
    assert found == paths.shipped("configs/stack.toml")
    assert found.is_file()


def test_an_installed_file_is_preferred_to_one_beside_the_package(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = room / "site-packages" / "devstack_tui"
    packed = package / "_files" / "configs" / "stack.toml"
    packed.parent.mkdir(parents=True)
    beside = package.parent / "configs" / "stack.toml"
    beside.parent.mkdir(parents=True)
    beside.write_text("")
    monkeypatch.setattr(paths, "_PACKAGE", package)
    assert paths.shipped("configs/stack.toml") == beside
    packed.write_text("")
    assert paths.shipped("configs/stack.toml") == packed


def test_the_users_copy_wins(room: Path) -> None:
    own = room / "config" / "devstack-tui" / "vault" / "policies" / "redis.hcl"
    own.parent.mkdir(parents=True)
    own.write_text("# mine")
    assert paths.resource("configs/vault/policies/redis.hcl") == own
    assert paths.resource("configs/vault/policies/mysql.hcl") == paths.shipped(
        "configs/vault/policies/mysql.hcl"
    )


def test_a_folder_is_listed_with_the_users_files_in_place_of_ours(room: Path) -> None:
    own = room / "config" / "devstack-tui" / "vault" / "policies"
    own.mkdir(parents=True)
    (own / "redis.hcl").write_text("# mine")
    (own / "extra.hcl").write_text("# mine")
    (own / "notes.txt").write_text("no policy")
    found = {path.name: path for path in paths.resources("configs/vault/policies", ".hcl")}
    assert found["redis.hcl"] == own / "redis.hcl"
    assert found["extra.hcl"] == own / "extra.hcl"
    assert found["mysql.hcl"] == paths.shipped("configs/vault/policies/mysql.hcl")
    assert "notes.txt" not in found
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    "odd", ["it's", 'a"b', "a\\b", "a`b", "a*", "a?", "a[b", "a\nb", "a\x1b[2Jb"]
)
def test_a_path_that_not_every_server_can_work_with_is_refused_before_anything_is_made(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / odd))
    assert main(["up"]) == 2
    err = capsys.readouterr().err
    assert "not every server can work with" in err
    assert "set XDG_STATE_HOME to another directory" in err
    assert "\x1b" not in err
    assert not (tmp_path / odd).exists()


def test_a_path_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("x" * 250) / ("y" * 100)))
    assert main(["up"]) == 2
    assert "servers take at most 300" in capsys.readouterr().err


def test_a_stack_whose_identity_is_gone_is_still_one_that_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    root = StackPaths.of("lost").data
    root.mkdir(parents=True)
    assert "lost" not in paths.stack_names()
    (root / "redis").mkdir()
    assert paths.stack_names() == ["lost"]
