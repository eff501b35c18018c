"""The directories of a stack, and whether a server could live there."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.paths import StackPaths, state_home
from devstack_tui.state import directories

ROOT = os.geteuid() == 0
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def paths(room: Path) -> StackPaths:
    """A stack in a state home that everybody may enter."""
    (room / "state").mkdir()
    (room / "state").chmod(0o755)
    return StackPaths.of("work")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_secrets_logs_and_records_are_closed_to_everybody_else(paths: StackPaths) -> None:
    before = os.umask(0)
    try:
        directories.make(paths)
    finally:
        os.umask(before)
    assert {mode(folder) for folder in (paths.secrets, paths.logs, paths.run)} == {0o700}


def test_the_way_to_the_data_is_open_to_the_servers_accounts_only_for_root(
    paths: StackPaths,
) -> None:
    directories.make(paths)
    expected = 0o711 if ROOT else 0o700
    assert {mode(folder) for folder in (state_home(), paths.root, paths.data)} == {expected}


def test_directories_that_are_there_are_made_private_again(paths: StackPaths) -> None:
    directories.make(paths)
    (paths.secrets / "keys").write_text("x")
    paths.secrets.chmod(0o755)
    directories.make(paths)
    assert mode(paths.secrets) == 0o700
    assert (paths.secrets / "keys").read_text() == "x"


def test_a_file_in_the_way_is_one_sentence(paths: StackPaths) -> None:
    state_home().mkdir(parents=True)
    paths.root.write_text("")
    with pytest.raises(DevstackError) as caught:
        directories.make(paths)
    assert str(paths.root) in caught.value.message
    assert "making the stack's directories" in caught.value.message


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_state_directory_that_cannot_be_written_names_the_variable(
    paths: StackPaths, room: Path
) -> None:
    (room / "state").chmod(0o500)
    with pytest.raises(DevstackError) as caught:
        directories.make(paths)
    assert "permission denied" in caught.value.message
    assert "XDG_STATE_HOME" in caught.value.remedy


def test_a_roomy_place_that_servers_can_reach_is_good(paths: StackPaths) -> None:
    directories.make(paths)
    directories.check(paths)


def test_a_state_home_that_is_not_there_yet_is_made_so_that_servers_can_reach_it(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(room / "not" / "there" / "yet"))
    paths = StackPaths.of("work")
    directories.make(paths)
    directories.check(paths)


def test_a_full_disk_says_how_much_is_needed(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake measure: a test must not fill the disk."""
    directories.make(paths)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 0, 511 * 2**20))
    with pytest.raises(DevstackError) as caught:
        directories.check(paths)
    assert f"only 511 MiB are free at {paths.root}" in caught.value.message
    assert "512 MiB" in caught.value.message
    assert "XDG_STATE_HOME" in caught.value.remedy


def test_just_enough_space_is_enough(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake measure: a test must not fill the disk."""
    directories.make(paths)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**10, 0, 512 * 2**20))
    directories.check(paths)


@pytest.mark.skipif(not ROOT, reason="only root's servers run as other accounts")
def test_a_directory_closed_to_the_servers_accounts_is_named(paths: StackPaths, room: Path) -> None:
    directories.make(paths)
    room.chmod(0o700)
    with pytest.raises(DevstackError) as caught:
        directories.check(paths)
    assert caught.value.message.startswith(f"{room} is closed to other users")
    assert "XDG_STATE_HOME" in caught.value.remedy


@pytest.mark.skipif(ROOT, reason="root's servers run as other accounts")
def test_a_users_own_closed_directory_is_good(paths: StackPaths, room: Path) -> None:
    directories.make(paths)
    room.chmod(0o700)
    directories.check(paths)
