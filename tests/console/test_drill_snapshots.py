"""What the Drill pane looks like, at 80×24 and 120×40, on recorded events."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import Clock, FakeFeed, Screen, screen_text, tab, until
from .test_drill_pane import start, waiting
from .test_snapshots import LARGE, SMALL, Look, Steps

BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


@pytest.fixture
def look(screen: Screen, stub: Cli, recorded: dict[str, StackStatus]) -> Look:
    """Compare the Drill pane after some keys, and once `text` is shown, with the one on record."""

    def compare(
        size: tuple[int, int], *keys: str, text: str = "", steps: Steps | None = None,
        theme: str = "",
    ) -> None:  # fmt: skip
        feed = FakeFeed(recorded["healthy"])
        app = DevstackApp("default", feed=feed, cli=stub, now=Clock(states.AT + 3))
        if theme:
            app.theme = theme

        async def before(pilot: Pilot[int]) -> None:
            await until(pilot, lambda: app.status is not None)
            await pilot.press(tab("drill"))
            await until(pilot, lambda: app.main.query_one(DrillPane).choices.row_count == 4)
            await until(pilot, lambda: len(app.main.query_one(DrillPane).jobs.listing.history) == 3)
            if steps is not None:
                await steps(pilot)
            await pilot.press(*keys)
            app.main.query_one(DrillPane).redraw()
            await until(pilot, lambda: text in screen_text(app))
            await pilot.pause()

        screen(app, size, before)

    return compare


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A drill waits after its fault."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_DRILL_HOLD", str(path))


async def _live(pilot: Pilot[int]) -> None:
    app = pilot.app
    assert isinstance(app, DevstackApp)
    await start(app, pilot)
    await until(pilot, lambda: waiting(app))


async def _ended(pilot: Pilot[int]) -> None:
    app = pilot.app
    assert isinstance(app, DevstackApp)
    await start(app, pilot)
    await until(pilot, lambda: app.main.query_one(DrillPane).jobs.running is None)
    await until(pilot, lambda: app.screen is app.main)


@BOTH
def test_drill_before_the_first(look: Look, size: tuple[int, int]) -> None:
    look(size, text="No drill is in view")


@BOTH
@pytest.mark.usefixtures("hold")
def test_drill_while_it_runs(look: Look, size: tuple[int, int]) -> None:
    look(size, steps=_live, text="for a failover")


@BOTH
def test_drill_after_it(look: Look, size: tuple[int, int]) -> None:
    look(size, steps=_ended, text="PASS · redis.failover")


def test_drill_steps_in_a_small_terminal(look: Look) -> None:
    look(SMALL, "k", steps=_ended, text="redis.failover.16")


@BOTH
def test_drill_history(look: Look, size: tuple[int, int]) -> None:
    look(size, "h", "m", "down", text="History")


def test_drill_plan(look: Look) -> None:
    look(SMALL, "p", text="Touched, and how it comes back")


@pytest.mark.usefixtures("hold")
def test_drill_for_colour_blind_users(look: Look) -> None:
    look(LARGE, steps=_live, text="for a failover", theme="okabe-ito")
