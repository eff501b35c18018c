"""The Tuning pane: reading, editing, pending values, advice, history, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from devstack_tui.actions import in_scope
from devstack_tui.console.app import DevstackApp
from devstack_tui.console.screens.ask import ChooseScreen, FileScreen, NameScreen
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.console.tuning.edit_screen import EditScreen
from devstack_tui.console.tuning.pane import TuningPane

from .kit import screen_text, until
from .tuning_kit import LARGE, edit, opened, pane_of, pend, pending, words_of


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the stub was asked to set."""
    path = tmp_path / "state"
    monkeypatch.setenv("STUB_TUNE_STATE", str(path))
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the children were called with and said."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


async def test_every_parameter_is_listed_below_its_service_with_what_is_known_of_it(
    app: DevstackApp,
) -> None:
    async with opened(app) as pilot:
        await pilot.press("down")
        await until(pilot, lambda: "postgres.shared_buffers" in screen_text(app))
        text = screen_text(app)
        row = next(line for line in text.splitlines() if line.startswith("  shared_buffers"))
        assert row.split()[1:] == [
            "256MB", "config", "file", "256MB", "512MB", "512MB", "restart",
        ]  # fmt: skip
        for label in ("What", "Now", "Applied", "Values", "Range"):
            assert f"│ {label} " in text
        assert "by profile baseline" in text
        assert "restart: the server ends and starts again" in text
        assert "● fits" in text


async def test_an_edit_is_validated_with_every_key_and_told_what_it_does_to_the_memory(
    app: DevstackApp, state: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("down")
        await edit(app, pilot, "512M")
        await until(pilot, lambda: "● 512MB" in screen_text(app))
        assert "(+256 M)" in screen_text(app)
        field = app.screen.query_one("#edit-value", Input)
        field.value = "12 parsecs"
        await until(pilot, lambda: "✗ postgres.shared_buffers: unknown unit" in screen_text(app))
        await pilot.press("enter")
        assert isinstance(app.screen, EditScreen)
        field.value = "900GB"
        await until(pilot, lambda: "does not fit" in screen_text(app))
        assert "✗" in screen_text(app)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: app.screen is app.main)
    assert pending(state) == {}


async def test_a_relaxed_value_warns_before_and_after_it_is_pending(
    app: DevstackApp, state: Path
) -> None:
    async with opened(app) as pilot:
        pane_of(app).table.select("postgres.synchronous_commit")
        await edit(app, pilot, "off")
        await until(pilot, lambda: "▲ off: development only" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "▲ relaxed" in screen_text(app))
        assert "▲ development only: a crash" in screen_text(app)
    assert pending(state) == {"postgres.synchronous_commit": "off"}


async def test_the_arrows_offer_the_values_that_are_known(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("down", "e")
        await until(pilot, lambda: isinstance(app.screen, EditScreen))
        field = app.screen.query_one("#edit-value", Input)
        assert field.value == "256MB"
        await pilot.press("down")
        assert field.value == "128MB"
        await pilot.press("up", "up")
        assert field.value not in ("128MB", "256MB")


async def test_what_the_verb_refuses_is_said_in_the_editor(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        await pilot.press("down")
        await edit(app, pilot, "1GB")
        monkeypatch.setenv("STUB_TUNE_SET_REFUSES", "1")
        await pilot.press("enter")
        await until(pilot, lambda: "✗ nothing was set: up (pid 7)" in screen_text(app))
        assert "→ wait for its end" in screen_text(app)
        assert isinstance(app.screen, EditScreen)


async def test_pending_values_are_marked_compared_and_dropped(
    app: DevstackApp, state: Path
) -> None:
    async with opened(app) as pilot:
        await pend(app, pilot, state)
        await until(pilot, lambda: "◆ 512MB" in screen_text(app))
        assert "◆ 1 pending" in screen_text(app)
        assert "↻ restart" in screen_text(app)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        await until(pilot, lambda: "Memory: sure" in screen_text(app))
        assert "postgres.shared_buffers  256MB  512MB    restart" in screen_text(app)
        await pilot.press("escape", "backspace")
        await until(pilot, lambda: "◆" not in screen_text(app))
        await until(pilot, lambda: pending(state) == {})


async def test_a_profile_goes_into_pending_where_it_differs_and_all_can_be_dropped(
    app: DevstackApp, state: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, ChooseScreen))
        assert "nothing differs" in screen_text(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "mongodb.wiredTigerCacheSizeGB" in pending(state))
        await until(pilot, lambda: pane_of(app).jobs.putting == 0)
        found = pending(state)
        assert found["postgres.synchronous_commit"] == "off"
        assert found["redis.maxmemory"] == "512MB"
        assert "postgres.jit" not in found
        await until(pilot, lambda: f"◆ {len(found)} pending" in screen_text(app))
        await pilot.press("D")
        await until(pilot, lambda: pending(state) == {})
        await until(pilot, lambda: "pending ·" not in screen_text(app))
    assert len(words_of(calls, "set")) == 4
    assert words_of(calls, "revert") == ["tune revert --pending --yes --json"]


async def test_a_profile_is_saved_under_a_name_of_ones_own(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, NameScreen))
        await pilot.press(*"durable", "enter")
        await until(pilot, lambda: "✗ there is durable already" in screen_text(app))
        await pilot.press("minus", *"x", "enter")
        await until(pilot, lambda: words_of(calls, "save"))
    assert words_of(calls, "save") == ["tune save durable-x --from current --json"]


