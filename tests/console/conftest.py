"""What the console's tests share: an app on a recorded stack."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.color import Color
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import STUB, Clock, FakeFeed, Screen, colours_of, screen_text
from .screens import COLOURLESS, COLOURS, PICTURES, SHOWS

Steps = Callable[[Pilot[int]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration and a state directory of their own, a fixed time zone, and colours."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


@pytest.fixture
def recorded() -> dict[str, StackStatus]:
    """The recorded snapshots by name."""
    return states.read()


@pytest.fixture
def stub() -> Cli:
    """A command line without a stack, run as a real child process."""
    return Cli("default", (sys.executable, str(STUB)))


@pytest.fixture
def feed(recorded: dict[str, StackStatus]) -> FakeFeed:
    """A feed that begins with everything healthy."""
    return FakeFeed(recorded["healthy"])


@pytest.fixture
def clock() -> Clock:
    """A clock at the time of the recording."""
    return Clock(states.AT)


@pytest.fixture
def app(feed: FakeFeed, stub: Cli, clock: Clock) -> DevstackApp:
    """The app on the recorded stack."""
    return DevstackApp("default", feed=feed, cli=stub, now=clock)


@pytest.fixture
def screen(snap_compare: Any, request: pytest.FixtureRequest) -> Screen:
    """See that the screen of this test fills the terminal and shows what `screens` says of it; a
    picture is compared with the one on record as well."""
    scene = str(request.node.originalname)

    def check(app: DevstackApp, size: tuple[int, int], before: Steps) -> None:
        async def seen(pilot: Pilot[int]) -> None:
            await before(pilot)
            shown = screen_text(app)
            assert [cell_len(line) for line in shown.split("\n")] == [size[0]] * size[1]
            assert [text for text in SHOWS[scene] if text not in shown] == []
            for text, name in COLOURS.get(scene, {}).items():
                colour = Color.parse(app.theme_variables[name])
                assert colours_of(app, text) == {colour.hex6.lower()}
            if scene in COLOURLESS:
                assert [
                    one for one in colours_of(app) if len({one[1:3], one[3:5], one[5:]}) > 1
                ] == []

        if request.node.name in PICTURES:
            assert snap_compare(app, terminal_size=size, run_before=seen)
            return

        async def run() -> None:
            async with app.run_test(size=size) as pilot:
                await seen(pilot)

        asyncio.run(run())

    return check
