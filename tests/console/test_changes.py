"""Starting and stopping from the console, with real child processes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.health.progress import ProgressList
from devstack_tui.console.health.table import HealthTable
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from .kit import FakeFeed, screen_text, until


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which every call of the command line is appended."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file is there, a running verb does not end."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_HOLD", str(path))
    return path


async def ready(pilot: Pilot[int], app: DevstackApp) -> None:
    """Wait for the first snapshot."""
    await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)


async def asked(pilot: Pilot[int], app: DevstackApp, *keys: str) -> str:
    """Press keys until a plan is asked about; returns the plan as shown."""
    await pilot.press(*keys)
    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
    plan = app.screen.query_one("#plan")
    await until(pilot, lambda: "planning" not in str(plan.render()))
    return str(plan.render())


async def test_a_stop_shows_the_plan_and_wants_the_name_of_the_stack(
    app: DevstackApp, calls: Path
) -> None:
    async with app.run_test() as pilot:
        await ready(pilot, app)
        plan = await asked(pilot, app, "down", "x")
        assert "1  postgres" in plan
        await pilot.press(*"default", "enter")
        await until(pilot, lambda: app.jobs.current and app.jobs.current.done)
    assert calls.read_text().splitlines() == [
        "down postgres --plan --jsonl",
        "down postgres --yes --jsonl",
    ]


@pytest.mark.parametrize("key", ["x", "r", "d"])
async def test_a_wrong_name_does_not_run_anything(app: DevstackApp, calls: Path, key: str) -> None:
    async with app.run_test() as pilot:
        await ready(pilot, app)
        await asked(pilot, app, key)
        await pilot.press("enter")
        await pilot.press(*"Default", "enter")
        await until(pilot, lambda: app.screen.query_one("#wrong").display)
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        assert app.jobs.current is None
    assert "--yes" not in calls.read_text()


async def test_a_start_needs_no_name(app: DevstackApp, calls: Path) -> None:
    async with app.run_test() as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "down", "down", "s")
        await pilot.press("enter")
        await until(pilot, lambda: app.jobs.current and app.jobs.current.done)
    assert calls.read_text().splitlines()[-1] == "up mysql --yes --jsonl"


async def test_a_running_up_is_shown_service_by_service(
    app: DevstackApp, hold: Path, feed: FakeFeed
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "u")
        await pilot.press("enter")
        await until(pilot, lambda: app.jobs.running and len(app.jobs.running.progress) == 6)
        await until(pilot, lambda: app.main.query(ProgressList))
        await until(pilot, lambda: "waits for vault" in screen_text(app))
        shown = screen_text(app)
        assert "● ready" in shown
        assert "? probing" in shown
        assert "… waiting" in shown
        hold.unlink()
        await until(pilot, lambda: app.jobs.running is None)
        title = app.main.query_one(ProgressList)
        await until(pilot, lambda: title.border_title == "up · done in 12.3 s")
        assert feed.said[-1] == "now"


async def test_a_failure_shows_its_message_and_remedy(app: DevstackApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "down", "r")
        await pilot.press(*"default", "enter")
        await until(pilot, lambda: app.jobs.current and app.jobs.current.done)
        await until(pilot, lambda: "failed in" in str(app.main.query_one("#progress").border_title))
        shown = screen_text(app)
    assert "the port is taken" in shown
    assert "→ move it: port_offset = 100" in shown
    assert "postgres did not start" in shown
    assert "→ see its log" in shown


async def test_a_second_change_is_refused_while_one_runs(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with app.run_test(notifications=True) as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "u")
        await pilot.press("enter")
        await until(pilot, lambda: app.jobs.running is not None)
        await pilot.press("d")
        await until(pilot, lambda: app._notifications)
        notice = next(iter(app._notifications))
        assert "up is running (pid" in notice.message
        assert app.screen is app.main
        hold.unlink()
        await until(pilot, lambda: app.jobs.running is None)
    assert "down" not in calls.read_text()


async def test_a_change_is_refused_while_another_console_changes_the_stack(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    busy = msgspec.structs.replace(recorded["healthy"], at=1.0, busy="down", busy_pid=77)
    async with app.run_test(notifications=True) as pilot:
        feed.put(busy)
        await until(pilot, lambda: app.status == busy)
        await pilot.press("u")
        await until(pilot, lambda: app._notifications)
        assert "down is running (pid 77)" in next(iter(app._notifications)).message


async def test_a_plan_that_is_refused_cannot_be_confirmed(
    recorded: dict[str, StackStatus], stub: Cli, calls: Path
) -> None:
    vault = msgspec.structs.replace(recorded["healthy"].services[0], name="nothing")
    services = (vault, *recorded["healthy"].services[1:])
    app = DevstackApp("default", feed=FakeFeed(), cli=stub)
    async with app.run_test() as pilot:
        assert isinstance(app.feed, FakeFeed)
        app.feed.put(msgspec.structs.replace(recorded["healthy"], services=services))
        await ready(pilot, app)
        plan = await asked(pilot, app, "s")
        assert "unknown service 'nothing'" in plan
        assert "→ did you mean mysql?" in plan
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
    assert "--yes" not in calls.read_text()


async def test_closing_dialogs_and_leaving_the_progress_never_ends_the_job(
    app: DevstackApp, hold: Path, feed: FakeFeed
) -> None:
    async with app.run_test() as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "u")
        await pilot.press("enter")
        await until(pilot, lambda: app.jobs.running is not None)
        await until(pilot, lambda: app.main.query(ProgressList))
        await pilot.press("escape", "question_mark", "escape", "l", "escape")
        assert app.jobs.running is not None
        # Nobody sees the snapshots behind the help, but the job goes on and wants them.
        assert feed.said.count("pause") == feed.said.count("resume")
        await pilot.press("p")
        await until(pilot, lambda: app.main.query_one(ProgressList).display)
        hold.unlink()
        await until(pilot, lambda: app.jobs.current and app.jobs.current.done)
        assert app.jobs.current is not None
        assert app.jobs.current.done is not None
        assert app.jobs.current.done.exit_code == 0


async def test_quitting_leaves_the_job_running(app: DevstackApp, hold: Path) -> None:
    async with app.run_test() as pilot:
        await ready(pilot, app)
        await asked(pilot, app, "u")
        await pilot.press("enter")
        await until(pilot, lambda: app.jobs.running is not None)
        job = app.jobs.running
        assert job is not None
        await pilot.press("q")
    assert app.left_running is job
    stat = Path(f"/proc/{job.pid}/stat")
    assert stat.read_text().split()[2] not in ("Z", "X")
    hold.unlink()
