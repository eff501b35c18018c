"""A program on the terminal, in a fork: however it ends, the terminal is as it was before."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import termios
from collections.abc import Callable

from devstack_tui.core.files import crash

_PR_SET_PDEATHSIG = 1
# What a console sets: its own screen, mouse, focus, paste, resize; then keyboard and cursor.
_MODES = (1049, 1000, 1002, 1003, 1006, 1015, 1004, 2004, 2048)
_RESET = "".join(f"\x1b[?{mode}l" for mode in _MODES) + "\x1b[<u\x1b[?25h\x1b[m\r"


def restored(work: Callable[[], int], what: str) -> tuple[int, str]:
    """Run `work` in a fork on this terminal. Returns its exit status, and a sentence: empty, or how
    a signal ended `what`; then the terminal was restored. To be called before there are threads."""
    before = termios.tcgetattr(0)
    pid = os.fork()
    if pid == 0:
        # Without us nobody would restore the terminal: it then leaves as if that was closed.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
        return work(), ""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda came, _: os.kill(pid, came))
    status = _status(pid)
    if status >= 0:
        return status, ""
    termios.tcsetattr(0, termios.TCSAFLUSH, before)
    sys.stdout.write(_RESET)
    sys.stdout.flush()
    how = crash(status, what) or f"{what} was ended by {signal.Signals(-status).name}"
    return 128 - status, str(how)


def _status(pid: int) -> int:
    """Wait for the end of the process; stop, and go on, with it."""
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGSTOP)
