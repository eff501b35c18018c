"""What watching costs: a workload with the console open and drawing, against headless.

`watching.py [--pairs N] [--workload NAME] [--stack NAME]`. Informational: the ratios are watched ÷
headless, of throughput and of p99, interleaved.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading

from tests.bench.console import Terminal


def main() -> None:
    """Measure pairs and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--workload", default="redis.get")
    parser.add_argument("--stack", default="default")
    options = parser.parse_args()
    throughput, p99 = [], []
    for number in range(options.pairs):
        order = (False, True) if number % 2 == 0 else (True, False)
        found = {watched: measure(options.stack, options.workload, watched) for watched in order}
        throughput.append(found[True][0] / found[False][0])
        p99.append(found[True][1] / found[False][1])
    for name, ratios in (("throughput", throughput), ("p99", p99)):
        shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
        sys.stdout.write(f"{name:<12} median {statistics.median(ratios):.3f}  ({shown})\n")


def measure(stack: str, workload: str, watched: bool) -> tuple[float, float]:
    """Throughput and p99 of one quick run."""
    if not watched:
        return run(stack, workload)
    terminal = Terminal(stack)
    terminal.until(b"healthy")
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            terminal.read(0.2)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        return run(stack, workload)
    finally:
        done.set()
        reader.join()
        terminal.close()


def run(stack: str, workload: str) -> tuple[float, float]:
    argv = [sys.executable, "-m", "devstack_tui", "--stack", stack, "bench", "run", workload]
    ended = subprocess.run(
        [*argv, "--quick", "--runs", "1", "--json"], capture_output=True, check=True
    )
    (found,) = json.loads(ended.stdout)["runs"]
    return found["throughput"]["median"], found["latency_ms"]["p99"]


if __name__ == "__main__":
    main()
