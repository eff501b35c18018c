"""What watching costs, and how soon it shows a death.

`watching.py [--pairs N] [--stack NAME]`. Informational: the ratios are watched ÷ headless, of the
median throughput and of the median p99 of a quick `postgres.tpcb`, interleaved.

`watching.py --deaths N [--stack NAME]` kills the main process of each service N times while a
console runs, and prints how long its row takes to say so: as the feed reports it, and as the
terminal shows it (there for the service under the cursor).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from typing import IO, Any

from tests.bench.console import Terminal

WORKLOAD = "postgres.tpcb"
RUNS = 3
"""What the console makes of a quick workload by itself."""


def main() -> None:
    """Measure pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--stack", default="default")
    parser.add_argument("--deaths", type=int, default=0)
    options = parser.parse_args()
    if options.deaths:
        deaths(options.stack, options.deaths)
        return
    throughput, p99 = [], []
    for number in range(options.pairs):
        found = {}
        for watched in (False, True) if number % 2 == 0 else (True, False):
            (in_the_console if watched else headless)(options.stack)
            found[watched] = newest(options.stack)
        throughput.append(found[True][0] / found[False][0])
        p99.append(found[True][1] / found[False][1])
    for name, ratios in (("throughput", throughput), ("p99", p99)):
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        sys.stdout.write(f"{name:<12} median {statistics.median(ratios):.3f}  ({shown})\n")


def headless(stack: str) -> None:
    """The command line, with nobody looking."""
    argv = [sys.executable, "-m", "devstack_tui", "--stack", stack, "bench", "run", WORKLOAD]
    subprocess.run(
        [*argv, "--quick", "--runs", str(RUNS), "--json"], capture_output=True, check=True
    )


def in_the_console(stack: str) -> None:
    """The Bench pane: two charts drawn each second. The first workload is under the cursor."""
    terminal = Terminal(stack)
    terminal.until(b"healthy")
    os.write(terminal.fd, b"2")
    terminal.until(b"tpcb")
    os.write(terminal.fd, b"g")
    terminal.until(b"done in")
    terminal.close()


def deaths(stack: str, times: int) -> None:
    """Milliseconds from SIGKILL until the row of each service is another one."""
    for name in [row["name"] for row in status(stack)["services"] if row["units"]]:
        took = [death(stack, name) for _ in range(times)]
        reported = " ".join(f"{1000 * one:5.0f}" for one, _ in took)
        shown = " ".join(f"{1000 * one:5.0f}" for _, one in took)
        sys.stdout.write(f"{name:<14} reported {reported} ms   on the screen {shown} ms\n")
        sys.stdout.flush()


def death(stack: str, name: str) -> tuple[float, float]:
    """Seconds until the feed, and until a terminal, shows the end of a service that was healthy."""
    argv = [sys.executable, "-m", "devstack_tui", "--stack", stack]
    words = [*argv, "status", "--watch", "--jsonl", "--controlled", "--interval", "2"]
    feed = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    terminal = Terminal(stack)
    try:
        assert feed.stdout is not None
        first = json.loads(feed.stdout.readline())
        row = next(row for row in first["services"] if row["name"] == name)
        terminal.until(b"healthy")
        pid = row["units"][0]["pid"]
        terminal.seen = b""
        killed = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        found: list[float] = []
        reader = threading.Thread(target=lambda: found.append(until_ill(feed.stdout, name)))
        reader.start()
        # The header counts the healthy ones, whichever row is in view.
        good = sum(one["state"] == "healthy" for one in first["services"])
        terminal.until(f"{good - 1}/".encode())
        shown = time.perf_counter() - killed
        reader.join()
        return found[0] - killed, shown
    finally:
        terminal.close()
        feed.communicate()
        subprocess.run([*argv, "up"], capture_output=True, check=True)


def until_ill(lines: IO[bytes], name: str) -> float:
    """When a line says that the service is not healthy."""
    for line in lines:
        row = next(row for row in json.loads(line)["services"] if row["name"] == name)
        if row["state"] != "healthy":
            break
    return time.perf_counter()


def status(stack: str) -> dict[str, Any]:
    """The stack as it is now."""
    argv = [sys.executable, "-m", "devstack_tui", "--stack", stack, "status", "--json"]
    return dict(json.loads(subprocess.run(argv, capture_output=True, check=False).stdout))


def newest(stack: str) -> tuple[float, float]:
    """Median throughput and p99 of the last runs in the history."""
    argv = [sys.executable, "-m", "devstack_tui", "--stack", stack, "bench", "list", "--json"]
    ended = subprocess.run(argv, capture_output=True, check=True)
    runs = [run for run in json.loads(ended.stdout)["runs"] if run["workload"] == WORKLOAD][:RUNS]
    return (
        statistics.median(run["throughput"] for run in runs),
        statistics.median(run["latency_ms"]["p99"] for run in runs),
    )


if __name__ == "__main__":
    main()
