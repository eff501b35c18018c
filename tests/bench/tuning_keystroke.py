"""What one key costs in the tuning editor, with every parameter of a recorded stack, in ms.

`tuning_keystroke.py [--keys N]`. Informational: machines are noisy, nothing is asserted. The
target is 50 ms with 80 parameters. No server is needed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from devstack_tui.console.tuning.preview import checked, judged
from devstack_tui.tuning.events import Show

RECORDED = Path(__file__).parents[1] / "console" / "tuning_recorded.json"
TYPED = ("5", "51", "512", "512M", "512MB", "512MBx", "900GB", "off", "", "1GB")


def milliseconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Type into every parameter in turn, with a profile's values pending, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=500)
    options = parser.parse_args()
    show = msgspec.json.decode(RECORDED.read_bytes(), type=Show)
    rows = tuple(
        msgspec.structs.replace(row, pending=row.profiles.get("optimized"))
        for row in show.parameters
    )
    show = msgspec.structs.replace(show, parameters=rows)
    known = judged(show).problems
    samples = [
        milliseconds(lambda: checked(show, rows[n % len(rows)], TYPED[n % len(TYPED)], known))  # noqa: B023
        for n in range(options.keys)
    ]
    whole = [milliseconds(lambda: judged(show)) for _ in range(50)]
    out = f"{len(rows)} parameters, {sum(row.pending is not None for row in rows)} pending\n"
    for name, found in (("one key", samples), ("all pending values", whole)):
        p95 = statistics.quantiles(found, n=20)[-1]
        out += f"{name:<20} median {statistics.median(found):6.2f}  p95 {p95:6.2f}"
        out += f"  max {max(found):6.2f} ms\n"
    sys.stdout.write(out)


if __name__ == "__main__":
    main()
