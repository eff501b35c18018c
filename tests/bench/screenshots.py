"""Render each pane of the console from the live stack: `screenshots.py FOLDER [--stack NAME]`.

The app is the real one, fed by the real stack; only the terminal is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.registry import CAPABILITIES

SIZES = ((80, 24), (120, 40))
# A few looks, so that the sparklines and the percentiles have something to show.
LOOKS = 8
PATIENCE_S = 60


async def render(stack: str, folder: Path) -> list[Path]:
    """One SVG for each capability and size; returns their paths."""
    made = []
    for width, height in SIZES:
        app = DevstackApp(stack)
        async with app.run_test(size=(width, height)) as pilot:
            for number, capability in enumerate(CAPABILITIES, 1):
                await pilot.press(str(number))
                await _watched(app, pilot)
                path = folder / f"{capability.id}-{width}x{height}.svg"
                path.write_text(app.export_screenshot(), encoding="utf-8")
                made.append(path)
    return made


async def _watched(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Wait until the pane has shown several looks at the stack."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while app.status is None or max(s.latency_ms.samples for s in app.status.services) < LOOKS:
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit("the stack was not seen: is it up?")
        await pilot.pause(0.2)
    await pilot.pause()


def main() -> None:
    """Render into the folder that is named, and print each path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stack", default="default")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    for path in asyncio.run(render(options.stack, options.folder)):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
