"""The stack of a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import HOMES, ROOT, end_all_in, homes_prefix
from tests.stack.conftest import write_ports

# Another stack than the default one takes free ports: the user's own may be running.
STACK = "nobody"
SERVICES = ("postgres", "mysql", "mongodb", "redis", "rabbitmq")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home directory of the user nobody."""
    folder = Path(tempfile.mkdtemp(prefix=homes_prefix(), dir=HOMES))
    who = pwd.getpwnam("nobody")
    write_ports(folder / ".config" / "devstack-tui")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, who.pw_uid, who.pw_gid)
    yield folder
    end_all_in(folder)
    shutil.rmtree(folder)


def test_the_servers_run_as_that_user(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test of this run is by a normal user already")
    who = pwd.getpwnam("nobody")
    path = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    # This interpreter may live in root's own directories: the system's is open to all.
    python = next(
        (
            candidate
            for candidate in (sys.executable, "/usr/bin/python3")
            if _works(who, home, path, candidate)
        ),
        None,
    )
    if python is None:
        pytest.skip("no Python of this machine can load our packages as another user")
    try:
        ended = _as(
            who, home, path, python, "-m", "devstack_tui", "--stack", STACK, "up", *SERVICES
        )
        assert ended.returncode == 0, ended.stderr
        status = _as(who, home, path, python, "-m", "devstack_tui", "--stack", STACK, "status")
        assert status.returncode == 0, status.stdout
        # Who answers a connection is seen by that user as well, for logins without TLS.
        both = _as(
            who,
            home,
            path,
            python,
            "-m",
            "devstack_tui",
            "--stack",
            STACK,
            "check",
            "run",
            "tls.24",
        )
        assert both.returncode == 0, both.stdout
        load = ("bench", "run", "redis.get", "--size", "smoke", "--runs", "1")
        ended = _as(who, home, path, python, "-m", "devstack_tui", "--stack", STACK, *load)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        owners = {path.lstat().st_uid for path in home.rglob("*")}
        assert owners == {who.pw_uid}
    finally:
        down = _as(
            who, home, path, python, "-m", "devstack_tui", "down", "--wipe", "--yes",
            "--stack", STACK,
        )  # fmt: skip
        assert down.returncode == 0, down.stderr


def _works(who: pwd.struct_passwd, home: Path, path: str, python: str) -> bool:
    try:
        return _as(who, home, path, python, "-c", "import psycopg, msgspec").returncode == 0
    except PermissionError:
        return False


def _as(
    who: pwd.struct_passwd, home: Path, path: str, *argv: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        user=who.pw_uid,
        group=who.pw_gid,
        extra_groups=[],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": path,
             "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )  # fmt: skip
