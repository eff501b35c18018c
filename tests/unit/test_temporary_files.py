"""What an atomic write leaves whose process is killed is found and removed, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.core import files, temporary_files

# Dies, as by `kill -9`, between the write and the rename.
DIES = """
import os, sys
from pathlib import Path
from devstack_tui.core import files
os.replace = lambda *a, **k: os.kill(os.getpid(), 9)
files.write_private(Path(sys.argv[1]), "secret")
"""


@pytest.mark.parametrize("name", ["postgres.json", "data/redis/redis-1/redis.conf", "run/x.json"])
def test_what_a_killed_write_left_is_removed(
    name: str, room: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    path = room / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert python(DIES, str(path)).wait(60) == -signal.SIGKILL
    (left,) = path.parent.iterdir()
    assert temporary_files.left(room) == [str(left.relative_to(room))]
    assert temporary_files.remove(room) == [str(left.relative_to(room))]
    assert not left.exists()


def test_what_an_earlier_release_left_is_removed(room: Path) -> None:
    (room / ".postgres.json.deadbeef").write_text("secret")
    assert temporary_files.remove(room) == [".postgres.json.deadbeef"]


def test_what_is_being_written_is_left_alone(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    replace = os.replace

    def look(*given: object, **more: object) -> None:
        seen.append(temporary_files.remove(room))
        replace(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", look)
    files.write_private(room / "x", "whole")
    assert seen == [[]]
    assert (room / "x").read_text() == "whole"


def test_nothing_else_is_removed_and_no_link_is_followed(room: Path) -> None:
    outside = room / "outside"
    outside.mkdir()
    (outside / ".x.deadbeef").write_text("")
    root = room / "root"
    (root / "a" / "b" / "c" / "d").mkdir(parents=True)
    (root / "link").symlink_to(outside)
    (root / ".link.deadbeef").symlink_to(outside / ".x.deadbeef")
    for name in (".erlang.cookie", "x.deadbeef", "..deadbeef", "a/b/c/d/.x.deadbeef", ".hidden"):
        (root / name).write_text("")
    (root / ".folder.deadbeef").mkdir()
    assert temporary_files.remove(root) == []
    assert temporary_files.remove(root / "nothing") == []
