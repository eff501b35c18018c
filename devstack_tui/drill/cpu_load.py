"""CPU load for a sweep: one busy process for each core, which ends with its parent."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from devstack_tui.core.errors import DevstackError

# It looks at its input now and then: the end of the input is the end of its parent.
_BUSY = """
import select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    sum(range(200000))
"""


@contextlib.contextmanager
def busy_cores() -> Iterator[int]:
    """Keep every core that we may use busy; yields how many. Raises `DevstackError`."""
    count = len(os.sched_getaffinity(0))
    burning: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            burning.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-c", _BUSY],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        yield count
    except OSError as error:
        raise DevstackError(f"the CPU load cannot be made: {error.strerror}") from None
    finally:
        for process in burning:
            process.kill()
            process.communicate()
