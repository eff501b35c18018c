"""Render each pane of the console from a live stack: `screenshots.py FOLDER [--stack NAME]`.

The app is the real one, fed by the real stack; only the terminal is replaced. Without a name the
stack is one of its own, which is brought up for it and wiped afterwards. What would show a stack
that is not healthy, or checks, a drill or a benchmark that do not pass, is refused: no picture is
replaced then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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
from devstack_tui.contracts.model import StackStatus, State

SIZES = ((80, 24), (120, 40))
# A few looks, so that the sparklines and the percentiles have something to show.
LOOKS = 8
PATIENCE_S = 300
PORT_OFFSET = "3700"
OWN = "default"
"""What its own stack is called on the pictures."""


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
        if status is None or unhealthy(status):
            return status is not None
        return max(s.latency_ms.samples for s in status.services) >= LOOKS

    await _until(pilot, looked, "the stack was not seen: is it up?")
    assert app.status is not None
    if ill := unhealthy(app.status):
        raise SystemExit(f"not healthy: {', '.join(ill)}: no picture was made")


async def _measured(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Run the first workload in its quick size, and wait for its last run."""
    jobs = app.main.query_one(BenchPane).jobs
    await _until(pilot, lambda: bool(jobs.listing.workloads), "no workload was listed")
    await pilot.press("g")
    await _until(pilot, lambda: jobs.current is not None, "the benchmark did not begin")
    await _until(pilot, lambda: jobs.running is None, "the benchmark did not end")
    _require("benchmark", "PASS" if jobs.current and not jobs.current.problems else "a problem")


def unhealthy(status: StackStatus) -> list[str]:
    """The services that should run and are not healthy."""
    return [s.name for s in status.services if s.required and s.state is not State.HEALTHY]


def _require(what: str, verdict: str) -> None:
    if verdict != "PASS":
        raise SystemExit(
            f"the {what} ended with {verdict or 'no verdict'}: no picture was replaced"
        )


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
    await _until(pilot, lambda: jobs.current is not None, "the drill did not begin")
    await _until(pilot, lambda: jobs.running is None, "the drill did not end")
    _require("drill", jobs.current.verdict if jobs.current else "")


async def _audited(app: DevstackApp, pilot: Pilot[object]) -> None:
    """Make every check."""
    jobs = app.main.query_one(SecurityPane).jobs
    await _until(pilot, lambda: bool(jobs.rows), "no check was listed")
    await pilot.press("a")
    await _until(pilot, lambda: jobs.current is not None, "the audit did not begin")
    await _until(pilot, lambda: jobs.running is None, "the audit did not end")
    _require("security checks", jobs.current.verdict if jobs.current else "")


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


@contextlib.contextmanager
def own_stack(folder: Path) -> Iterator[str]:
    """A stack of its own below `folder`, which has seen no other run."""
    os.environ |= {name: str(folder) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    verb = [str(Path(sys.executable).with_name("devstack-tui")), "--stack", OWN]
    try:
        if subprocess.run([*verb, "up", "--port-offset", PORT_OFFSET], check=False).returncode:
            raise SystemExit("the stack did not come up: no picture was made")
        yield OWN
    finally:
        subprocess.run([*verb, "down", "--wipe", "--yes"], check=False)


def main() -> None:
    """Render into the folder that is named, and print each path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stack", help="one that runs (default: one of its own)")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shots-") as scratch, contextlib.ExitStack() as held:
        work = Path(scratch)
        work.chmod(0o755)  # servers run as accounts of their own
        drawn = work / "drawn"
        drawn.mkdir()
        stack = options.stack or held.enter_context(own_stack(work))
        for path in asyncio.run(render(stack, drawn)):
            made = options.folder / path.name
            shutil.copyfile(path, made)
            sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
