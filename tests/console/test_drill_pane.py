"""The Drill pane: choosing, planning, running, aborting, evidence, history, exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.drill.job import DrillJobs
from devstack_tui.console.drill.lanes import Window, axis_text, lane_text
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.console.drill.view import DrillView
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.core.children import Cli
from devstack_tui.drill.events import DrillReport
from devstack_tui.jobs.runner import Runner

from .kit import FakeFeed, screen_text, tab, until
from .test_jobs import gone

LARGE = (120, 40)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the children were called with and said."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """While this file is there, a drill waits after its fault."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_DRILL_HOLD", str(path))
    return path


@asynccontextmanager
async def opened(app: DevstackApp, size: tuple[int, int] = LARGE) -> AsyncIterator[Pilot[int]]:
    """The app with the Drill pane in view and its list read."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(tab("drill"))
        await until(pilot, lambda: pane_of(app).choices.row_count == 4)
        await until(pilot, lambda: len(pane_of(app).jobs.listing.history) == 3)
        yield pilot


def pane_of(app: DevstackApp) -> DrillPane:
    """The pane."""
    return app.main.query_one(DrillPane)


async def start(app: DevstackApp, pilot: Pilot[int]) -> None:
    """Start the drill under the cursor, with the stack's name typed."""
    await pilot.press("g")
    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
    await until(pilot, lambda: not app.screen.query_one(Input).disabled)
    await pilot.press(*"default", "enter")
    await until(pilot, lambda: pane_of(app).jobs.current is not None)


def waiting(app: DevstackApp) -> bool:
    """Whether the held drill has come to its fault."""
    job = pane_of(app).jobs.current
    return bool(job and job.timeline and job.timeline.cells == 50 and job.timeline.markers)


async def test_a_drill_starts_only_after_its_plan_and_the_stacks_name(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: "three times in a row" in screen_text(app))
        assert "it is started again" in screen_text(app)
        await until(pilot, lambda: not app.screen.query_one(Input).disabled)
        await pilot.press(*"wrong", "enter")
        await until(pilot, lambda: "that is not the stack's name" in screen_text(app))
        assert "drill run" not in calls.read_text()
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        assert pane_of(app).jobs.current is None


async def test_a_refused_drill_says_why_and_cannot_be_started(
    app: DevstackApp, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_DRILL_REFUSES", "1")
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: "redis-5 is not in sync" in screen_text(app))
        assert app.screen.query_one(Input).disabled
        await pilot.press("enter", "escape")
        await until(pilot, lambda: app.screen is app.main)
        assert "drill run" not in calls.read_text()


async def test_a_drill_shows_its_lanes_map_markers_and_steps(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: "● PASS · redis.failover" in screen_text(app))
        text = screen_text(app)
        assert "● redis-4 master slots 0-5460" in text
        assert "└ ● redis-1 replica link up" in text
        assert "shard 1 write" in text
        assert "lost 0" in text
        assert "write window 2.100 s (expected 1.5–2.0 s)" in text
        assert "redis.failover.12" in text
        run = next(line for line in calls.read_text().splitlines() if "drill run" in line)
        assert "--fault sigkill" in run
        assert "--yes" in run


async def test_fault_victim_and_repeats_are_chosen_by_keys(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("f", "v", "plus", "plus", "minus")
        await start(app, pilot)
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        run = next(line for line in calls.read_text().splitlines() if "drill run" in line)
        assert "--fault sigterm --victim redis-1 --repeat 2" in run


async def test_the_lanes_before_and_after_the_fault_join_without_a_gap(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: waiting(app))
        timeline = pane_of(app).jobs.current.timeline  # type: ignore[union-attr]
        assert timeline is not None
        assert timeline.zero == 30
        assert timeline.lanes["shard 1 write"] == "o" * 30 + "x" * 4 + "." * 16
        hold.unlink()
        await until(pilot, lambda: pane_of(app).jobs.running is None)


async def test_x_aborts_the_drill_and_the_child_heals_before_it_ends(
    app: DevstackApp, calls: Path, hold: Path
) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: waiting(app))
        await until(pilot, lambda: "redis-1 master" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        assert "healed" in calls.read_text()
        await until(pilot, lambda: "aborted" in screen_text(app))
        # What the observers met last is not what the cluster is after it was healed.
        assert "redis-1 master" not in screen_text(app)
        assert hold.exists()


async def test_a_drill_goes_on_behind_another_tab_and_its_end_is_told(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: waiting(app))
        await pilot.press(tab("health"))
        await until(pilot, lambda: app.main.pane.id == "health")
        hold.unlink()
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        await until(pilot, lambda: any("PASS" in n.message for n in app._notifications))


async def test_the_console_heals_a_running_drill_when_it_closes(
    app: DevstackApp, calls: Path, hold: Path
) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: waiting(app))
    pid = int(next(s for s in calls.read_text().splitlines() if s.startswith("pid "))[4:])
    assert "healed" in calls.read_text()
    assert gone(pid)
    assert hold.exists()


