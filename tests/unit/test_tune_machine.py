"""What a machine gives: the smallest of its own and what the control groups allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack_tui.core import machine

GIB = 1 << 30


def _files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMORY = {"proc/meminfo": f"MemTotal: {8 * 1024 * 1024} kB\n"}


def test_without_a_limit_it_is_the_machine(room: Path) -> None:
    found = machine.look(room, _files(room, {**MEMORY, "proc/self/cgroup": "0::/\n"}))
    assert found.memory_bytes == 8 * GIB
    assert found.memory_from == "this machine"
    assert found.rotational is None


@pytest.mark.parametrize(
    ("group", "limit"),
    [
        ("0::/box\n", {"sys/fs/cgroup/box/memory.max": f"{GIB + 1}\n"}),
        ("4:memory:/box\n", {"sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{GIB + 1}\n"}),
    ],
)
def test_the_exact_limit_of_a_container_counts(
    room: Path, group: str, limit: dict[str, str]
) -> None:
    found = machine.look(room, _files(room, {**MEMORY, "proc/self/cgroup": group, **limit}))
    assert found.memory_bytes == GIB + 1
    assert found.memory_from == "the limit of the control group"


@pytest.mark.parametrize(("text", "turns"), [("1\n", True), ("0\n", False)])
def test_a_partition_turns_as_its_disk_does(room: Path, text: str, turns: bool) -> None:
    _files(room, {**MEMORY, "proc/self/cgroup": "", "sys/devices/sda/queue/rotational": text})
    (room / "sys/devices/sda/sda1").mkdir()
    device = room.stat().st_dev
    block = room / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    block.parent.mkdir(parents=True)
    block.symlink_to(room / "sys/devices/sda/sda1")
    assert machine.look(room / "not/there/yet", room).rotational is turns