async def test_a_configuration_file_becomes_a_profile(
    app: DevstackApp, calls: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pg.conf"
    file.touch()
    async with opened(app) as pilot:
        await pilot.press("I")
        await until(pilot, lambda: isinstance(app.screen, FileScreen))
        field = app.screen.query_one("#save-path", Input)
        field.value = str(tmp_path / "missing")
        await pilot.press("enter")
        await until(pilot, lambda: "is no file" in screen_text(app))
        field.value = str(file)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NameScreen))
        await pilot.press(*"pg", "enter")
        await until(pilot, lambda: "line 2: jit: expected on or off" in screen_text(app))
        assert "postgres.work_mem = 16MB (understood: 16384 → 16 MB)" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "pg" in pane_of(app).view.profiles)
    assert words_of(calls, "import") == [f"tune import {file} --as pg --json"]


async def test_a_number_that_is_typed_shows_what_it_means(app: DevstackApp, state: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("down")
        await edit(app, pilot, "shared_buffers = 65536")
        await until(pilot, lambda: "shared_buffers = 65536 → 512 MB" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
    assert pending(state) == {"postgres.shared_buffers": "512MB"}


async def test_an_advice_has_a_reason_and_a_key_that_puts_it_into_pending(
    app: DevstackApp, state: Path
) -> None:
    async with opened(app, (80, 24)) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: "▸ at most 12% of the" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: pending(state) == {"postgres.shared_buffers": "1GB"})
        await until(pilot, lambda: "◆ 1GB" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: pane_of(app).table.has_focus)


async def test_the_history_tells_who_and_which_source_won(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("H")
        await until(pilot, lambda: "3 11-02 06:33:20 ● applied" in screen_text(app))
        assert "○ undone" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        await until(pilot, lambda: "by profile baseline ● applied" in screen_text(app))
        assert "configuration file" in screen_text(app)


async def test_the_filter_and_only_changed_narrow_the_table_and_escape_widens_it(
    app: DevstackApp,
) -> None:
    async with opened(app) as pilot:
        table = pane_of(app).table
        await pilot.press("slash", *"redis append")
        await until(pilot, lambda: 2 < table.row_count < 10)
        await pilot.press("enter")
        assert table.has_focus
        await pilot.press("escape")
        await until(pilot, lambda: table.row_count == 104)
        await pilot.press("o")
        await until(pilot, lambda: table.row_count < 30)
        assert "ALTER SYSTEM" in screen_text(app)
        await pilot.press("slash", *"no such thing")
        await until(pilot, lambda: "no parameter matches" in screen_text(app))


async def test_a_service_that_is_down_says_so_and_the_others_are_shown(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_TUNE_DOWN", "postgres")
    async with opened(app) as pilot:
        await until(pilot, lambda: "✗ postgres is down" in screen_text(app))
        assert "postgres is stopped" in screen_text(app)
        assert "s in Health starts it" in screen_text(app)
        await pilot.press("slash", *"mysql", "enter")
        await until(pilot, lambda: "● mysql" in screen_text(app))


async def test_services_with_parameters_may_be_down_in_a_stack_that_is_not(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_TUNE_DOWN", "postgres mysql mongodb redis")
    async with opened(app) as pilot:
        said = "✗ no service with parameters runs: u in Health starts it"
        await until(pilot, lambda: said in screen_text(app))


async def test_parameters_that_cannot_be_read_say_why_and_f5_tries_again(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_TUNE_REFUSES", "1")
    async with app.run_test(size=LARGE) as pilot:
        await app.action_show_pane("tuning")
        said = "✗ the stack was never started → devstack-tui up"
        await until(pilot, lambda: said in screen_text(app))
        for key in (*"eDpdasiTkcAxvHoolr", "enter", "backspace", "escape", "slash", "escape"):
            await pilot.press(key)
        assert app.screen is app.main
        monkeypatch.delenv("STUB_TUNE_REFUSES")
        await pilot.press("f5")
        await until(pilot, lambda: pane_of(app).table.row_count == 104)


async def test_every_action_of_the_pane_has_a_key_and_a_method() -> None:
    keys = [key for action in in_scope("tuning") for key in action.key.split(",")]
    assert len(keys) == len(set(keys))
    for action in in_scope("tuning"):
        assert action.key
        assert hasattr(TuningPane, f"action_{action.id}")
