"""What the Bench pane looks like, at 80×24 and 120×40, on recorded events."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.pane import BenchPane
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import Clock, FakeFeed, Screen, screen_text, tab, until
from .test_snapshots import LARGE, SMALL, Look, Steps

BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


@pytest.fixture
def look(screen: Screen, stub: Cli, recorded: dict[str, StackStatus]) -> Look:
    """Compare the Bench pane after some keys, and once `text` is shown, with the one on record."""

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
            await pilot.press(tab("bench"))
            await until(pilot, lambda: app.main.query_one(BenchPane).choices.row_count == 13)
            await until(pilot, lambda: "● redis.get" in screen_text(app))
            await pilot.press(*keys)
            if steps is not None:
                await steps(pilot)
            await until(pilot, lambda: text in screen_text(app))
            await pilot.pause()

        screen(app, size, before)

    return compare


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A benchmark stays in its second run."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_BENCH_HOLD", str(path))
    return path


async def _live(pilot: Pilot[int]) -> None:
    app = pilot.app
    assert isinstance(app, DevstackApp)
    jobs = app.main.query_one(BenchPane).jobs
    await until(pilot, lambda: jobs.current and jobs.current.series)
    series = jobs.current.series  # type: ignore[union-attr]
    assert series is not None
    await until(pilot, lambda: len(series.ticks) == 15)
    app.main.query_one(BenchPane).redraw()


async def _ended(pilot: Pilot[int]) -> None:
    app = pilot.app
    assert isinstance(app, DevstackApp)
    jobs = app.main.query_one(BenchPane).jobs
    await until(pilot, lambda: jobs.current and not jobs.current.running)
    app.main.query_one(BenchPane).redraw()


@BOTH
def test_bench_before_a_run(look: Look, size: tuple[int, int]) -> None:
    look(size, "space", "space", text="g runs 2 workloads")


@BOTH
@pytest.mark.usefixtures("hold")
def test_bench_while_it_runs(look: Look, size: tuple[int, int]) -> None:
    look(size, "space", "space", "g", steps=_live, text="2/3 running")


@pytest.mark.usefixtures("hold")
def test_bench_latency_in_a_small_terminal(look: Look) -> None:
    look(SMALL, "g", "v", "l", "l", steps=_live, text="Latency")


@BOTH
def test_bench_a_workload_that_failed(
    look: Look, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAILS", "postgres.point_select")
    look(size, "space", "space", "g", steps=_ended, text="the disk is full")


@BOTH
def test_bench_history(look: Look, size: tuple[int, int]) -> None:
    look(size, "h", "down", "m", "down", text="History of postgres.tpcb")


def test_bench_a_run_of_the_history(look: Look) -> None:
    look(LARGE, "h", "l", "enter", text="Throughput · postgres.tpcb")


def test_bench_comparison(look: Look) -> None:
    look(SMALL, "h", "c", text="NO DIFFERENCE")


@BOTH
def test_bench_regression_gate(look: Look, size: tuple[int, int]) -> None:
    look(size, "R", steps=_ended, text="Regression gate · FAIL")


def test_bench_evidence(look: Look) -> None:
    async def evidence(pilot: Pilot[int]) -> None:
        await _ended(pilot)
        await pilot.press("k", "enter")

    look(SMALL, "R", steps=evidence, text="samples 91k")


@pytest.mark.usefixtures("hold")
def test_bench_for_colour_blind_users(look: Look) -> None:
    look(LARGE, "g", steps=_live, text="2/3 running", theme="okabe-ito")


@pytest.mark.usefixtures("hold")
def test_bench_in_a_light_theme(look: Look) -> None:
    look(SMALL, "g", steps=_live, text="2/3 running", theme="textual-light")
