"""A server's account runs programs that lie below root's home, which stays closed to it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from devstack_tui.core import environment, process
from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded.accounts import Account
from devstack_tui.engines.embedded.handed_programs import handed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs as others")


@pytest.fixture
def nobody() -> Account:
    found = pwd.getpwnam("nobody")
    return Account(found.pw_uid, found.pw_gid, "nobody")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir(mode=0o700)
    return made


def output(argv: Sequence[str], account: Account, env: Mapping[str, str] | None = None) -> str:
    env = environment.of_child(env or {})
    with handed(argv, env, account) as program:
        return subprocess.run(
            argv,
            executable=program.executable,
            pass_fds=program.descriptors,
            env={**env, **program.env},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        ).stdout


def test_a_program_below_a_closed_directory_runs(closed: Path, nobody: Account) -> None:
    program = Path(shutil.copy("/usr/bin/id", closed / "id"))
    assert output([str(program), "-u"], nobody) == f"{nobody.uid}\n"


def test_what_it_can_reach_is_left_as_it_is(nobody: Account) -> None:
    with handed(["/usr/bin/id"], {}, nobody) as program:
        assert program.executable is None
    with handed([sys.executable], {}, Account(os.geteuid(), os.getegid())) as program:
        assert program.executable is None


def test_this_python_runs_with_what_it_imports(closed: Path, nobody: Account) -> None:
    (closed / "of_root.py").write_text("import ssl, msgspec; NAME = ssl.__name__")
    code = "import os, of_root, devstack_tui; print(os.getuid(), of_root.NAME)"
    env = {"PYTHONPATH": str(closed)}
    closed.chmod(0o755)
    assert output([sys.executable, "-c", code], nobody, env) == f"{nobody.uid} ssl\n"
    closed.chmod(0o711)
    with pytest.raises(DevstackError, match="closed to the account nobody"):
        output([sys.executable, "-c", code], nobody, env)


def test_a_program_that_nobody_else_may_run_is_refused(closed: Path, nobody: Account) -> None:
    program = Path(shutil.copy("/usr/bin/id", closed / "id"))
    program.chmod(0o700)
    with pytest.raises(DevstackError, match=r"id is closed to the account nobody"):
        output([str(program)], nobody)


def test_a_server_has_no_rights_and_gets_none(tmp_path: Path, nobody: Account) -> None:
    log = tmp_path / "log"
    started = process.spawn(["/bin/sleep", "60"], {}, Path("/"), log, nobody.owner)
    try:
        found = process.rights(started.pid)
        assert found is not None
        assert found.uids == {nobody.uid}
        assert found.gids == {nobody.gid}
        assert (found.groups, found.capabilities) == (frozenset(), 0)
        assert (found.core_bytes, found.no_new_privileges) == (0, True)
        ours = process.rights(os.getpid())
        assert ours is not None
        assert ours.uids == {0}
        assert process.rights(2**22 + 1) is None
    finally:
        process.end(started)
