"""What this machine gives to a stack: memory and cores, as a container's limits leave them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from devstack_tui.core import fingerprint


class Machine(msgspec.Struct, frozen=True):
    """`memory_bytes` and `cores` are the smallest of what the machine has and what the control
    groups allow; `rotational`: whether the stack's disk turns (None: unknown); `open_files`: the
    fewest files that a server of the service may have open (None: unknown, or no service)."""

    memory_bytes: int
    cores: float
    memory_from: str = "this machine"
    rotational: bool | None = None
    open_files: int | None = None


def look(folder: Path, root: Path = Path("/")) -> Machine:
    """This machine, and the disk that holds `folder`. `root` is where /proc and /sys are."""
    memory = fingerprint.physical_memory(root)
    limit = min(fingerprint.memory_limits(root), default=memory)
    return Machine(
        memory_bytes=min(memory, limit),
        cores=fingerprint.usable_cores(root),
        memory_from="this machine" if memory <= limit else "the limit of the control group",
        rotational=_rotational(folder, root),
    )


def _rotational(folder: Path, root: Path) -> bool | None:
    """Whether the block device of the nearest existing folder turns; unknown where there is none
    (a network, an overlay, a file system in memory)."""
    while not folder.exists():
        folder = folder.parent
    device = folder.stat().st_dev
    block = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    # Only whole disks have a queue; that of a partition is its parent's.
    for place in (block, block.resolve().parent):
        try:
            return (place / "queue/rotational").read_text().strip() == "1"
        except OSError:
            continue
    return None
