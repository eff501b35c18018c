"""What the tests of the Tuning pane do again and again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.console.tuning.edit_screen import EditScreen
from devstack_tui.console.tuning.pane import TuningPane

from .kit import screen_text, until

LARGE = (120, 40)


@asynccontextmanager
async def opened(app: DevstackApp, size: tuple[int, int] = LARGE) -> AsyncIterator[Pilot[int]]:
    """The app with the Tuning pane in view and the parameters read."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.status is not None)
        await app.action_show_pane("tuning")
        await until(pilot, lambda: pane_of(app).table.row_count == 104)
        yield pilot


def pane_of(app: DevstackApp) -> TuningPane:
    """The pane."""
    return app.main.query_one(TuningPane)


def words_of(calls: Path, what: str) -> list[str]:
    """The calls of `tune WHAT`."""
    return [s for s in calls.read_text().splitlines() if s.startswith(f"tune {what}")]


def pid_in(calls: Path) -> int:
    """The process of the last job."""
    return int([s for s in calls.read_text().splitlines() if s.startswith("pid ")][-1][4:])


def pending(state: Path) -> dict[str, str]:
    """What the stub keeps as pending."""
    found: dict[str, str] = json.loads(state.read_text())["pending"] if state.exists() else {}
    return found


async def edit(app: DevstackApp, pilot: Pilot[int], value: str) -> None:
    """Open the editor of the row under the cursor and type `value`."""
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, EditScreen))
    app.screen.query_one("#edit-value", Input).value = value
    await pilot.pause()


async def typed(app: DevstackApp, pilot: Pilot[int]) -> None:
    """Type the stack's name once the plan is there."""
    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
    await until(pilot, lambda: "Type the stack's name" in screen_text(app))
    await pilot.press(*"default", "enter")
    await until(pilot, lambda: app.screen is app.main)


async def pend(app: DevstackApp, pilot: Pilot[int], state: Path) -> None:
    """Put `shared_buffers = 512MB` into pending."""
    await pilot.press("down")
    await edit(app, pilot, "512M")
    await pilot.press("enter")
    await until(pilot, lambda: app.screen is app.main)
    assert pending(state) == {"postgres.shared_buffers": "512MB"}
