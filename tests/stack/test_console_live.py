"""The console on the real stack."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.pane import BenchPane
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


async def test_an_open_pane_follows_what_others_do_to_the_stack(
    fresh: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.enter(monkeypatch)
    app = DevstackApp(fresh.stack)

    async def run(*words: str) -> None:
        ended = await asyncio.to_thread(fresh.run, *words)
        assert ended.returncode == 0, ended.stderr

    async with app.run_test(size=(120, 40)) as pilot:
        await _until(pilot, lambda: app.status is not None)
        await pilot.press("2")
        await _until(pilot, lambda: isinstance(app.main.pane, BenchPane))
        pane = app.main.pane
        assert isinstance(pane, BenchPane)

        def available(name: str) -> bool:
            return name in pane.view.workloads and pane.view.workloads[name].available

        await _until(pilot, lambda: bool(pane.view.trouble))
        await run("up", "postgres")
        await _until(pilot, lambda: available("postgres.point_select"))
        assert not available("mysql.point_select")
        await run("bench", "run", "postgres.point_select", "--size", "smoke")
        await _until(pilot, lambda: "postgres.point_select" in pane.view.outcomes())
        await _until(pilot, lambda: pane.table.selected == "postgres.point_select")

        os.kill(fresh.status()["postgres"]["units"][0]["pid"], signal.SIGKILL)
        await _until(pilot, lambda: not available("postgres.point_select"))
        assert "postgres.point_select" in pane.view.outcomes(), "what was measured stays"

        await run("down", "--wipe", "--yes")
        await _until(pilot, lambda: not pane.view.outcomes())
        await _until(pilot, lambda: not pane.view.workloads and bool(pane.view.trouble))
        assert app.status is not None
        assert app.status.instance == ""


async def test_a_death_is_reported_before_the_other_services_have_answered(at_home: Cli) -> None:
    rows = at_home.status()
    unit = rows["mongodb"]["units"][0]
    held = [one["pid"] for one in rows["vault"]["units"]]
    watch = at_home.start("status", "--watch", "--jsonl", "--interval", "600", "--controlled")
    assert watch.stdout is not None
    assert watch.stdin is not None
    try:
        watch.stdout.readline()
        # Vault is held still, so that its probe, and those that need it, take their whole time.
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        watch.stdin.write("now\n")
        watch.stdin.flush()
        os.kill(unit["pid"], signal.SIGKILL)
        for line in watch.stdout:
            found = {row["name"]: row for row in msgspec.json.decode(line)["services"]}
            if found["mongodb"]["state"] == "down":
                break
        assert found["vault"]["state"] == "healthy", "the death waited for another answer"
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        watch.communicate(timeout=60)
        assert at_home.run("up").returncode == 0
