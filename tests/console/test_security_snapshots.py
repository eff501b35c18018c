"""What the Security pane looks like, at 80×24 and 120×40, on recorded results."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.screens.save import SaveScreen
from devstack_tui.console.security.matrix_table import MatrixTable
from devstack_tui.console.security.pane import SecurityPane
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import Clock, FakeFeed, Screen, screen_text, until
from .test_security_pane import KEY, ended, half, pane_of
from .test_snapshots import LARGE, SMALL, Look, Steps

BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


@pytest.fixture
def look(screen: Screen, stub: Cli, recorded: dict[str, StackStatus]) -> Look:
    """Compare the Security pane after some steps, once `text` is shown, with the one on record."""

    def compare(
        size: tuple[int, int], text: str, steps: Steps | None = None, theme: str = ""
    ) -> None:
        feed = FakeFeed(recorded["healthy"])
        app = DevstackApp("default", feed=feed, cli=stub, now=Clock(states.AT + 3))
        if theme:
            app.theme = theme

        async def before(pilot: Pilot[int]) -> None:
            await until(pilot, lambda: app.status is not None)
            await pilot.press(KEY)
            await until(pilot, lambda: app.main.query_one(SecurityPane).checks.row_count == 600)
            if steps is not None:
                await steps(pilot)
            await until(pilot, lambda: text in screen_text(app))
            await pilot.pause()

        screen(app, size, before)

    return compare


def app_of(pilot: Pilot[int]) -> DevstackApp:
    """The app."""
    assert isinstance(pilot.app, DevstackApp)
    return pilot.app


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run waits after its first half."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_CHECK_HOLD", str(path))


async def _running(pilot: Pilot[int]) -> None:
    app = app_of(pilot)
    pane_of(app).suites.select("tls")
    await until(pilot, lambda: pane_of(app).checks.row_count == 337)
    await pilot.press("g")
    await half(app, pilot, 169)
    pane_of(app).suites.select("tls/redis-2")
    await until(pilot, lambda: pane_of(app).checks.row_count == 20)
    await until(pilot, lambda: "tls › redis-2" in screen_text(app))


async def _failed(pilot: Pilot[int]) -> None:
    app = app_of(pilot)
    await pilot.press("a")
    await ended(app, pilot)
    await pilot.press("f", "enter", "down")
    pane_of(app).redraw()
    await until(pilot, lambda: pane_of(app).checks.row_count == 7)


async def _matrix(pilot: Pilot[int]) -> None:
    await pilot.press("m")
    await until(pilot, lambda: pilot.app.screen.query_one(MatrixTable).row_count == 8)
    await pilot.press("n", "n")


async def _export(pilot: Pilot[int]) -> None:
    Input.cursor_blink = False
    await pilot.press("e")
    await until(pilot, lambda: isinstance(pilot.app.screen, SaveScreen))
    await pilot.press("down")


@BOTH
def test_security_before_the_first_run(
    look: Look, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_CHECK_FRESH", "1")
    look(size, "No check was made yet")


@BOTH
@pytest.mark.usefixtures("hold")
def test_security_while_it_runs(look: Look, size: tuple[int, int]) -> None:
    look(size, "169 of 337", _running)


@BOTH
def test_security_with_failures(look: Look, size: tuple[int, int]) -> None:
    look(size, "✗ FAIL · all", _failed)


@BOTH
def test_security_access_matrix(look: Look, size: tuple[int, int]) -> None:
    look(size, "forgejo → mysql", _matrix)


def test_security_export(look: Look) -> None:
    look(SMALL, "● JUnit", _export)


def test_security_for_colour_blind_users(look: Look) -> None:
    look(LARGE, "✗ FAIL · all", _failed, "okabe-ito")


def test_security_without_colours(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    look(SMALL, "✗ FAIL · all", _failed)
