"""What the doctor says of programs: those that serve one purpose only, that lack a library, or are
of a release that nobody measured."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.cli.verbs import doctor as verb
from devstack_tui.contracts.model import Requirement
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.programs import Hint, find_program
from devstack_tui.engines.embedded import requirements
from devstack_tui.health import doctor
from devstack_tui.stack.stack import Stack


def nftables() -> Requirement:
    (found,) = (one for one in doctor.examine(Stack("default")) if one.subject == "nftables")
    return found


@pytest.mark.parametrize("uid", [0, 1000])
def test_without_nft_the_doctor_is_content_and_tells_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(requirements, "find_program", lambda name: None)
    found = nftables()
    assert found.status == "optional"
    assert "partition" in found.detail
    assert ("nftables" in found.remedy) == (uid == 0)
    assert [hint.apt for hint in Stack("default").engine().hints()] == (
        [("nftables",)] if uid == 0 else []
    )


def test_an_nft_that_is_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "find_program", lambda name: Path("/x/nft"))
    assert (nftables().status, Stack("default").engine().hints()) == ("ok", [])
    assert "/x/nft" in nftables().detail


def finding(subject: str) -> Requirement:
    (found,) = (one for one in doctor.examine(Stack("default")) if one.subject == subject)
    return found


def test_a_library_that_a_program_lacks_is_missing_and_its_package_is_installed(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-server itself, with the name of one library changed."""
    usual = find_program("redis-server")
    assert usual is not None
    path = room / "redis-server"
    path.write_bytes(usual.resolve().read_bytes().replace(b"libcrypto.so.3", b"libabsent.so.3"))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{room}{os.pathsep}{os.environ['PATH']}")
    found = finding("redis")
    assert found.status == "missing"
    assert f"{path} does not run: error while loading shared libraries: lib" in found.detail
    assert "apt-get install -y libabsent3" in found.remedy
    assert Hint(apt=("libabsent3",)) in doctor.missing(Stack("default"))


@pytest.mark.parametrize(
    ("measured", "status"),
    [
        ('["1.0", "VERSION"]', "ok"),
        ('"VERSION"', "ok"),
        ("[]", "ok"),
        ('["1.0", "2"]', "warning"),
        ('"1"', "warning"),
    ],
)
def test_a_release_is_named_when_it_is_none_of_those_that_were_measured(
    measured: str, status: str, user_file: Callable[[str], Path]
) -> None:
    version = finding("redis").detail.split()[1]
    user_file(f"[services.redis]\ntested = {measured.replace('VERSION', version)}\n")
    found = finding("redis")
    assert found.status == status
    if status == "warning":
        assert "this release was measured with 1" in found.detail
        assert found.detail.endswith(" and 2") == (measured != '"1"')
    assert found.detail.endswith("tested with none of it") == (measured == "[]")


def test_without_apt_the_doctor_lists_everything_that_is_missing_at_once(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with no server at all, by a look that finds none: this one has them."""
    monkeypatch.setenv("PATH", str(room))
    monkeypatch.setattr("devstack_tui.services.redis.launch.find_program", lambda *names: None)
    monkeypatch.setattr("devstack_tui.services.mysql.launch.find_program", lambda *names: None)
    with pytest.raises(DevstackError) as caught:
        verb.install(Stack("default"))
    assert "there is no apt here" in caught.value.message
    for package in ("mariadb-server", "redis-server", "redis-tools"):
        assert package in caught.value.remedy


# -- the script that makes the virtual environment ----------------------------------------------


def venv_script(room: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run it on a machine that has these programs, without a usable Python."""
    folder = room / "programs"
    folder.mkdir()
    for name in ("dirname", "cat", "tr"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    script = Path(__file__).parents[2] / ".ci/venv.sh"
    return subprocess.run(
        ["/bin/sh", str(script), "no-python", str(room / "venv")],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_root_and_sudo_one_command_names_all_that_the_machine_lacks(room: Path) -> None:
    """A fake id, dpkg and apt: the machine of the tests has the packages and may be root's."""
    ended = venv_script(
        room,
        id="echo 1000",
        apt_get="exit 9",
        dpkg_query='[ "$4" = redis-server ] && printf installed',
    )
    assert ended.returncode == 2
    first, command = ended.stderr.strip().splitlines()
    assert "neither root nor is sudo here" in first
    su, flag, line = shlex.split(command.replace("→", ""))
    assert (su, flag) == ("su", "-c")
    update, _, install = line.partition(" && ")
    assert update == "apt-get update"
    packages = install.split()[3:]
    assert packages[:2] == ["python3", "python3-venv"]
    assert {"postgresql", "mariadb-server", "rabbitmq-server", "libcurl4"} <= set(packages)
    assert "redis-server" not in packages


def test_without_apt_the_script_names_all_that_the_machine_needs(room: Path) -> None:
    ended = venv_script(room)
    assert ended.returncode == 2
    assert "there is no apt here" in ended.stderr
    for package in ("postgresql", "redis-server", "rabbitmq-server"):
        assert package in ended.stderr
