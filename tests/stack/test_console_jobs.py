"""Every pane of the console with the real command line and the real stack behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.pane import BenchPane
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.console.health.table import HealthTable
from devstack_tui.console.job_pane import JobPane
from devstack_tui.console.report.pane import ReportPane
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.console.security.pane import SecurityPane
from devstack_tui.console.tuning.pane import TuningPane
from devstack_tui.core.check import Status
from devstack_tui.core.events import Done
from devstack_tui.jobs.runner import Runner
from tests.conftest import Cli

PATIENCE_S = 90.0


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await pilot.pause(0.05)


@pytest.fixture
def here(live: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Let consoles of this process find the stack."""
    live.enter(monkeypatch)
    return live


@asynccontextmanager
async def opened(tab: str) -> AsyncIterator[tuple[DevstackApp, Pilot[int]]]:
    """A console with one pane in view; at the end no job of it runs any more."""
    app = DevstackApp("live")
    async with app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: app.status is not None)
        await app.action_show_pane(tab)
        yield app, pilot
    # Nothing that a verb starts, a server least of all, may go on holding the file of its job.
    assert Runner(app.cli).running() == []


async def confirmed(app: DevstackApp, pilot: Pilot[int]) -> None:
    """Type the stack's name once the plan is there."""
    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
    field = app.screen.query_one(Input)
    await until(pilot, lambda: not field.disabled)
    await pilot.press(*"live", "enter")
    await until(pilot, lambda: app.screen is app.main)


async def over(pilot: Pilot[int], pane: JobPane) -> None:
    """Wait until a job has run, and none runs."""
    jobs = pane.jobs
    await until(pilot, lambda: jobs.current is not None and jobs.running is None)
    assert jobs.current is not None
    assert jobs.current.error is None


async def test_health_restarts_a_service(here: Cli) -> None:
    async with opened("health") as (app, pilot):
        table = app.main.query_one(HealthTable)
        await until(pilot, lambda: table.row_count == 8)
        table.focus()
        before = here.status()[table.selected or ""]["units"][0]["pid"]
        await pilot.press("r")
        await confirmed(app, pilot)
        await until(pilot, lambda: app.jobs.current and not app.jobs.current.running)
        job = app.jobs.current
        assert job is not None and isinstance(job.done, Done)
        assert (job.done.exit_code, job.done.message) == (0, "")
        assert here.status()[table.selected or ""]["units"][0]["pid"] != before


async def test_bench_lists_runs_and_keeps_a_workload(here: Cli) -> None:  # noqa: ARG001
    async with opened("bench") as (app, pilot):
        pane = app.main.query_one(BenchPane)
        await until(pilot, lambda: pane.jobs.listing.workloads)
        known = set(pane.jobs.results)
        pane.view.chosen, pane.view.runs = {"redis.get"}, 1
        await pilot.press("g")
        await over(pilot, pane)
        (made,) = set(pane.jobs.results) - known
        assert (await pane.jobs.show(made)).ticks
        assert pane.jobs.all_series["redis.get"].ticks
        assert pane.jobs.current is not None and pane.jobs.current.done.exit_code == 0


async def test_security_makes_the_check_under_the_cursor(here: Cli) -> None:  # noqa: ARG001
    async with opened("security") as (app, pilot):
        pane = app.main.query_one(SecurityPane)
        await until(pilot, lambda: pane.checks.row_count > 100)
        pane.checks.focus()
        pane.checks.select("tls.postgres.chain")
        await pilot.pause()
        chosen = pane.checks.selected
        await pilot.press("r")
        await over(pilot, pane)
        assert pane.jobs.current is not None
        assert list(pane.jobs.current.results) == [chosen]
        assert pane.jobs.rows[chosen or ""].status is Status.PASS
        assert await pane.jobs.matrix()


async def test_tuning_applies_a_value_and_takes_it_back(here: Cli) -> None:
    async with opened("tuning") as (app, pilot):
        pane = app.main.query_one(TuningPane)
        await until(pilot, lambda: pane.jobs.show is not None)
        await pane.jobs.put("postgres", {"work_mem": "6MB"})
        await pane.jobs.load()
        await pilot.press("a")
        await confirmed(app, pilot)
        await over(pilot, pane)
        assert pane.jobs.current is not None and pane.jobs.current.done.exit_code == 0
        shown = here.json("tune", "show", "postgres")["parameters"]
        assert next(row for row in shown if row["name"] == "work_mem")["effective"] == "6MB"
        await until(pilot, lambda: not pane.jobs._reading.locked())
        await pilot.press("u")
        await confirmed(app, pilot)
        await until(pilot, lambda: pane.jobs.current and pane.jobs.current.request.what == "revert")
        await over(pilot, pane)
        assert not pane.jobs.current.failed


async def test_a_drill_that_is_aborted_heals_and_its_history_is_read(here: Cli) -> None:
    async with opened("drill") as (app, pilot):
        pane = app.main.query_one(DrillPane)
        await until(pilot, lambda: pane.jobs.listing.drills)
        pane.choices.select("redis.failover")
        await pilot.pause()
        await pilot.press("g")
        await confirmed(app, pilot)
        await until(pilot, lambda: pane.jobs.current and pane.jobs.current.timeline)
        job = pane.jobs.current
        assert job is not None
        await until(pilot, lambda: any(m.kind == "fault" for m in job.timeline.markers))
        await pilot.press("x")
        await until(pilot, lambda: not job.running)
        assert job.error is None
        assert (job.done.exit_code, job.done.healed) == (130, True)
    assert here.run("status").returncode == 0


async def test_the_report_tells_what_the_panes_did(here: Cli) -> None:  # noqa: ARG001
    async with opened("report") as (app, pilot):
        pane = app.main.query_one(ReportPane)
        await until(pilot, lambda: pane.view.report is not None)
        assert pane.view.trouble == ""
        assert pane.suites.row_count > 0
