"""What watching costs: a benchmark run and drawn by the console, against the same one headless.

`watching.py [--pairs N] [--stack NAME]`. Informational: the ratios are watched ÷ headless, of the
median throughput and of the median p99 of a quick `postgres.tpcb`, interleaved.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

from tests.bench.console import Terminal

WORKLOAD = "postgres.tpcb"
RUNS = 3
"""What the console makes of a quick workload by itself."""


def main() -> None:
    """Measure pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--stack", default="default")
    options = parser.parse_args()
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
