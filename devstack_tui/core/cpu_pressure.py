"""How much of a time some work of this machine waited for a CPU: the kernel's pressure stall
information (Linux 4.20 on, https://docs.kernel.org/accounting/psi.html)."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

SOURCE = Path("/proc/pressure/cpu")


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
