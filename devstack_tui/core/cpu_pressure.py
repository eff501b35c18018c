"""How much of a time some work of this machine waited for a CPU: the kernel's pressure stall
information (Linux 4.20 on, https://docs.kernel.org/accounting/psi.html)."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

SOURCE = Path("/proc/pressure/cpu")
STARVED_SHARE = 0.8
"""Of the time from the fault on: where work waited for a CPU for so much of it, what took too long
may have been the machine's doing."""


class CpuPressure:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._waited = waited_s()

    def share(self) -> float:
        """Of the time until now, from 0 to 1; 0 where the kernel does not count."""
        now, elapsed = waited_s(), time.monotonic() - self._since
        if now is None or self._waited is None or elapsed <= 0:
            return 0.0
        return min(1.0, (now - self._waited) / elapsed)


def waited_s() -> float | None:
    """Seconds since the start of the machine in which somebody waited; None if nobody counts."""
    with contextlib.suppress(OSError):
        return parse(SOURCE.read_text())
    return None


def parse(text: str) -> float | None:
    """The `total` of the line `some`, which is in microseconds."""
    found = re.search(r"^some .*\btotal=(\d+)", text, re.MULTILINE)
    return int(found[1]) / 1e6 if found else None


def waited(share: float) -> str:
    """Why a time that was too long proves nothing, when work waited for a CPU in that `share` of
    it; empty when it does."""
    if share < STARVED_SHARE:
        return ""
    return f"work waited for a CPU in {share:.0%} of that time, which proves nothing"
