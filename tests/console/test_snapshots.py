"""What the console looks like: SVG snapshots of the recorded stack, at 80×24 and 120×40.

After a change that is meant: `pytest tests/console/test_snapshots.py --snapshot-update`, then look
at every file that changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.health.doctor_screen import DoctorScreen
from devstack_tui.console.health.log_view import LogView
from devstack_tui.console.health.progress import ProgressList
from devstack_tui.console.screens.too_small import TooSmallScreen
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from .kit import Clock, FakeFeed, Screen, until

Steps = Callable[[Pilot[int]], Awaitable[None]]
Look = Callable[..., None]
SMALL, LARGE = (80, 24), (120, 40)


@pytest.fixture
def look(screen: Screen, stub: Cli, recorded: dict[str, StackStatus]) -> Look:
    """Compare the screen after the named snapshots and `steps` with the one on record."""

    def compare(
        size: tuple[int, int], *names: str, steps: Steps | None = None, theme: str = ""
    ) -> None:
        feed = FakeFeed(*(recorded[name] for name in names))
        now = Clock(recorded[names[-1]].at + 3)
        app = DevstackApp("default", feed=feed, cli=stub, now=now)
        if theme:
            app.theme = theme

        async def before(pilot: Pilot[int]) -> None:
            last = recorded[names[-1]]
            await until(pilot, lambda: app.status is not None and app.status.at == last.at)
            if steps is not None:
                await steps(pilot)
            await pilot.pause()

        screen(app, size, before)

    return compare


def pressed(*keys: str) -> Steps:
    """Press keys."""

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press(*keys)

    return steps


async def _planned(pilot: Pilot[int]) -> None:
    Input.cursor_blink = False
    await until(pilot, lambda: "Plan" in str(pilot.app.screen.query_one("#plan").render()))


async def _log(pilot: Pilot[int]) -> None:
    await pilot.press("down", "l")
    await until(pilot, lambda: len(pilot.app.screen.query_one(LogView).buffer) == 7)


async def _search(pilot: Pilot[int]) -> None:
    await _log(pilot)
    await pilot.press("slash", *"log", "enter")


async def _stop(pilot: Pilot[int]) -> None:
    await pilot.press("down", "x")
    await until(pilot, lambda: pilot.app.screen.query("#plan"))
    await _planned(pilot)


async def _ended(pilot: Pilot[int]) -> None:
    app = pilot.app
    assert isinstance(app, DevstackApp)
    await until(pilot, lambda: app.jobs.current is not None and app.jobs.current.done)
    await until(pilot, lambda: app.screen is app.main and app.screen.query(ProgressList))
    await until(pilot, lambda: "in" in str(app.screen.query_one(ProgressList).border_title))


async def _up(pilot: Pilot[int]) -> None:
    await pilot.press("u")
    await until(pilot, lambda: pilot.app.screen.query("#plan"))
    await _planned(pilot)
    await pilot.press("enter")
    await _ended(pilot)


async def _restart(pilot: Pilot[int]) -> None:
    await pilot.press("down", "r")
    await until(pilot, lambda: pilot.app.screen.query("#plan"))
    await _planned(pilot)
    await pilot.press(*"default", "enter")
    await _ended(pilot)


async def _doctor(pilot: Pilot[int]) -> None:
    await pilot.press("f2")
    await until(pilot, lambda: isinstance(pilot.app.screen, DoctorScreen))
    findings = pilot.app.screen.query_one("#sheet-body")
    await until(pilot, lambda: not findings.has_class("quiet"))


async def _too_small(pilot: Pilot[int]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, TooSmallScreen))


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_a_healthy_stack(look: Look, size: tuple[int, int]) -> None:
    look(size, "healthy")


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_a_degraded_cluster_with_its_nodes_and_events(look: Look, size: tuple[int, int]) -> None:
    steps = pressed("down", "down", "down", "down")
    look(size, "healthy", "master_lost", "promoted", steps=steps)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_a_service_that_is_down(look: Look, size: tuple[int, int]) -> None:
    look(size, "healthy", "postgres_down", steps=pressed("down"))


def test_a_stopped_stack(look: Look) -> None:
    look(SMALL, "stopped")


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_a_log(look: Look, size: tuple[int, int]) -> None:
    look(size, "healthy", steps=_log)


def test_a_search_in_a_log(look: Look) -> None:
    look(LARGE, "healthy", steps=_search)


def test_the_question_before_a_stop(look: Look) -> None:
    look(SMALL, "healthy", steps=_stop)


def test_an_up_that_is_done(look: Look) -> None:
    look(SMALL, "stopped", steps=_up)


def test_a_restart_that_failed(look: Look) -> None:
    look(LARGE, "healthy", steps=_restart)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
def test_the_help(look: Look, size: tuple[int, int]) -> None:
    look(size, "healthy", steps=pressed("question_mark"))


def test_the_doctor(look: Look) -> None:
    look(SMALL, "healthy", steps=_doctor)


def test_a_terminal_that_is_too_small(look: Look) -> None:
    look((70, 20), "healthy", steps=_too_small)


def test_the_theme_for_colour_blind_users(look: Look) -> None:
    look(LARGE, "healthy", "postgres_down", theme="okabe-ito")


def test_a_light_theme(look: Look) -> None:
    look(SMALL, "healthy", "master_lost", theme="textual-light")
