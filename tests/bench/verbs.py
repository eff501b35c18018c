"""What verbs cost: the CPU time of each, as a ratio to a bare interpreter, `python -c pass`.

`verbs.py [--stack NAME] [--times N]`. Informational: the ratios hold from one machine to the next,
seconds do not. Those that need a running stack are measured on the one that runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from devstack_tui.core.children import OURS

BARE = (sys.executable, "-c", "pass")
VERBS = (
    ("--help",),
    ("up", "--plan"),
    ("bench", "list", "--json"),
    ("tune", "list", "--json"),
    ("check", "list", "--json"),
    ("report", "--json"),
    ("status", "--json"),
    ("tune", "show", "--json"),
)


def seconds(argv: tuple[str, ...], times: int) -> float:
    """The median CPU seconds of the process and its children."""
    found = []
    for _ in range(times):
        before = os.times()
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        after = os.times()
        user = after.children_user - before.children_user
        found.append(user + after.children_system - before.children_system)
    return statistics.median(found)


def main() -> None:
    """Measure each verb, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="default")
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    bare = seconds(BARE, options.times)
    sys.stdout.write(f"{'python -c pass':<20} {bare * 1000:6.0f} ms\n")
    for words in VERBS:
        own = seconds((*OURS, "--stack", options.stack, *words), options.times)
        sys.stdout.write(f"{' '.join(words):<20} {own * 1000:6.0f} ms  × {own / bare:5.1f}\n")


if __name__ == "__main__":
    main()
