"""What the console and the stack cost, measured here and now: `console.py [--runs N] [--json]`.

Informational: machines are noisy, nothing is asserted. The stack is one of its own, made first
and wiped at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

from devstack_tui.core import process

STACK = "bench"
IDLE_S = 20.0
PATIENCE_S = 60.0


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        os.environ["XDG_STATE_HOME"] = folder
        try:
            found = measure(options.runs)
        finally:
            cli("down", "--wipe", "--yes")
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for name, value in found.items():
        if isinstance(value, dict):
            sys.stdout.write(f"{name}\n")
            for key, number in value.items():
                sys.stdout.write(f"  {key:<16} {number:8.1f}\n")
        else:
            sys.stdout.write(f"{name:<44} {value:8.3f}\n")


def measure(runs: int) -> dict[str, Any]:
    """Every figure by its name and unit."""
    found: dict[str, Any] = {
        "--help, s, median": timed(runs, lambda: cli("--help")),
        "up, first time, s": seconds_of("up"),
        "up, healthy already, s": seconds_of("up"),
    }
    rows = json.loads(cli("status", "--json").stdout)["services"]
    found["memory, MiB"] = {
        row["name"]: row["memory_bytes"] / 2**20 for row in rows if row["memory_bytes"]
    }
    paints = [paint() for _ in range(runs)]
    found["first paint, s, median"] = statistics.median(first for first, _ in paints)
    found["first look at the stack on screen, s, median"] = statistics.median(
        look for _, look in paints
    )
    found |= idle()
    found["down, s"] = seconds_of("down")
    found["up, with data, s"] = seconds_of("up")
    return found


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "devstack_tui", "--stack", STACK, *arguments]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv(*arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def seconds_of(*arguments: str) -> float:
    started = time.perf_counter()
    ended = cli(*arguments)
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    return time.perf_counter() - started


def timed(runs: int, work: Any) -> float:
    samples = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


class Terminal:
    """The console in a pseudo-terminal of 120 by 40."""

    def __init__(self, stack: str = STACK) -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execv(sys.executable, [sys.executable, "-m", "devstack_tui", "--stack", stack])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = b""

    def until(self, text: bytes) -> float:
        """Seconds since the start until `text` was written."""
        while text not in self.seen:
            if time.perf_counter() - self.started > PATIENCE_S:
                raise SystemExit(f"the console never showed {text!r}")
            self.read(0.5)
        return time.perf_counter() - self.started

    def read(self, timeout: float) -> None:
        """Take what the console wrote."""
        if select.select([self.fd], [], [], timeout)[0]:
            # A console that has ended leaves an error behind instead of an end of file.
            with contextlib.suppress(OSError):
                self.seen += os.read(self.fd, 65536)

    def close(self) -> None:
        """Hang up, and wait for the console to end."""
        os.kill(self.pid, signal.SIGTERM)
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            self.read(0.1)
        os.close(self.fd)


def paint() -> tuple[float, float]:
    """Seconds until the frame, and until the first look at the stack, are on the screen."""
    terminal = Terminal()
    first = terminal.until(b"Health")
    look = terminal.until(b"healthy")
    terminal.close()
    return first, look


def idle() -> dict[str, float]:
    """CPU of the console, and of the child that looks at the stack, per cent of a core."""
    terminal = Terminal()
    terminal.until(b"healthy")
    children = process.descendants([terminal.pid], process.table()) - {terminal.pid}
    before = [process.usage([terminal.pid])[0], process.usage(children)[0]]
    ends = time.perf_counter() + IDLE_S
    while time.perf_counter() < ends:
        terminal.read(0.5)
    after = [process.usage([terminal.pid])[0], process.usage(children)[0]]
    memory = process.usage([terminal.pid])[1] / 2**20
    terminal.close()
    return {
        "console, idle CPU, % of a core": 100 * (after[0] - before[0]) / IDLE_S,
        "its watching child, CPU, % of a core": 100 * (after[1] - before[1]) / IDLE_S,
        "console, memory, MiB": memory,
    }


if __name__ == "__main__":
    main()
