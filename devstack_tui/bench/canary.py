"""The canary: fixed work that no server does. If it changed, the machine did, not the stack."""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from pathlib import Path

import msgspec

ROUNDS = 7
ROUND_S = 0.06
SYNCS = 40


class Canary(msgspec.Struct, frozen=True):
    """`cpu` hashes a second of one core, `fsync` synced writes a second of the stack's disk."""

    cpu: float
    fsync: float

    def moved(self, since: Canary, cpu: float, fsync: float) -> str:
        """Which of the two differs by more than its share from `since`; empty for neither."""
        for name, now, then, limit in (
            ("CPU", self.cpu, since.cpu, cpu),
            ("disk", self.fsync, since.fsync, fsync),
        ):
            ratio = now / then
            if not 1 - limit <= ratio <= 1 / (1 - limit):
                return (
                    f"the machine's {name} gives {ratio:.0%} of what it gave at the baseline "
                    f"(allowed: {1 - limit:.0%} to {1 / (1 - limit):.0%})"
                )
        return ""


def measure(folder: Path) -> Canary:
    """About a second of work; the disk is that of `folder`."""
    return Canary(
        statistics.median(_hashes() for _ in range(ROUNDS)),
        _syncs(folder),
    )


def _hashes() -> float:
    block = b"\0" * 4096
    done = 0
    started = time.perf_counter()
    while time.perf_counter() - started < ROUND_S:
        for _ in range(20):
            hashlib.sha256(block).digest()
        done += 20
    return done / (time.perf_counter() - started)


def _syncs(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return 1 / statistics.median(taken)
