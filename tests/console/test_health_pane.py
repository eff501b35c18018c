"""The Health pane: the table, the details, what can be copied."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.health.detail import DetailPanel
from devstack_tui.console.health.rows import COLUMNS
from devstack_tui.console.health.table import HealthTable
from devstack_tui.console.security.rows import CHECKS
from devstack_tui.console.widgets.line_table import fit
from devstack_tui.contracts.model import Repair, StackStatus
from devstack_tui.core.children import Cli, Outage
from devstack_tui.core.redact import CONTROL

from . import states
from .kit import Clock, FakeFeed, screen_text, until


def table_of(app: DevstackApp) -> HealthTable:
    """The table in view."""
    return app.main.query_one(HealthTable)


async def test_every_service_has_a_row_with_its_state_as_glyph_and_word(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        states_shown = [str(table_of(app).get_row_at(n)[0]).strip() for n in range(8)]
    assert states_shown == ["● healthy"] * 7 + ["– absent"]


async def test_before_the_first_snapshot_it_says_what_can_be_done(stub: Cli) -> None:
    app = DevstackApp("default", feed=FakeFeed(), cli=stub)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "looking at the stack" in screen_text(app))
        assert "u brings it up" in screen_text(app)


async def test_what_needs_healing_is_above_the_table_until_it_is_healed(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    repair = Repair("tune", "an interrupted `tune` of redis", "devstack-tui --stack default up")
    healthy = recorded["healthy"]
    broken = msgspec.structs.replace(healthy, notes=(str(repair),), needs_healing=(repair,))
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        assert "needs healing" not in screen_text(app)
        feed.put(broken)
        await until(pilot, lambda: str(repair) in screen_text(app))
        feed.put(healthy)
        await until(pilot, lambda: "needs healing" not in screen_text(app))


async def test_only_the_cells_that_changed_are_updated(
    app: DevstackApp,
    feed: FakeFeed,
    recorded: dict[str, StackStatus],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updated: list[tuple[str, str]] = []
    original = HealthTable.update_cell

    def spy(self: HealthTable, row: str, column: str, value: object, **more: Any) -> None:
        updated.append((row, column))
        original(self, row, column, value, **more)

    monkeypatch.setattr(HealthTable, "update_cell", spy)
    healthy = recorded["healthy"]
    mysql = healthy.get("mysql")
    assert mysql is not None
    busier = msgspec.structs.replace(mysql, memory_bytes=300 * states.MIB, uptime_s=99_999.0)
    services = tuple(busier if s.name == "mysql" else s for s in healthy.services)
    async with app.run_test() as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        feed.put(msgspec.structs.replace(healthy, at=healthy.at + 2))
        feed.put(msgspec.structs.replace(healthy, at=healthy.at + 4, services=services))
        await until(pilot, lambda: app.status is not None and app.status.at == healthy.at + 4)
    assert updated == [("mysql", "uptime"), ("mysql", "memory")]


async def test_the_cursor_stays_on_its_service_through_refreshes_and_resizes(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        await pilot.press("down", "down", "down")
        assert table_of(app).selected == "mongodb"
        feed.put(recorded["master_lost"])
        await until(pilot, lambda: app.status == recorded["master_lost"])
        assert table_of(app).selected == "mongodb"
        await pilot.resize_terminal(140, 40)
        await until(pilot, lambda: len(table_of(app).columns) == len(COLUMNS))
        assert table_of(app).selected == "mongodb"
        fewer = recorded["healthy"].services[1:]
        feed.put(msgspec.structs.replace(recorded["healthy"], at=0.0, services=fewer))
        await until(pilot, lambda: table_of(app).row_count == 7)
        assert table_of(app).selected == "mongodb"


@pytest.mark.parametrize("width", [40, 78, 100, 118, 200])
def test_the_columns_fit(width: int) -> None:
    widths = fit(COLUMNS, width)
    assert {"state", "service"} <= set(widths)
    assert sum(widths.values()) + len(widths) <= width


async def test_the_cells_are_as_wide_as_their_columns(app: DevstackApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        table = table_of(app)
        widths = [column.width for column in table.ordered_columns]
        for place in range(table.row_count):
            assert [cell.cell_len for cell in table.get_row_at(place)] == widths


def test_the_essential_columns_are_there_at_80_and_all_at_120() -> None:
    essential = {"state", "service", "endpoint", "p50", "p95", "trend", "uptime", "memory"}
    assert set(fit(COLUMNS, 78)) == essential
    assert [fit(CHECKS, width)["id"] for width in (51, 100, 150)] == [18, 28, 40]
    assert list(fit(COLUMNS, 118)) == [column.key for column in COLUMNS]


async def test_the_details_say_why_and_what_to_do(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        feed.put(recorded["postgres_down"])
        await until(pilot, lambda: app.status == recorded["postgres_down"])
        await pilot.press("down")
        await pilot.pause()
        screen = screen_text(app)
        title = app.main.query_one(DetailPanel).border_title
    assert "connection to 127.0.0.1:15432 refused" in screen
    assert "signal 9" in screen
    assert "start it again: devstack-tui up postgres" in screen
    assert title == "PostgreSQL ✗ down"


async def test_a_certificate_near_its_end_is_marked(app: DevstackApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        assert "● 355 d left" in screen_text(app)
        await pilot.press("down", "down")
        await until(pilot, lambda: "▲ 52 d left" in screen_text(app))
        await pilot.press("down", "down", "down", "down")
        await until(pilot, lambda: "✗ 21 d left" in screen_text(app))


async def test_recent_events_name_the_node_that_changed(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        await pilot.press("down", "down", "down", "down")
        assert "no change since the console opened" in screen_text(app)
        feed.put(recorded["master_lost"])
        feed.put(recorded["promoted"])
        await until(pilot, lambda: "redis-4 now master" in screen_text(app))
        assert "redis-1 down" in screen_text(app)


async def test_endpoint_and_command_are_copied(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        await pilot.press("down", "c")
        assert app.clipboard == "127.0.0.1:15432"
        await pilot.press("y")
        assert app.clipboard.startswith("psql 'host=127.0.0.1 port=15432")
        assert "password" not in app.clipboard


async def test_control_characters_of_a_server_never_reach_the_terminal(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    vault = recorded["healthy"].services[0]
    evil = msgspec.structs.replace(
        vault, reason="\x1b]0;owned\x07[bold]x[/]\x1b[2J", version="1\x1b[31m", title="[red]V[/]"
    )
    services = (evil, *recorded["healthy"].services[1:])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        feed.put(msgspec.structs.replace(recorded["healthy"], at=1.0, services=services))
        await until(pilot, lambda: app.status is not None and app.status.at == 1.0)
        await until(pilot, lambda: "[bold]x[/]" in screen_text(app))
        screen = screen_text(app)
        assert "[red]V[/]" in screen
        assert "owned" not in screen
        assert "\x1b" not in screen


async def test_no_widget_lets_a_control_character_through(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    hostile = "a\x1b]0;t\x07b\x9bc\u202ed"
    note = msgspec.structs.replace(recorded["healthy"], notes=("first", hostile))
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        feed.put(note)
        await until(pilot, lambda: "a]0;tbcd" in screen_text(app))
        lines = (strip.text for strip in app.screen._compositor.render_strips())
        assert not any(CONTROL.search(line) for line in lines)


async def test_a_dead_feed_is_shown_and_the_next_snapshot_takes_the_notice_away(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        feed.put(Outage("the stack cannot be read", "look at its directory", 2.0))
        await until(pilot, lambda: app.main.query_one("#notice").display)
        text = screen_text(app)
        assert "the stack cannot be read, next try in 2 s" in text
        assert "look at its directory" in text
        feed.put(recorded["promoted"])
        await until(pilot, lambda: not app.main.query_one("#notice").display)


async def test_a_stale_snapshot_is_marked_after_six_seconds(app: DevstackApp, clock: Clock) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: table_of(app).row_count == 8)
        assert "as of 12:00:00" in screen_text(app)
        clock.at += 6
        await pilot.pause()
        assert "stale" not in screen_text(app)
        clock.at += 1
        await until(pilot, lambda: "stale: no look since" in screen_text(app))
        assert "7/7 healthy · 7 s ago" in screen_text(app)


async def test_the_status_line_names_the_verb_that_is_busy_and_its_pid(
    app: DevstackApp, feed: FakeFeed, recorded: dict[str, StackStatus]
) -> None:
    busy = msgspec.structs.replace(recorded["stopped"], busy="up", busy_pid=4242)
    async with app.run_test() as pilot:
        feed.put(busy)
        await until(pilot, lambda: app.status == busy)
        line = screen_text(app)
    assert "default" in line
    assert "embedded" in line
    assert "0/7 healthy" in line
    assert "up is running (pid 4242)" in line
