"""A service's own directory is given to its account, and nothing outside of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded import own_directory
from devstack_tui.engines.embedded.accounts import Account

FORMER, NOW = 65533, 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o711)
    return made


def account(uid: int = NOW) -> Account:
    return Account(uid, uid, "one")


def owners(folder: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def test_it_is_made_private_and_given(data: Path) -> None:
    made = own_directory.make(data, "vault", account())
    about = made.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o7777) == (NOW, NOW, 0o700)
    assert not own_directory.hand_over(data, "vault", account())


def test_what_a_former_account_has_left_is_handed_over(data: Path) -> None:
    made = own_directory.make(data, "vault", account(FORMER))
    (made / "raft").mkdir()
    (made / "raft" / "vault.db").touch()
    (made / "link").symlink_to("raft")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(made / "s"))
    for path in made.rglob("*"):
        os.chown(path, FORMER, FORMER, follow_symlinks=False)
    (made / "of-root").touch()
    own_directory.make(data, "vault", account())
    assert own_directory.hand_over(data, "vault", account())
    assert owners(made) == {
        **dict.fromkeys(("vault", "raft", "vault.db", "link", "s"), NOW),
        "of-root": 0,
    }


def test_what_a_server_made_as_root_is_handed_over(data: Path) -> None:
    made = data / "vault"
    made.mkdir()
    (made / "vault.db").touch()
    assert own_directory.hand_over(data, "vault", account())
    (made / "later").touch()
    assert not own_directory.hand_over(data, "vault", account())
    assert own_directory.hand_over(data, "vault", account(), whole=True)
    assert owners(made) == {"vault": NOW, "vault.db": NOW, "later": NOW}


def test_nothing_outside_of_it_is_given_away(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "shadow").touch()
    made = own_directory.make(data, "redis", account(FORMER))
    (made / "redis-6").symlink_to(outside)
    (made / "key").symlink_to(outside / "shadow")
    (made / "hard").hardlink_to(outside / "shadow")
    own_directory.hand_over(data, "redis", account())
    own_directory.hand_over(data, "redis", account(), whole=True)
    assert owners(outside) == {"outside": 0, "shadow": 0}


def test_a_link_in_its_place_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "redis").symlink_to(tmp_path)
    for act in (own_directory.make, own_directory.hand_over):
        with pytest.raises(DevstackError, match="redis is a link"):
            act(data, "redis", account())
    assert tmp_path.stat().st_uid == 0


@pytest.mark.parametrize("mode", [0o777, 0o771])
def test_it_lies_in_a_directory_that_is_ours_alone(data: Path, mode: int) -> None:
    data.chmod(mode)
    with pytest.raises(DevstackError, match="others than we may change"):
        own_directory.make(data, "redis", account())
