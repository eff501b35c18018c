"""Private files: whole or not at all, 0600."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack_tui.core import files


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The most careless umask there is."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.usefixtures("open_umask")
def test_a_private_file_is_0600_whatever_the_umask_is(room: Path) -> None:
    files.write_private(room / "secret", "x")
    assert mode(room / "secret") == 0o600


@pytest.mark.usefixtures("open_umask")
def test_a_private_file_that_replaces_an_open_one_is_0600(room: Path) -> None:
    (room / "secret").write_text("old")
    (room / "secret").chmod(0o666)
    files.write_private(room / "secret", "new")
    assert (mode(room / "secret"), (room / "secret").read_text()) == (0o600, "new")


@pytest.mark.usefixtures("open_umask")
def test_a_private_directory_gets_its_mode_even_when_it_is_there_already(room: Path) -> None:
    (room / "secrets").mkdir(mode=0o777)
    assert mode(files.make_dir(room / "secrets")) == 0o700
    assert mode(files.make_dir(room / "new")) == 0o700


def test_a_private_directory_is_made_with_its_parents(room: Path) -> None:
    assert files.make_dir(room / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("fault", ["fsync", "fchmod"])
def test_a_write_cut_short_leaves_the_old_file_and_no_other(
    fault: str, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake system call: a disk that fills up, or a kill, between two calls cannot be timed."""
    path = room / "secret"
    files.write_private(path, "old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fault, fail)
    with pytest.raises(OSError, match="No space"):
        files.write_private(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in room.iterdir()] == ["secret"]


def test_an_interrupt_during_a_write_leaves_the_old_file_and_no_other(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake system call: ctrl-C at the instant before the file is replaced cannot be timed."""
    path = room / "secret"
    files.write_private(path, "old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_private(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in room.iterdir()] == ["secret"]


def test_the_content_is_on_the_disk_before_the_name_is_given_to_it(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = room / "secret"
    synced: list[tuple[int, bool]] = []
    real = os.fsync

    def watch(fd: int) -> None:
        synced.append((os.fstat(fd).st_size, path.exists()))
        real(fd)

    monkeypatch.setattr(os, "fsync", watch)
    files.write_private(path, b"12345")
    assert synced == [(5, False)]


def test_a_reader_that_has_the_old_file_open_keeps_reading_the_old_one(room: Path) -> None:
    path = room / "secret"
    files.write_private(path, "old")
    with path.open() as reader:
        files.write_private(path, "new")
        assert reader.read() == "old"


def test_another_mode_can_be_asked_for(room: Path) -> None:
    files.write_private(room / "program", "#!/bin/sh\n", mode=0o700)
    assert mode(room / "program") == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_can_be_given_to_the_account_of_a_server(room: Path) -> None:
    files.write_private(room / "key", "x", owner=(65534, 65534))
    found = (room / "key").stat()
    assert (found.st_uid, found.st_gid, mode(room / "key")) == (65534, 65534, 0o600)


@pytest.mark.parametrize(
    ("number", "sentence", "step"),
    [
        (errno.ENOSPC, "the disk is full", "free some space"),
        (errno.EDQUOT, "the disk is full", "free some space"),
        (errno.EROFS, "the file system is read-only", "XDG_STATE_HOME"),
        (errno.EACCES, "permission denied", "XDG_STATE_HOME"),
        (errno.EPERM, "permission denied", "XDG_STATE_HOME"),
    ],
)
def test_a_fault_of_the_disk_is_one_sentence_with_a_next_step(
    number: int, sentence: str, step: str
) -> None:
    error = files.explain(OSError(number, os.strerror(number), "/var/x"), "writing the journal")
    assert error.message == f"{sentence} at /var/x while writing the journal"
    assert step in error.remedy
    assert error.exit_code == 1


def test_any_other_fault_keeps_the_words_of_the_system() -> None:
    error = files.explain(OSError(errno.EIO, "Input/output error"), "reading it")
    assert error.message == "Input/output error while reading it"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_what_is_no_file_in_place_of_ours_is_named_and_never_waited_for(
    make: Callable[[Path], None], room: Path
) -> None:
    path = room / "tuning.json"
    make(path)
    with pytest.raises(OSError, match=r"tuning\.json") as caught:
        files.read_bytes(path)
    error = files.explain(caught.value, "reading the tuning")
    assert str(path) in error.message
    assert error.remedy.startswith(f"remove {path}")


def test_a_directory_that_a_file_cannot_replace_is_the_one_to_remove(room: Path) -> None:
    path = room / "instance.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        files.write_private(path, "x")
    assert files.explain(caught.value, "writing").remedy.startswith(f"remove {path}")
