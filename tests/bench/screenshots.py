"""Render each pane of the console from the live stack: `screenshots.py FOLDER [--stack NAME]`.

The app is the real one, fed by the real stack; only the terminal is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.pane import BenchPane
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.report.pane import ReportPane
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.console.security.pane import SecurityPane
from devstack_tui.console.tuning.pane import TuningPane

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
                await READY[capability.id](app, pilot)
                path = folder / f"{capability.id}-{width}x{height}.svg"
                path.write_text(app.export_screenshot(), encoding="utf-8")
                made.append(path)
    return made


async def _watched(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Wait until the pane has shown several looks at the stack."""

    def looked() -> bool:
        status = app.status
        return status is not None and max(s.latency_ms.samples for s in status.services) >= LOOKS

    await _until(pilot, looked, "the stack was not seen: is it up?")


async def _measured(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Run the first workload in its quick size, and wait for its last run."""
    jobs = app.main.query_one(BenchPane).jobs
    await _until(pilot, lambda: bool(jobs.listing.workloads), "no workload was listed")
    await pilot.press("g")
    await _until(pilot, lambda: jobs.running is not None, "the benchmark did not begin")
    await _until(pilot, lambda: jobs.running is None, "the benchmark did not end")


async def _until(pilot: Pilot[object], condition: Callable[[], bool], otherwise: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit(otherwise)
        await pilot.pause(0.2)
    # What the condition reports is on the screen with the next frame.
    await pilot.pause(0.5)


async def _tuned(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Put one value into pending, that needs a restart and relaxes nothing, and look at it."""
    jobs = app.main.query_one(TuningPane).jobs
    await _until(pilot, lambda: jobs.show is not None, "the parameters were not read")
    await jobs.put("postgres", {"shared_buffers": "512MB"})
    await jobs.load()
    await pilot.press("down", "down")
    await pilot.pause(0.5)


async def _drilled(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Run the first drill with its first fault on one victim."""
    jobs = app.main.query_one(DrillPane).jobs
    await _until(pilot, lambda: bool(jobs.listing.drills), "no drill was listed")
    await pilot.press("g")
    await _until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the plan did not come")
    typed = app.screen.query_one(Input)
    await _until(pilot, lambda: not typed.disabled, "nothing asks for the name")
    await pilot.press(*app.stack, "enter")
    await _until(pilot, lambda: jobs.running is not None, "the drill did not begin")
    await _until(pilot, lambda: jobs.running is None, "the drill did not end")


async def _audited(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Make every check."""
    jobs = app.main.query_one(SecurityPane).jobs
    await _until(pilot, lambda: bool(jobs.rows), "no check was listed")
    await pilot.press("a")
    await _until(pilot, lambda: jobs.running is not None, "the audit did not begin")
    await _until(pilot, lambda: jobs.running is None, "the audit did not end")


async def _reported(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Wait until the last results are there."""
    pane = app.main.query_one(ReportPane)
    await _until(pilot, lambda: pane.view.report is not None, "the report was not made")


READY = {
    "health": _watched,
    "bench": _measured,
    "tuning": _tuned,
    "drill": _drilled,
    "security": _audited,
    "report": _reported,
}


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
