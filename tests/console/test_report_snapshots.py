"""What the Reports pane looks like, at 80×24 and 120×40, on a recorded report."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.report.pane import ReportPane
from devstack_tui.console.widgets.status_line import StatusLine
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from .kit import Clock, FakeFeed, Screen, screen_text, until
from .test_report_pane import KEY
from .test_snapshots import LARGE, SMALL, Look

BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


@pytest.fixture
def look(screen: Screen, stub: Cli, recorded: dict[str, StackStatus]) -> Look:
    """Compare the Reports pane after some keys, and once `text` is shown, with the record."""

    def compare(size: tuple[int, int], *keys: str, text: str, theme: str = "") -> None:
        clock = Clock(0.0)
        app = DevstackApp("default", feed=FakeFeed(recorded["healthy"]), cli=stub, now=clock)
        if theme:
            app.theme = theme

        async def before(pilot: Pilot[int]) -> None:
            await until(pilot, lambda: app.status is not None)
            await pilot.press(KEY)
            await until(pilot, lambda: app.main.query_one(ReportPane).view.report is not None)
            report = app.main.query_one(ReportPane).view.report
            assert report is not None
            clock.at = report.at + 60
            app.main.query_one(StatusLine)._draw()
            await pilot.press(*keys)
            app.main.query_one(ReportPane)._draw()
            await until(pilot, lambda: text in screen_text(app))
            await pilot.pause()

        screen(app, size, before)

    return compare


@BOTH
def test_reports(look: Look, size: tuple[int, int]) -> None:
    look(size, text="Last results")


@BOTH
def test_reports_coverage_filtered(look: Look, size: tuple[int, int]) -> None:
    look(size, "c", "f", text="missing")


@BOTH
def test_reports_suite(look: Look, size: tuple[int, int]) -> None:
    look(size, "down", "enter", text="SKIPPED")


def test_reports_beyond_the_core_checks(look: Look) -> None:
    look(SMALL, "b", text="Missing")


def test_reports_before_the_first_run(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_REPORT", "empty")
    look(SMALL, text="Nothing was measured")


def test_reports_without_colours(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    look(SMALL, "c", text="Failover 1")


def test_reports_for_colour_blind_users(look: Look) -> None:
    look(LARGE, text="Last results", theme="okabe-ito")
