"""The shell around the panes: help, palette, themes, size, signals, what rests when unseen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devstack_tui.actions import ACTIONS, SCOPES
from devstack_tui.console import settings
from devstack_tui.console.app import DevstackApp
from devstack_tui.console.health.table import HealthTable
from devstack_tui.console.palette import ActionCommands
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.screens.help import key_text
from devstack_tui.console.screens.too_small import TooSmallScreen
from devstack_tui.core.children import Cli

from .kit import FakeFeed, screen_text, until


async def test_the_help_lists_every_action_with_its_key(app: DevstackApp) -> None:
    async with app.run_test(size=(120, 220)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen.query("#help"))
        await pilot.pause()
        shown = screen_text(app)
        for action in ACTIONS:
            assert action.title in shown
            assert action.help[:40] in shown
            assert key_text(action) in shown
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
    assert {action.scope for action in ACTIONS} <= set(SCOPES)


async def test_a_small_terminal_scrolls_the_help_to_its_end(app: DevstackApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen.query("#help"))
        assert ACTIONS[-1].help[:40] not in screen_text(app)
        await pilot.press("end")
        await until(pilot, lambda: ACTIONS[-1].help[:40] in screen_text(app))


async def test_the_palette_has_every_action(app: DevstackApp) -> None:
    async with app.run_test():
        provider = ActionCommands(app.screen)
        found = [hit.text or str(hit.display) async for hit in provider.discover()]
        tabs = [f"Go to {capability.title}" for capability in CAPABILITIES]
        assert found == [*(action.title for action in ACTIONS), *tabs]
        for action in ACTIONS:
            titles = [hit.text async for hit in provider.search(action.title)]
            assert action.title in titles


async def test_every_action_is_bound_where_it_works(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)
        await pilot.press("l")
        await until(pilot, lambda: app.main.query("#log"))
        nodes = {"app": app, "health": app.main.pane, "log": app.main.query_one("#log")}
        for capability in CAPABILITIES[1:]:
            await app.main.show_pane(capability.id)
            nodes[capability.id] = app.main.pane
        for action in ACTIONS:
            node = nodes[action.scope]
            assert hasattr(node, f"action_{action.id}")
            for key in action.key.split(","):
                assert key in node._bindings.key_to_bindings


async def test_the_palette_runs_an_action_of_a_pane(app: DevstackApp) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)
        await app.run_action("app.run_listed('copy_endpoint')")
        assert app.clipboard == "127.0.0.1:18200"
        # An action of a log that is not open says so instead of failing.
        await app.run_action("app.run_listed('log_follow')")
        await app.run_action("app.run_listed('help')")
        await until(pilot, lambda: app.screen.query("#help"))


async def test_a_terminal_that_is_too_small_is_told_and_recovers(app: DevstackApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)
        await pilot.resize_terminal(79, 24)
        await until(pilot, lambda: isinstance(app.screen, TooSmallScreen))
        await pilot.resize_terminal(60, 12)
        await until(pilot, lambda: "this is 60 × 12" in screen_text(app))
        assert "needs 80 × 24" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.screen is app.main)


async def test_the_theme_is_kept(app: DevstackApp, feed: FakeFeed, stub: Cli) -> None:
    async with app.run_test() as pilot:
        app.theme = "okabe-ito"
        await until(pilot, lambda: settings.load().theme == "okabe-ito")
    assert DevstackApp("default", feed=feed, cli=stub).theme == "okabe-ito"


@pytest.mark.parametrize("content", ["{", "[]", '{"theme": 3}', '{"theme": "gone"}', "\xff"])
def test_a_broken_settings_file_is_ignored(
    content: str, tmp_path: Path, feed: FakeFeed, stub: Cli
) -> None:
    path = tmp_path / "config" / "devstack-tui" / "console.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("latin-1"))
    assert DevstackApp("default", feed=feed, cli=stub).theme == settings.DEFAULT_THEME


def test_settings_are_private(tmp_path: Path) -> None:
    settings.save(settings.Settings(theme="nord"))
    path = tmp_path / "config" / "devstack-tui" / "console.json"
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_dialog_lets_the_feed_rest(app: DevstackApp, feed: FakeFeed) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press("question_mark")
        await until(pilot, lambda: feed.said == ["pause"])
        await pilot.press("escape")
        await until(pilot, lambda: feed.said == ["pause", "resume"])
        await pilot.press("f5")
        assert feed.said[-1] == "now"


async def test_a_feed_that_dies_is_told_and_the_console_lives_on(
    monkeypatch: pytest.MonkeyPatch, stub: Cli
) -> None:
    monkeypatch.setenv("STUB_DIES", "1")
    app = DevstackApp("default", cli=stub)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "the stack cannot be read" in screen_text(app))
        assert "look at its directory" in screen_text(app)
        assert "Traceback" not in screen_text(app)
        monkeypatch.delenv("STUB_DIES")
        await pilot.press("f5")
        await until(pilot, lambda: app.main.query_one(HealthTable).row_count == 8)


async def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    app = DevstackApp("default", cli=Cli("default", (str(tmp_path / "none"),)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "status cannot be started" in screen_text(app))


async def test_the_doctor_shows_the_worst_first(app: DevstackApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f2")
        await until(pilot, lambda: "→ apt-get install rabbitmq-server" in screen_text(app))
        shown = screen_text(app)
        assert shown.index("✗ missing") < shown.index("▲ warning") < shown.index("● ok")


def test_every_capability_has_a_pane_that_can_be_loaded() -> None:
    for capability in CAPABILITIES:
        assert capability.load().__name__.endswith("Pane")


def test_the_console_imports_no_driver_and_not_the_stack_facade() -> None:
    import subprocess

    code = (
        "import sys, devstack_tui.console.app, devstack_tui.console.health.pane\n"
        "bad = {'psycopg', 'pymysql', 'pymongo', 'redis', 'hvac', 'pika', 'httpx', 'docker',"
        " 'cryptography', 'devstack_tui.stack.stack', 'devstack_tui.contracts.registry'}\n"
        "sys.exit(', '.join(bad & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
