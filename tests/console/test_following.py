"""Every pane follows the stack by itself, keeps its place, and shows how old a figure is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.pane import BenchPane
from devstack_tui.console.drill.pane import DrillPane
from devstack_tui.console.health.changes import Changed, Followed
from devstack_tui.console.report.pane import ReportPane
from devstack_tui.console.security.pane import SecurityPane
from devstack_tui.console.tuning.pane import TuningPane
from devstack_tui.console.widgets.line_table import Column, LineTable
from devstack_tui.contracts.model import StackStatus
from devstack_tui.present.cells import Cell
from devstack_tui.present.text import ago

from . import states
from .kit import Clock, FakeFeed, colours_of, screen_text, tab, until

PANES = {
    "bench": ("bench list", BenchPane),
    "tuning": ("tune show", TuningPane),
    "drill": ("drill list", DrillPane),
    "security": ("check list", SecurityPane),
    "report": ("report", ReportPane),
}
"""What each pane asks for, by its name."""


def changed(status: StackStatus, **more: object) -> StackStatus:
    return msgspec.structs.replace(status, **more)


# -- what is followed --------------------------------------------------------------------------


@pytest.fixture
def healthy(recorded: dict[str, StackStatus]) -> StackStatus:
    return recorded["healthy"]


def test_the_same_again_is_no_change_and_neither_is_its_age(healthy: StackStatus) -> None:
    followed = Followed()
    assert followed.observe(healthy) is Changed.STATE
    assert followed.observe(changed(healthy, at=healthy.at + 2)) is Changed.NOTHING


def test_another_state_result_or_service_is_a_change(
    healthy: StackStatus, recorded: dict[str, StackStatus]
) -> None:
    followed = Followed()
    followed.observe(healthy)
    assert followed.observe(recorded["postgres_down"]) is Changed.STATE
    assert followed.observe(healthy) is Changed.STATE
    assert followed.observe(changed(healthy, recorded="2")) is Changed.STATE
    assert followed.observe(changed(healthy, services=healthy.services[1:])) is Changed.STATE


def test_a_server_that_was_started_anew_is_a_change(healthy: StackStatus) -> None:
    followed = Followed()
    followed.observe(healthy)
    first, *rest = healthy.services
    units = tuple(msgspec.structs.replace(unit, start_id="9-9") for unit in first.units)
    again = msgspec.structs.replace(first, units=units)
    assert followed.observe(changed(healthy, services=(again, *rest))) is Changed.STATE


def test_what_a_verb_does_is_followed_when_it_has_ended(
    healthy: StackStatus, recorded: dict[str, StackStatus]
) -> None:
    followed = Followed()
    followed.observe(healthy)
    assert followed.observe(changed(recorded["stopped"], busy="down")) is Changed.NOTHING
    assert followed.observe(recorded["stopped"]) is Changed.STATE


def test_another_stack_of_the_name_is_seen_at_once(healthy: StackStatus) -> None:
    followed = Followed()
    followed.observe(healthy)
    assert followed.observe(changed(healthy, instance="", busy="down")) is Changed.IDENTITY
    assert followed.observe(changed(healthy, instance="")) is Changed.STATE
    assert followed.observe(changed(healthy, instance="another")) is Changed.STATE
    assert followed.observe(healthy) is Changed.IDENTITY


# -- the panes ---------------------------------------------------------------------------------


def asked(log: Path, words: str) -> int:
    """How often the command line was asked so."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(line.startswith(words) for line in lines)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "asked"
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


async def opened(app: DevstackApp, pilot: Pilot[int], name: str, log: Path) -> int:
    """Bring a pane into view. Returns how often it has asked."""
    words = PANES[name][0]
    await until(pilot, lambda: app.status is not None)
    await pilot.press(tab(name))
    pane = app.main.pane

    def settled() -> bool:
        busy = any(one.node is pane and not one.is_finished for one in app.workers)
        return pane.id == name and asked(log, words) > 0 and not busy

    await until(pilot, settled)
    return asked(log, words)


@pytest.mark.parametrize("name", PANES)
async def test_a_pane_reads_again_when_the_stack_changes_and_not_otherwise(
    app: DevstackApp, feed: FakeFeed, healthy: StackStatus, log: Path, name: str
) -> None:
    words = PANES[name][0]
    async with app.run_test(size=(120, 40)) as pilot:
        before = await opened(app, pilot, name, log)
        feed.put(changed(healthy, at=healthy.at + 1))
        await until(pilot, lambda: app.status and app.status.at == healthy.at + 1)
        assert asked(log, words) == before
        feed.put(changed(healthy, recorded="another"))
        await until(pilot, lambda: asked(log, words) > before)


@pytest.mark.parametrize("name", PANES)
async def test_a_hidden_pane_reads_again_when_it_is_shown(
    app: DevstackApp, feed: FakeFeed, healthy: StackStatus, log: Path, name: str
) -> None:
    words = PANES[name][0]
    async with app.run_test(size=(120, 40)) as pilot:
        before = await opened(app, pilot, name, log)
        await pilot.press(tab("health"))
        feed.put(changed(healthy, recorded="another"))
        await until(pilot, lambda: app.status and app.status.recorded == "another")
        assert asked(log, words) == before
        await pilot.press(tab(name))
        await until(pilot, lambda: asked(log, words) > before)


