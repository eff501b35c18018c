"""How long the console waits for the answer to a question, in ms: warm, and by a new process.

`questions.py [--stack NAME] [--times N]`. Informational: machines are noisy, nothing is asserted.
The target is 150 ms for a list or a plan on an idle machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time

from devstack_tui.core.children import OURS, Cli

QUESTIONS = (
    ("up", "--plan", "--json"),
    ("bench", "list", "--json"),
    ("tune", "list", "--json"),
    ("drill", "list", "--json"),
    ("check", "list", "--json"),
)
WARM_S = 10.0
"""By then it has imported all that it will without being asked."""


async def milliseconds(cli: Cli, words: tuple[str, ...], times: int) -> list[float]:
    """How long each answer takes."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await cli.ask(*words)
        found.append((time.perf_counter() - began) * 1000)
    return found


async def main() -> None:
    """Ask each question many times, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="default")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    warm, cold = Cli(options.stack), Cli(options.stack, [OURS[0], "-s", *OURS[1:]])
    await warm.ask(*QUESTIONS[0])
    await asyncio.sleep(WARM_S)
    for words in QUESTIONS:
        for name, cli in (("warm", warm), ("new process", cold)):
            found = await milliseconds(cli, words, options.times)
            sys.stdout.write(
                f"{' '.join(words[:2]):<12} {name:<12} median {statistics.median(found):6.0f}"
                f"  max {max(found):6.0f} ms\n"
            )
    await warm.close()


if __name__ == "__main__":
    asyncio.run(main())
