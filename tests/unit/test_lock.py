"""The lock of a stack: it names its owner and dies with its process."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack_tui.core.lock import Owner, StackLock

HOLD = """
import sys
from pathlib import Path
from devstack_tui.core.lock import StackLock
lock = StackLock(Path(sys.argv[1]), sys.argv[2])
assert lock.try_acquire() is None
print("held")
sys.stdin.readline()
lock.release()
print("released")
sys.stdin.readline()
"""
WAIT = """
import sys, time
from pathlib import Path
from devstack_tui.core.lock import StackLock
lock = StackLock(Path(sys.argv[1]), "up")
owner = lock.try_acquire()
print("waiting for", owner.verb, owner.pid)
while lock.try_acquire():
    time.sleep(0.01)
print("got it")
"""
LEFT = '{"pid": 4242, "verb": "down", "since": 1.0}'


@pytest.fixture
def path(room: Path) -> Path:
    return room / "lock"


@pytest.fixture
def lock(path: Path) -> Iterator[StackLock]:
    made = StackLock(path, "up")
    yield made
    made.release()


@pytest.fixture
def other(path: Path, python: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A process that holds the lock for `down` until it is asked to let go."""
    process = python(HOLD, str(path), "down")
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def tell(process: subprocess.Popen[str]) -> str:
    """Give a line and read one."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_free_lock_is_taken_and_names_its_owner(path: Path, lock: StackLock) -> None:
    before = time.time()
    assert lock.try_acquire() is None
    owner = StackLock.holder(path)
    assert owner is not None
    assert (owner.pid, owner.verb) == (os.getpid(), "up")
    assert before <= owner.since <= time.time()


def test_the_lock_file_is_private(path: Path, lock: StackLock) -> None:
    lock.try_acquire()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_that_another_process_holds_is_refused_by_its_owners_name(
    lock: StackLock, other: subprocess.Popen[str]
) -> None:
    owner = lock.try_acquire()
    assert owner is not None
    assert (owner.pid, owner.verb) == (other.pid, "down")


def test_a_lock_is_free_once_its_owner_lets_go(
    path: Path, lock: StackLock, other: subprocess.Popen[str]
) -> None:
    assert tell(other) == "released\n"
    assert StackLock.holder(path) is None
    assert lock.try_acquire() is None


def test_a_lock_is_free_once_its_owner_was_killed(
    path: Path, lock: StackLock, other: subprocess.Popen[str]
) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert path.read_bytes(), "the dead owner's name is still in the file"
    assert StackLock.holder(path) is None
    assert lock.try_acquire() is None


def test_a_second_process_waits_until_the_first_lets_go(
    path: Path, lock: StackLock, python: Callable[..., subprocess.Popen[str]]
) -> None:
    assert lock.try_acquire() is None
    waiting = python(WAIT, str(path))
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == f"waiting for up {os.getpid()}\n"
    assert waiting.poll() is None
    lock.release()
    assert waiting.stdout.readline() == "got it\n"


@pytest.mark.parametrize("left", [LEFT, "", "\0\0", "no json at all", '{"pid": "x"}'])
def test_what_a_dead_owner_left_in_the_file_is_ignored(
    left: str, path: Path, lock: StackLock
) -> None:
    path.write_text(left)
    assert StackLock.holder(path) is None
    assert lock.try_acquire() is None
    owner = StackLock.holder(path)
    assert owner is not None
    assert owner.verb == "up"


def test_an_owner_that_has_not_written_its_name_yet_is_still_an_owner(
    path: Path, lock: StackLock
) -> None:
    lock.try_acquire()
    path.write_text("")
    owner = StackLock.holder(path)
    assert owner is not None
    assert owner.verb == "another verb"


def test_a_lock_that_nobody_ever_took_is_not_held(path: Path) -> None:
    assert StackLock.holder(path) is None
    assert not path.exists(), "looking must not make the file"


def test_leaving_the_block_lets_go_also_after_a_fault(path: Path, lock: StackLock) -> None:
    assert lock.try_acquire() is None
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    assert StackLock.holder(path) is None


def test_letting_go_twice_is_harmless(path: Path, lock: StackLock) -> None:
    lock.try_acquire()
    lock.release()
    lock.release()
    assert StackLock.holder(path) is None


def test_a_child_of_the_owner_does_not_keep_the_lock(
    path: Path, lock: StackLock, child: Callable[..., subprocess.Popen[str]]
) -> None:
    assert lock.try_acquire() is None
    process = child("sleep", "1000", close_fds=False)
    lock.release()
    assert process.poll() is None
    assert StackLock.holder(path) is None


def test_two_who_look_at_a_free_lock_never_take_each_other_for_an_owner(path: Path) -> None:
    path.write_text(LEFT)
    seen: list[Owner] = []
    start = threading.Barrier(4)

    def look() -> None:
        start.wait()
        for _ in range(5000):
            if owner := StackLock.holder(path):
                seen.append(owner)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == []


def test_a_look_never_keeps_a_verb_from_the_free_lock(path: Path) -> None:
    path.write_text(LEFT)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            StackLock.holder(path)

    thread = threading.Thread(target=look)
    thread.start()
    refused: list[Owner] = []
    try:
        for _ in range(5000):
            lock = StackLock(path, "up")
            if owner := lock.try_acquire():
                refused.append(owner)
            lock.release()
    finally:
        done.set()
        thread.join()
    assert refused == []


def test_a_lock_on_a_full_disk_is_held_without_its_owners_name(
    lock: StackLock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert lock.try_acquire() is None
    monkeypatch.undo()
    held = StackLock.holder(path)
    assert held is not None
    assert held.verb == "another verb"
    lock.release()
    assert StackLock.holder(path) is None


def test_a_lock_that_is_removed_goes_with_its_directory_and_is_made_anew(path: Path) -> None:
    folder = path.parent / "stack"
    folder.mkdir()
    first, second = StackLock(folder / "lock", "down"), StackLock(folder / "lock", "up")
    assert first.try_acquire() is None
    first.remove()
    assert not folder.exists()
    folder.mkdir()
    assert second.try_acquire() is None
    assert StackLock.holder(folder / "lock") is not None


def test_a_lock_is_not_removed_where_anything_else_is(path: Path) -> None:
    folder = path.parent / "stack"
    (folder / "data").mkdir(parents=True)
    lock = StackLock(folder / "lock", "up")
    assert lock.try_acquire() is None
    lock.remove()
    assert (folder / "lock").exists()
    assert StackLock.holder(folder / "lock") is None


def test_a_file_that_was_removed_while_somebody_waited_for_it_is_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    removed: list[int] = []

    def then_removed(*given: object) -> int:
        found = opened(*given)  # type: ignore[arg-type]
        if not removed:
            path.unlink()
        removed.append(found)
        return found

    monkeypatch.setattr(os, "open", then_removed)
    lock = StackLock(path, "up")
    assert lock.try_acquire() is None
    assert len(removed) == 2
    assert StackLock.holder(path) is not None
    lock.release()
