"""A server's account puts links among its own files: root changes nothing outside, and says so."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a normal user's servers are the user's")


@pytest.fixture
def outside(state_home: Path) -> Iterator[Path]:
    """A directory of root's, with a file that others must not get."""
    folder = state_home / "outside"
    folder.mkdir(mode=0o700)
    (folder / "shadow").write_text("of root\n")
    (folder / "shadow").chmod(0o640)
    before = facts(folder)
    yield folder
    assert facts(folder) == before
    (folder / "shadow").unlink()
    folder.rmdir()


def facts(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Owner, group, mode and contents of all that lies there."""
    found = {}
    for path in (folder, *folder.iterdir()):
        about = path.lstat()
        text = path.read_text() if path.is_file() else ""
        found[path.name] = (about.st_uid, about.st_gid, about.st_mode, text)
    return found


def as_redis(folder: Path, script: str) -> None:
    who = pwd.getpwnam("redis")
    subprocess.run(
        ["/bin/sh", "-euc", script],
        cwd=folder,
        user=who.pw_uid,
        group=who.pw_gid,
        extra_groups=[],
        check=True,
    )


def test_nothing_outside_of_its_directory_is_changed(fresh: Cli, outside: Path) -> None:
    assert fresh.run("up", "redis").returncode == 0
    home = fresh.root / "data" / "redis"

    # A directory that we make and give away.
    as_redis(home, f"mv tls tls.was; ln -s {outside} tls")
    ended = fresh.run("restart", "redis")
    assert (ended.returncode, "redis/tls" in ended.stderr) == (1, True), ended.stderr
    assert "move it away" in ended.stderr
    as_redis(home, "rm tls; mv tls.was tls")

    # A file that we write, read, and whose mode we set.
    as_redis(home, f"rm tls/server.key; ln -s {outside}/shadow tls/server.key")
    assert "of root" not in fresh.run("certs", "rotate", "redis").stderr
    assert fresh.run("up", "redis").returncode == 0
    as_redis(home, "rm -f tls/server.key")
    # By root: the kernel lets an account link only what it may write, where that is switched on.
    os.link(outside / "shadow", home / "tls" / "server.key")
    ended = fresh.run("restart", "redis")
    assert ended.returncode == 0, ended.stderr
    assert (home / "tls" / "server.key").stat().st_nlink == 1

    # The directory of a node, while none runs.
    assert fresh.run("down", "redis").returncode == 0
    as_redis(home, f"mv redis-6 was; ln -s {outside} redis-6")
    ended = fresh.run("up", "redis")
    assert (ended.returncode, "redis/redis-6" in ended.stderr) == (1, True), ended.stderr
    as_redis(home, "rm redis-6; mv was redis-6")
    ended = fresh.run("up", "redis")
    assert ended.returncode == 0, ended.stderr

    as_redis(home, f"ln -s {outside} redis-1/out; ln -s {outside}/shadow shadow")
    ended = fresh.run("check", "run", "files.redis")
    assert (ended.returncode, "redis/shadow is a link to" in ended.stdout) == (1, True)
    assert fresh.run("down", "--wipe", "--yes").returncode == 0
    assert not home.exists()
