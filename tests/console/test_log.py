"""The log view: what is shown, followed, filtered and searched."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.health.log_buffer import KEPT, Line, LogBuffer, PatternError
from devstack_tui.console.health.log_view import LogView
from devstack_tui.console.health.table import HealthTable

from .kit import screen_text, until


async def opened(pilot: Pilot[int], app: DevstackApp) -> LogView:
    """The log of PostgreSQL with its seven lines."""
    await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)
    await pilot.press("down", "l")
    await until(pilot, lambda: app.main.query(LogView))
    view = app.main.query_one(LogView)
    await until(pilot, lambda: len(view.buffer) == 7)
    return view


def lines(*texts: str) -> list[Line]:
    """Lines of one unit."""
    return [Line("redis-1", text) for text in texts]


async def test_markup_and_escapes_in_log_text_are_shown_literally(app: DevstackApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, app)
        await pilot.pause()
        shown = screen_text(app)
    assert "[bold red]database system[/] is ready" in shown
    assert "LOG:  checkpoint complete" in shown
    assert "\x1b" not in shown


async def test_the_newest_line_stays_in_view_until_following_is_turned_off(
    app: DevstackApp,
) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)
        await pilot.press("down", "down", "down", "down", "l")
        await until(pilot, lambda: "redis-1  line 300" in screen_text(app))
        view = app.main.query_one(LogView)
        await pilot.press("f", "home")
        await until(pilot, lambda: view.lines.top == 0)
        view.add(lines("line 301"))
        await pilot.pause()
        assert "redis-1  line 1" in screen_text(app)
        await pilot.press("f")
        await until(pilot, lambda: "redis-1  line 301" in screen_text(app))


async def test_a_filter_shows_only_the_lines_that_match(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        view = await opened(pilot, app)
        await pilot.press("ampersand", *"error|warn", "enter")
        await until(pilot, lambda: len(view.buffer.shown) == 2)
        assert "2 of 7 lines match error|warn" in str(view.border_title)
        await pilot.press("ampersand", *["backspace"] * 10, "enter")
        await until(pilot, lambda: len(view.buffer.shown) == 7)


async def test_a_bad_filter_gives_a_message_and_changes_nothing(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        view = await opened(pilot, app)
        await pilot.press("ampersand", *"[log", "enter")
        message = view.query_one("#log-message")
        await until(pilot, lambda: message.display)
        assert "not a regular expression: unterminated character set" in str(message.render())
        assert len(view.buffer.shown) == 7
        await pilot.press("escape")
        assert not message.display
        assert view.lines.has_focus


async def test_a_search_goes_to_the_newest_match_and_n_and_shift_n_walk(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        view = await opened(pilot, app)
        await pilot.press("slash", *"log:", "enter")
        assert view.lines.current == 6
        await pilot.press("n")
        assert view.lines.current == 0
        await pilot.press("n")
        assert view.lines.current == 1
        await pilot.press("N", "N")
        assert view.lines.current == 6
        assert not view.lines.follow


async def test_escape_closes_the_log_and_a_second_l_does_too(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        view = await opened(pilot, app)
        await pilot.press("escape")
        assert not view.display
        assert app.main.query_one(HealthTable).has_focus
        await pilot.press("l")
        await until(pilot, lambda: view.display and len(view.buffer) == 7)
        await pilot.press("l")
        await until(pilot, lambda: not view.display)


def test_the_buffer_keeps_the_last_lines_only() -> None:
    buffer = LogBuffer()
    buffer.set_filter("even")
    dropped = buffer.extend(lines(*(f"{n} {'odd' if n % 2 else 'even'}" for n in range(KEPT + 10))))
    assert len(buffer) == KEPT
    assert dropped == 5
    assert buffer.shown[0].text == "10 even"
    buffer.set_filter("")
    assert len(buffer.shown) == KEPT


def test_a_search_ignores_case_unless_it_has_a_capital() -> None:
    buffer = LogBuffer()
    buffer.extend(lines("Error", "error"))
    buffer.set_search("error")
    assert buffer.find(-1, 1) == 0
    buffer.set_search("Error")
    assert buffer.find(0, 1) == 0
    buffer.set_search("warning")
    assert buffer.find(0, 1) is None


@pytest.mark.parametrize("pattern", ["[", "(", "*a", "a{2,1}", "(?P<x"])
def test_a_pattern_that_is_none_is_refused_with_its_place(pattern: str) -> None:
    buffer = LogBuffer()
    buffer.extend(lines("a"))
    with pytest.raises(PatternError, match="not a regular expression"):
        buffer.set_filter(pattern)
    assert len(buffer.shown) == 1