async def test_below_a_dialog_a_pane_reads_again_when_that_is_closed(
    app: DevstackApp, feed: FakeFeed, healthy: StackStatus, log: Path
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        before = await opened(app, pilot, "bench", log)
        await pilot.press("question_mark")
        await until(pilot, lambda: len(app.screen_stack) > 1)
        feed.put(changed(healthy, recorded="another"))
        await until(pilot, lambda: app.status and app.status.recorded == "another")
        assert asked(log, "bench list") == before
        await pilot.press("escape")
        await until(pilot, lambda: asked(log, "bench list") > before)


async def test_of_a_stack_that_was_wiped_no_pane_shows_a_result(
    app: DevstackApp,
    feed: FakeFeed,
    healthy: StackStatus,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        for name in PANES:
            await opened(app, pilot, name, log)
        main = app.main
        bench, drill = main.query_one(BenchPane), main.query_one(DrillPane)
        security, tuning = main.query_one(SecurityPane), main.query_one(TuningPane)
        report = main.query_one(ReportPane)
        await until(pilot, lambda: report.view.report is not None)
        assert bench.jobs.results
        assert drill.jobs.listing.history
        assert any(row.status for row in security.jobs.rows.values())
        assert tuning.jobs.show
        # The next answers are of a stack that was never started: none of them brings a result.
        monkeypatch.setenv("STUB_GONE", "1")
        feed.put(changed(healthy, instance="", services=(), at=healthy.at + 1))
        await until(pilot, lambda: report.view.trouble)
        for name in PANES:
            await pilot.press(tab(name))
            await pilot.pause()
        await until(pilot, lambda: bench.view.trouble and security.view.trouble)
        assert not bench.jobs.results
        assert not bench.view.outcomes()
        assert not drill.jobs.listing.history
        assert not security.jobs.rows
        assert tuning.jobs.show is None
        assert report.view.report is None


# -- its place ---------------------------------------------------------------------------------


class Lines(App[None]):
    def compose(self) -> ComposeResult:
        yield LineTable("lines", (Column("key", "KEY", 10, 0, Cell),))


def rows(first: int, last: int) -> dict[str, str]:
    return {f"{number:03}": f"{number:03}" for number in range(first, last)}


async def test_cursor_and_scroll_position_survive_other_rows() -> None:
    app = Lines()
    async with app.run_test(size=(40, 12)) as pilot:
        table = app.query_one(LineTable)
        table.show(rows(0, 100))
        table.select("050")
        await pilot.pause()
        table.scroll_to(y=45, animate=False)
        await pilot.pause()
        assert (table.selected, table.scroll_y) == ("050", 45)
        table.show(rows(0, 101))
        await pilot.pause()
        await pilot.pause()
        assert (table.selected, table.scroll_y) == ("050", 45)


async def test_the_cursor_stays_where_its_row_was_when_that_is_gone() -> None:
    app = Lines()
    async with app.run_test(size=(40, 12)) as pilot:
        table = app.query_one(LineTable)
        table.show(rows(0, 10))
        table.select("005")
        left = rows(0, 10)
        del left["005"]
        table.show(left)
        await pilot.pause()
        assert table.selected == "006"
        table.show(rows(0, 3))
        await pilot.pause()
        assert table.selected == "002"
        table.show(rows(10, 20))
        await pilot.pause()
        assert table.selected == "010", "another list begins at its top"


# -- its age -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s ago"), (59.9, "59 s ago"), (60, "1 min ago"), (3599, "59 min ago"),
     (3600, "1 h ago"), (86399, "23 h ago"), (86400, "1 d ago")],
)  # fmt: skip
def test_an_age_is_in_words(seconds: float, text: str) -> None:
    assert ago(seconds) == text


async def test_an_old_figure_is_grey_with_its_age_while_probes_rest(
    app: DevstackApp, clock: Clock, log: Path
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot, "bench", log)
        await until(pilot, lambda: "7/7 healthy  as of 12:00:00, probes rest" in screen_text(app))
        [green] = colours_of(app, "● 7/7")
        clock.at = states.AT + 301
        await until(pilot, lambda: "● 7/7 healthy · 5 min ago  probes rest" in screen_text(app))
        [grey] = colours_of(app, "● 7/7")
        assert grey != green
        assert "stale" not in screen_text(app)


async def test_old_rows_of_health_are_grey_until_the_next_snapshot(
    app: DevstackApp, feed: FakeFeed, healthy: StackStatus, clock: Clock
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "● healthy  postgres" in screen_text(app))
        green = colours_of(app, "● healthy  postgres")
        clock.at = states.AT + 7
        await until(pilot, lambda: colours_of(app, "● healthy  postgres") != green)
        await until(pilot, lambda: "─ 7 s ago ─" in screen_text(app))
        feed.put(changed(healthy, at=clock.at))
        await until(pilot, lambda: colours_of(app, "● healthy  postgres") == green)
        assert " ago" not in screen_text(app)
