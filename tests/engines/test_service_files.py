"""The files of a service, by each implementation of `ServiceFiles`: what is written is read, names
that lead elsewhere are refused, and an edit is undone by what it returned."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.rooted_files import RootedFiles
from tests.engines.memory import MemoryFiles

NOBODY = 65534
Made = Callable[[Path], ServiceFiles]


def embedded(folder: Path) -> ServiceFiles:
    return RootedFiles(folder)


def memory(folder: Path) -> ServiceFiles:  # noqa: ARG001
    made = MemoryFiles({})
    made.directory("")
    return made


@pytest.fixture(params=[embedded, memory], ids=lambda made: made.__name__)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceFiles:
    made: ServiceFiles = request.param(tmp_path)
    return made


def test_what_is_written_is_read_and_belongs_to_the_server_alone(files: ServiceFiles) -> None:
    assert files.write("x.conf", "port 1\n") == files.path("x.conf")
    assert files.read("x.conf") == b"port 1\n"
    assert files.read("x.conf", last=3) == b" 1\n"
    found = files.stat("x.conf")
    assert found is not None
    assert (found.mode, found.own, found.size, found.is_directory) == (0o600, True, 7, False)


def test_a_directory_is_made_with_those_above_it(files: ServiceFiles) -> None:
    assert files.directory("a/b") == files.path("a/b")
    files.directory("a/b")
    files.write("a/b/c", b"")
    assert (files.list("a"), files.list("a/b"), files.list("no")) == (("b",), ("c",), ())
    found = files.stat("a")
    assert found is not None
    assert (found.mode, found.is_directory) == (0o700, True)


def test_what_is_not_there_is_no_file(files: ServiceFiles) -> None:
    assert files.stat("no") is None
    assert files.stat("no/such") is None
    with pytest.raises(FileNotFoundError):
        files.read("no")
    with pytest.raises(FileNotFoundError):
        files.write("no/such", "x")
    files.remove("no")


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "a/../../b", "a/..", "\0"])
def test_a_name_that_leads_elsewhere_is_refused(files: ServiceFiles, name: str) -> None:
    files.write("x", "here")
    for act in (files.path, files.read, files.stat, files.list, files.remove, files.directory):
        with pytest.raises(DevstackError, match="is not the name of a file below"):
            act(name)
    with pytest.raises(DevstackError, match="is not the name of a file below"):
        files.write(name, "x")
    with pytest.raises(DevstackError, match="is not the name of a file below"):
        files.rename("x", name)


def test_an_edit_keeps_the_mode_and_is_undone_by_what_it_returned(files: ServiceFiles) -> None:
    files.write("x.conf", "a", mode=0o640, mtime_ns=1_000_000_000)
    before = files.edit("x.conf", lambda text: text + "b", keep_mtime=True)
    changed = files.stat("x.conf")
    assert changed is not None
    assert (before, files.read("x.conf")) == ("a", b"ab")
    assert (changed.mode, changed.mtime_ns) == (0o640, 1_000_000_000)
    files.edit("x.conf", lambda text: text + "c")
    later = files.stat("x.conf")
    assert later is not None
    assert later.mtime_ns > changed.mtime_ns
    files.write("x.conf", before, mode=changed.mode)
    assert files.read("x.conf") == b"a"


def test_files_are_copied_renamed_opened_up_and_removed(files: ServiceFiles) -> None:
    files.directory("a/b")
    files.write("a/b/c", b"1")
    files.chmod("a/b/c", 0o644)
    files.copy("a/b/c", "d")
    modes = [found.mode for name in ("a/b/c", "d") if (found := files.stat(name))]
    assert modes == [0o644, 0o600]
    files.rename("a", "e")
    assert (files.stat("a"), files.read("e/b/c")) == (None, b"1")
    files.rename("e/b/c", "d")
    assert files.list("e/b") == ()
    files.remove("e")
    files.remove("d")
    assert files.list() == ()


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    home = tmp_path / "home"
    home.mkdir()
    files = RootedFiles(home)
    files.link("link", "../outside/secret")
    files.link("folder", "../outside")
    found = files.stat("link")
    assert found is not None
    assert found.is_link
    for act in (
        lambda: files.read("link"),
        lambda: files.read("folder/secret"),
        lambda: files.write("folder/secret", "y"),
        lambda: files.chmod("link", 0o777),
        lambda: files.copy("link", "copy"),
        lambda: files.directory("folder"),
    ):
        with pytest.raises(OSError, match=str(home)):
            act()
    files.write("link", "a file of its own")
    files.remove("folder")
    assert (tmp_path / "outside" / "secret").read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_made_is_given_to_the_account_of_the_server(tmp_path: Path) -> None:
    files = RootedFiles(tmp_path, (NOBODY, NOBODY))
    files.directory("a/b")
    files.write("a/b/c", "x")
    files.copy("a/b/c", "a/d")
    for name in ("a", "a/b", "a/b/c", "a/d"):
        found = files.stat(name)
        assert found is not None
        assert (found.uid, found.own) == (NOBODY, True)
    (tmp_path / "ours").touch()
    found = files.stat("ours")
    assert found is not None
    assert not found.own


def test_a_socket_is_reached_however_long_its_path_is(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 120)
    home.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(home, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/s")
        os.close(folder)
        server.listen()
        with RootedFiles(home).connect("s", 1.0) as client:
            client.sendall(b"x")
            answering, _ = server.accept()
            with answering:
                assert answering.recv(1) == b"x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works among another account's files")
def test_a_file_that_has_a_second_name_elsewhere_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    outside = tmp_path / "shadow"
    outside.write_text("of root")
    outside.chmod(0o640)
    (home / "server.key").hardlink_to(outside)
    (home / "tls").symlink_to("/etc")
    files = RootedFiles(home, (NOBODY, NOBODY))
    for act in (
        lambda: files.read("server.key"),
        lambda: files.edit("server.key", str.upper),
        lambda: files.chmod("server.key", 0o644),
        lambda: files.copy("server.key", "copy"),
        lambda: files.directory("tls"),
    ):
        with pytest.raises(OSError, match=str(home)):
            act()
    files.write("new", "x")
    files.copy("new", "server.key")  # takes the place of the name, not of the file
    assert files.read("server.key") == b"x"
    about = outside.stat()
    assert (outside.read_text(), about.st_uid, about.st_mode & 0o777) == ("of root", 0, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works among another account's files")
def test_the_directory_itself_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to("/etc")
    with pytest.raises(OSError, match="home/passwd"):
        RootedFiles(tmp_path / "home", (NOBODY, NOBODY)).read("passwd")
