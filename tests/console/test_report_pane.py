"""The Reports pane: last results, coverage, filters, details, the copied command, the file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.report.pane import ReportPane
from devstack_tui.console.screens.save import SaveScreen
from devstack_tui.console.screens.sheet import SheetScreen

from .kit import screen_text, until

LARGE, SMALL = (120, 40), (80, 24)
KEY = str(1 + [capability.id for capability in CAPABILITIES].index("report"))
SUITES = 14


def pane_of(app: DevstackApp) -> ReportPane:
    """The pane."""
    return app.main.query_one(ReportPane)


@asynccontextmanager
async def opened(
    app: DevstackApp, size: tuple[int, int] = LARGE, suites: int = SUITES
) -> AsyncIterator[Pilot[int]]:
    """The app with the Reports pane in view and its report read."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(KEY)
        await until(pilot, lambda: pane_of(app).view.report is not None)
        await until(pilot, lambda: pane_of(app).suites.row_count == suites)
        yield pilot


async def test_the_last_result_of_every_suite_and_the_77_checks_are_listed(
    app: DevstackApp,
) -> None:
    async with opened(app) as pilot:
        await until(pilot, lambda: pane_of(app).coverage.row_count == 77)
        text = screen_text(app)
        assert "● PASS" in text
        assert "redis.failover sigkill" in text
        assert "write window" in text
        assert "Failover 1" in text
        assert "/77 core checks PASS · 29 missing" in text
        assert "◐ INCOMPLETE" in text
        assert "y devstack-tui check run approle" in text


async def test_enter_opens_a_suite_with_every_run_of_it(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        pane.suites.focus()
        pane.suites.select("bench redis.get (quick)")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        suite = pane.view.suite("bench redis.get (quick)")
        assert suite is not None
        await until(pilot, lambda: f"the last {len(suite.history)} runs" in screen_text(app))
        assert len(suite.history) > 1
        text = " ".join(screen_text(app).split())
        assert all(past.figures.split(",")[0] in text for past in suite.history)


async def test_enter_opens_a_check_with_what_decided_it(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("c")
        pane_of(app).coverage.select("load.03")
        await pilot.press("enter")
        await until(pilot, lambda: "load tests are not built yet" in screen_text(app))
        assert "NOT BUILT" in screen_text(app)


async def test_filters_and_words_narrow_the_coverage_and_escape_takes_them_away(
    app: DevstackApp,
) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        await pilot.press("f")
        await until(pilot, lambda: 0 < pane.coverage.row_count < 77)
        assert all(row.missing for row in pane.view.coverage().values())
        await until(pilot, lambda: "missing" in screen_text(app))
        await pilot.press("slash", *"load queries", "enter")
        await until(pilot, lambda: list(pane.view.coverage()) == ["load.04"])
        await until(pilot, lambda: "1 of 77" in screen_text(app))
        assert pane.suites.row_count == 0
        await pilot.press("escape")
        await until(pilot, lambda: pane.coverage.row_count == 77)
        assert pane.suites.row_count == SUITES


async def test_words_that_match_nothing_leave_nothing_to_open(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("slash", *"no such thing", "enter")
        await until(pilot, lambda: pane_of(app).coverage.row_count == 0)
        await pilot.press("enter", "y")
        await until(pilot, lambda: any("Nothing runs" in n.message for n in app._notifications))
        assert app.screen is app.main


async def test_the_command_of_the_row_is_copied(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        pane.suites.focus()
        pane.suites.select("drill redis.failover sigkill")
        await pilot.press("y")
        suite = pane.view.suite("drill redis.failover sigkill")
        assert suite is not None
        await until(pilot, lambda: app.clipboard == suite.command)
        assert "drill run redis.failover --fault sigkill" in app.clipboard
        await pilot.press("c")
        pane.coverage.select("perf.01")
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard.endswith("regress"))


async def test_a_check_that_nothing_runs_has_no_command(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("c")
        pane_of(app).coverage.select("load.01")
        await pilot.press("y")
        await until(pilot, lambda: any("Nothing runs" in n.message for n in app._notifications))
        assert app.clipboard == ""


@pytest.mark.parametrize(("keys", "option"), [((), "--html"), (("down",), "--md")])
async def test_the_report_is_written_where_the_user_says(
    app: DevstackApp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: tuple[str, ...],
    option: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(app) as pilot:
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, SaveScreen))
        await pilot.press(*keys, "enter")
        await until(pilot, lambda: any(n.title == "Written" for n in app._notifications))
        path = tmp_path / f"report-default.{option.removeprefix('--')}"
        assert path.read_text() == f"written by {option}\n"


async def test_a_report_that_cannot_be_written_says_why(app: DevstackApp, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with opened(app) as pilot:
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, SaveScreen))
        app.screen.query_one(Input).value = str(tmp_path / "file" / "r.md")
        await pilot.press("enter")
        await until(pilot, lambda: any("Not a directory" in n.message for n in app._notifications))


async def test_escape_writes_nothing(
    app: DevstackApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(app) as pilot:
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, SaveScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        assert list(tmp_path.glob("report*")) == []


async def test_the_counts_beyond_the_core_checks_are_shown(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("b")
        await until(pilot, lambda: "Beyond the core checks" in screen_text(app))
        report = pane_of(app).view.report
        assert report is not None
        for one in report.coverage.beyond:
            assert one.suite in screen_text(app)


async def test_coming_back_and_looking_again_read_the_report_again(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: app.main.pane.id == "health")
        monkeypatch.setenv("STUB_REPORT", "empty")
        await pilot.press(KEY)
        await until(pilot, lambda: pane_of(app).suites.row_count == 0)
        assert "Nothing was measured or checked yet" in screen_text(app)
        monkeypatch.delenv("STUB_REPORT")
        pane_of(app).look_again()
        await until(pilot, lambda: pane_of(app).suites.row_count == SUITES)


async def test_a_report_that_is_refused_says_why_and_how_to_go_on(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_REPORT", "refused")
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(KEY)
        await until(pilot, lambda: "✗ the history is locked → wait" in screen_text(app))


@pytest.mark.parametrize("pane", ["report", "drill", "security"])
async def test_a_history_that_cannot_be_read_is_said_in_every_pane_that_shows_it(
    pane: str, app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "history.db is corrupt: the next run that is kept sets it aside"
    monkeypatch.setenv("STUB_REPORT", "empty")
    monkeypatch.setenv("STUB_HISTORY", note)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(str(1 + [one.id for one in CAPABILITIES].index(pane)))
        await until(pilot, lambda: note in screen_text(app))
        assert "Nothing was measured" not in screen_text(app)


async def test_a_small_terminal_shows_one_of_the_tables(app: DevstackApp) -> None:
    async with opened(app, SMALL) as pilot:
        pane = pane_of(app)
        assert "redis.failover sigkill" in screen_text(app)
        assert "Failover 1" not in screen_text(app)
        await pilot.press("c")
        await until(pilot, lambda: "Failover 1" in screen_text(app))
        assert "redis.failover sigkill" not in screen_text(app)
        assert pane.coverage.has_focus
        await pilot.press("escape")
        await until(pilot, lambda: "redis.failover sigkill" in screen_text(app))
