"""The console in a real terminal: how it ends, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kit import STUB

ROOT = Path(__file__).parents[2]
CODE = f"""
import sys
from devstack_tui.core.terminal import restored
def console():
    from devstack_tui.console.app import DevstackApp
    from devstack_tui.core.children import Cli
    app = DevstackApp("default", cli=Cli("default", (sys.executable, {str(STUB)!r})))
    app.run()
    return app.return_code or 0
status, ended = restored(console, "the console")
if ended:
    sys.stderr.write("devstack-tui: " + ended)
sys.exit(status)
"""


class Terminal:
    """The console in a pseudo-terminal of 100×30."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.output = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)

    def read_until(self, text: bytes, seconds: float = 60.0) -> None:
        """Read until `text` was written."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < deadline, self.output[-2000:]
            self._read()

    def end(self, seconds: float = 60.0) -> int:
        """Wait for the end; returns the exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "the console does not end"
            self._read()
        self._read()
        return self.process.returncode

    @property
    def console(self) -> int:
        """The console itself: the process that was started keeps the terminal for it."""
        (pid,) = children(self.process.pid)
        return pid

    def children(self) -> list[int]:
        """The processes that the console started."""
        return children(self.console)

    def close(self) -> None:
        """Nothing is left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def _read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The children of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(found) for found in path.read_text().split()]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A console that shows its first snapshot."""
    terminal = Terminal()
    terminal.read_until(b"healthy")
    yield terminal
    terminal.close()


def all_gone(pids: list[int], seconds: float = 60.0) -> bool:
    """Whether the processes end within `seconds`."""
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(terminal: Terminal, number: signal.Signals) -> None:
    children = terminal.children()
    assert children
    terminal.process.send_signal(number)
    assert terminal.end() == 128 + number
    assert b"\x1b[?1049l" in terminal.output
    assert b"Traceback" not in terminal.output
    assert all_gone(children)


def test_q_leaves_with_status_0(terminal: Terminal) -> None:
    children = terminal.children()
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    assert b"\x1b[?1049l" in terminal.output
    assert all_gone(children)


def test_its_children_end_even_after_kill_9(terminal: Terminal) -> None:
    children = terminal.children()
    assert children
    os.kill(terminal.console, signal.SIGKILL)
    assert terminal.end() == 128 + signal.SIGKILL
    assert all_gone(children)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_console_that_dies_leaves_the_terminal_as_it_was(
    terminal: Terminal, number: signal.Signals
) -> None:
    os.kill(terminal.console, number)
    assert terminal.end() == 128 + number
    for mode in (b"1049", b"1000", b"1006", b"2004"):
        assert b"\x1b[?%bl" % mode in terminal.output
    assert b"\x1b[?25h" in terminal.output
    assert termios.tcgetattr(terminal.master) == terminal.before
    *_, said = terminal.output.split(b"devstack-tui: ")
    assert said.splitlines()[0] in (
        b"the console crashed (SIGSEGV)",
        b"the console was ended by SIGKILL",
    )


def test_the_console_does_not_outlive_the_process_that_keeps_its_terminal(
    terminal: Terminal,
) -> None:
    everything = [terminal.console, *terminal.children()]
    terminal.process.kill()
    terminal.process.wait()
    assert all_gone(everything)
    terminal.read_until(b"\x1b[?1049l")


def test_a_copy_reaches_the_clipboard_of_the_terminal(terminal: Terminal) -> None:
    os.write(terminal.master, b"c")
    terminal.read_until(b"\x1b]52;c;MTI3LjAuMC4xOjE4MjAw\x07")