async def test_only_one_drill_runs_at_a_time(app: DevstackApp, calls: Path, hold: Path) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: waiting(app))
        await pilot.press("g")
        await until(pilot, lambda: any("x aborts" in n.message for n in app._notifications))
        assert calls.read_text().count("drill run") == 1
        hold.unlink()
        await until(pilot, lambda: pane_of(app).jobs.running is None)


async def test_a_drill_of_a_stopped_service_says_why_it_cannot_run(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: pane_of(app).choices.selected == "rabbitmq.restart")
        await pilot.press("g")
        await until(pilot, lambda: any("does not run" in n.message for n in app._notifications))
        assert app.screen is app.main


async def test_enter_on_a_step_shows_its_evidence(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        await pilot.press("k")
        await until(pilot, lambda: pane_of(app).table.row_count == 5)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        await until(pilot, lambda: "6 nodes: ok, 16384 slots, none pfail" in screen_text(app))


async def test_a_drill_of_the_history_is_opened_and_compared(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("h")
        await until(pilot, lambda: pane_of(app).table.row_count == 3)
        await pilot.press("m", "down", "c")
        await until(pilot, lambda: "the faults differ" in screen_text(app))
        assert "-2.073" not in screen_text(app)
        assert "the figures are not comparable" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        await pilot.press("enter")
        await until(pilot, lambda: pane_of(app).view.report is not None)
        await until(pilot, lambda: "redis.failover · sigkill · PASS" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: pane_of(app).view.report is None)


async def test_n_goes_round_the_repeats_of_a_drill(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("n")
        assert pane_of(app).view.result() is None
        await pilot.press("h")
        await until(pilot, lambda: pane_of(app).table.row_count == 3)
        await pilot.press("enter")
        await until(pilot, lambda: "PASS · 3 of 3: redis-1" in screen_text(app))
        for number in (1, 2, 3, 1):
            await pilot.press("n")
            await until(pilot, lambda n=number: f"PASS · {n} of 3: redis-1" in screen_text(app))  # type: ignore[misc]
        await pilot.press("escape", "h", "enter")
        await until(pilot, lambda: "PASS · 3 of 3: redis-1" in screen_text(app))


async def test_a_turn_shows_the_steps_of_its_repeat_until_the_whole_is_followed(
    stub: Cli,
) -> None:
    jobs = DrillJobs(Runner(stub))
    report = await jobs.report("a1b2c3")
    repeats = tuple(
        msgspec.structs.replace(one, steps=one.steps[: one.repeat]) for one in report.repeats
    )
    view = DrillView(jobs)
    view.turn()
    assert view.result() is None
    view.report = msgspec.structs.replace(report, repeats=repeats)
    assert len(view.steps()) == len(report.steps) > 3
    for number in (1, 2, 3, 1):
        view.turn()
        result, timeline = view.result(), view.timeline()
        assert result is not None and result.repeat == number
        assert timeline is not None and timeline.repeat == number
        assert len(view.steps()) == number
    view.follow()
    assert len(view.steps()) == len(report.steps)


async def test_f5_reads_the_drills_and_their_history_again(
    app: DevstackApp, feed: FakeFeed, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: calls.read_text().count("drill history") == 2)
        assert calls.read_text().count("drill list") == 2
        assert feed.said[-1] == "now"


async def test_the_drill_in_view_is_exported_as_svg_and_json(
    app: DevstackApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        monkeypatch.chdir(tmp_path)
        await pilot.press("w", "e")
        svg = tmp_path / "drill-redis.failover-ffee00.svg"
        text = tmp_path / "drill-redis.failover-ffee00.json"
        await until(pilot, lambda: svg.exists() and text.exists() and text.stat().st_size)
        ET.fromstring(svg.read_text())
        assert msgspec.json.decode(text.read_bytes(), type=DrillReport).id == "ffee00"


async def test_on_a_small_terminal_the_table_takes_the_place_of_the_lanes(
    app: DevstackApp,
) -> None:
    async with opened(app, (80, 24)) as pilot:
        await start(app, pilot)
        await until(pilot, lambda: pane_of(app).jobs.running is None)
        await until(pilot, lambda: "shard 3 read" in screen_text(app))
        await pilot.press("k")
        await until(pilot, lambda: "redis.failover.16" in screen_text(app))
        assert "shard 3 read" not in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "shard 3 read" in screen_text(app))


def test_a_sign_for_many_cells_shows_the_worst_of_them() -> None:
    assert lane_text("ooxo..oooo", Window(0, 2, 5)) == "ox.oo"
    assert lane_text("ooxo..oooo", Window(4, 1, 4)) == "..oo"


def test_the_axis_counts_seconds_from_the_fault() -> None:
    from devstack_tui.console.drill.model import RepeatTimeline

    timeline = RepeatTimeline(1, 50, -1000.0, {"shard 1 write": "o" * 80})
    line = axis_text(timeline, Window(0, 1, 80))
    assert line.index("-1 s") == 0
    assert line.index("0", 4) == 20
    assert line.index("+1 s") == 40
