"""The console on the real stack."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.contracts.model import State
from tests.conftest import Cli
from tests.stack.clients import leaks

PATIENCE_S = 90.0


@pytest.fixture
def at_home(live: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Let consoles of this process find the stack."""
    live.enter(monkeypatch)
    return live


async def _until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause(0.05)


def _healthy(app: DevstackApp) -> bool:
    return app.status is not None and app.status.healthy


async def test_it_shows_the_stack_and_no_secret(at_home: Cli) -> None:
    app = DevstackApp("live")
    async with app.run_test(size=(120, 40)) as pilot:
        await _until(pilot, lambda: _healthy(app))
        for _ in range(8):
            await pilot.press("down")
            await pilot.pause()
            drawn = app.export_screenshot()
            assert not leaks(at_home, drawn)
            assert "healthy" in drawn


async def test_two_consoles_look_at_one_stack(at_home: Cli) -> None:
    one, two = DevstackApp("live"), DevstackApp("live")
    async with one.run_test() as first, two.run_test() as second:
        await _until(first, lambda: _healthy(one))
        await _until(second, lambda: _healthy(two))
    assert at_home.run("status").returncode == 0


async def test_a_server_that_dies_is_shown_as_down_and_its_last_words(at_home: Cli) -> None:
    pid = at_home.status()["mysql"]["units"][0]["pid"]
    app = DevstackApp("live")
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await _until(pilot, lambda: _healthy(app))
            os.kill(pid, signal.SIGKILL)

            def down() -> bool:
                row = app.status.get("mysql") if app.status else None
                return row is not None and row.state is State.DOWN

            await _until(pilot, down)
            await pilot.pause()
            assert "down" in app.export_screenshot()
    finally:
        assert at_home.run("up").returncode == 0
