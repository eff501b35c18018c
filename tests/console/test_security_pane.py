"""The Security pane: suites, results, filters, running, cancelling, evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.console.security.pane import SecurityPane
from devstack_tui.console.widgets.line_table import LineTable

from .kit import screen_text, until
from .test_jobs import gone

LARGE = (120, 40)
KEY = str(1 + [capability.id for capability in CAPABILITIES].index("security"))
ODD = ("approle.20", "approle.matrix.forgejo.mysql.read", "tls.mysql.tls1_0", "tls.mysql.tls1_1",
       "tls.vault.lifetime", "tls.redis-3.chain", "tls.redis-2-bus.compression")  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the children were called with and said."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """While this file is there, a run waits after its first half."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_CHECK_HOLD", str(path))
    return path


@asynccontextmanager
async def opened(app: DevstackApp, size: tuple[int, int] = LARGE) -> AsyncIterator[Pilot[int]]:
    """The app with the Security pane in view and its checks read."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(KEY)
        await until(pilot, lambda: pane_of(app).checks.row_count == 600)
        yield pilot


def pane_of(app: DevstackApp) -> SecurityPane:
    """The pane."""
    return app.main.query_one(SecurityPane)


def listed(app: DevstackApp) -> list[str]:
    """The ids of the list."""
    return [str(row.key.value) for row in pane_of(app).checks.ordered_rows]


def told(app: DevstackApp, text: str) -> bool:
    """Whether a notice says `text`."""
    return any(text in notice.message for notice in app._notifications)


def runs(calls: Path) -> list[list[str]]:
    """What every `check run` was asked for, without its switches."""
    lines = [line.split() for line in calls.read_text().splitlines()]
    return [
        [word for word in words[2:] if not word.startswith("--")]
        for words in lines
        if words[:2] == ["check", "run"]
    ]


async def ended(app: DevstackApp, pilot: Pilot[int]) -> None:
    """Wait until an audit has begun and is over, and its end is drawn."""
    await until(
        pilot, lambda: pane_of(app).jobs.current is not None and pane_of(app).jobs.running is None
    )
    await pilot.pause()


async def half(app: DevstackApp, pilot: Pilot[int], results: int = 300) -> None:
    """Wait until the held run has told its first half."""
    await until(
        pilot,
        lambda: pane_of(app).jobs.current and len(pane_of(app).jobs.current.results) == results,
    )
    pane_of(app).redraw()


async def test_the_last_results_and_their_age_are_there_at_once(app: DevstackApp) -> None:
    async with opened(app):
        text = screen_text(app)
        assert "● 573 pass  ✗ 3 fail  ▲ 2 warn  ✗ 1 error  ? 1 inconclusive  – 20 skipped" in text
        assert "2 h" in text
        assert "2h 05m ago" in text
        assert "✗ FAIL" not in text
        assert pane_of(app).jobs.current is None


async def test_the_tree_counts_every_suite_and_narrows_the_list(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        counts = {name: dict(branch.counts) for name, branch in pane.view.branches().items()}
        assert counts["tls"] == {"pass": 312, "fail": 2, "warn": 1, "error": 1,
                                 "inconclusive": 1, "skipped": 20}  # fmt: skip
        assert counts["tls/mysql"] == {"pass": 18, "fail": 2}
        assert counts["tls/rabbitmq"] == {"skipped": 20}
        pane.suites.select("tls/mysql")
        await until(pilot, lambda: pane.checks.row_count == 20)
        assert "tls › mysql · 20" in screen_text(app)
        await pilot.press("enter", "ctrl+end")
        await until(pilot, lambda: "tls.mysql.plain ·" in screen_text(app))


async def test_a_suite_is_folded_and_unfolded(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        suites = pane_of(app).suites
        suites.select("tls/vault")
        await until(pilot, lambda: pane_of(app).view.node == "tls/vault")
        before = suites.row_count
        await pilot.press("space")
        await until(pilot, lambda: suites.row_count == before - 16)
        assert suites.selected == "tls"
        assert "▸ tls" in screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: suites.row_count == before)


async def test_the_chosen_check_is_made_alone_and_only_its_cells_change(
    app: DevstackApp, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        pane.suites.select("tls/mysql")
        await until(pilot, lambda: pane.checks.row_count == 20)
        pane.checks.select("tls.mysql.tls1_0")
        await pilot.pause()
        touched: set[str] = set()
        update, rebuild = LineTable.update_cell, LineTable._rebuild

        def spy(table: LineTable, row: str, *rest: object, **options: object) -> None:
            touched.add(f"{table.id}:{row}")
            update(table, row, *rest, **options)  # type: ignore[arg-type]

        def rebuilt(table: LineTable) -> None:
            touched.add(f"{table.id} rebuilt")
            rebuild(table)

        monkeypatch.setattr(LineTable, "update_cell", spy)
        monkeypatch.setattr(LineTable, "_rebuild", rebuilt)
        await pilot.press("r")
        await ended(app, pilot)
        await until(pilot, lambda: "✗ FAIL · tls.mysql.tls1_0" in screen_text(app))
        assert runs(calls) == [["tls.mysql.tls1_0"]]
        assert touched <= {"checks:tls.mysql.tls1_0", "suites:all", "suites:tls",
                           "suites:tls/mysql"}  # fmt: skip
        assert "checks:tls.mysql.tls1_0" in touched
        text = screen_text(app)
        assert "just now" in text
        assert "ServerHello 16 03 01" in text


async def test_a_group_a_suite_and_everything_are_made(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        pane = pane_of(app)
        for node, count in (("tls/vault", 20), ("approle", 263), ("all", 600)):
            pane.suites.select(node)
            await until(pilot, lambda count=count: pane.checks.row_count == count)  # type: ignore[misc]
            await pilot.press("g")
            await ended(app, pilot)
        await pilot.press("a")
        await ended(app, pilot)
        group, suite, everything, again = runs(calls)
        assert len(group) == 20
        assert all(id.startswith("tls.vault.") for id in group)
        assert suite == ["approle"]
        assert everything == again == []


async def test_what_was_not_passed_is_filtered_and_made_again(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("f")
        assert set(listed(app)) == set(ODD)
        await pilot.press("g")
        await ended(app, pilot)
        assert sorted(runs(calls)[0]) == sorted(ODD)


async def test_filters_by_status_severity_and_words(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        found = {}
        for _ in range(8):
            await pilot.press("f")
            found[pane_of(app).view.status] = len(listed(app))
        assert found == {"not passed": 7, "fail": 3, "warn": 2, "error": 1,
                         "inconclusive": 1, "skipped": 20, "stale": 0, "never run": 0}  # fmt: skip
        await pilot.press("f", "v")
        assert pane_of(app).view.severity == "critical"
        assert len(listed(app)) == 257
        await pilot.press("slash", *"forgejo mysql", "enter")
        await until(pilot, lambda: len(listed(app)) == 8)
        assert "critical · “forgejo mysql”  esc all" in screen_text(app)
        assert pane_of(app).checks.has_focus
        await pilot.press("escape")
        assert len(listed(app)) == 600
        await pilot.press("escape")
        assert pane_of(app).suites.has_focus


async def test_a_list_without_a_check_says_so(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("slash", *"nothing such", "enter")
        await until(pilot, lambda: listed(app) == [])
        await pilot.press("r", "g", "c", "enter")
        await until(pilot, lambda: told(app, "no check is shown"))
        assert runs(calls) == []
        assert app.screen is app.main


async def test_results_appear_as_they_come(app: DevstackApp, hold: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await half(app, pilot)
        text = screen_text(app)
        assert "300 of 600" in text
        assert " of 600 · ● " in text and "  ✗ " in text
        assert "approle ▶" not in text
        assert "tls ▶" in text
        lines = pane_of(app).view.lines(app.now())
        assert sum(line.waits for line in lines.values()) == 300
        assert lines["approle.03"].age == "now"
        assert lines["tls.files.00"].age == "2 h"
        pane_of(app).checks.select("tls.files.00")
        await until(pilot, lambda: "… waiting · before: ● PASS" in screen_text(app))
        hold.unlink()
        await ended(app, pilot)
        await until(pilot, lambda: "✗ FAIL · all" in screen_text(app))
        assert not any(line.waits for line in pane_of(app).view.lines(app.now()).values())


async def test_an_audit_goes_on_behind_another_tab_and_its_end_is_told(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await half(app, pilot)
        await pilot.press("1")
        await until(pilot, lambda: app.main.pane.id == "health")
        hold.unlink()
        await ended(app, pilot)
        await until(pilot, lambda: told(app, "all: FAIL"))
        await pilot.press(KEY)
        await until(pilot, lambda: "✗ FAIL · all" in screen_text(app))


async def test_x_cancels_and_the_results_so_far_stay(
    app: DevstackApp, calls: Path, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await half(app, pilot)
        await pilot.press("x")
        await ended(app, pilot)
        await until(pilot, lambda: "cancelled after" in screen_text(app))
        assert "300 of 600 made" in screen_text(app)
        assert "revoked" in calls.read_text()
        assert hold.exists()
        # The stub lists the old results again: the newer ones of this run are kept.
        await until(pilot, lambda: calls.read_text().count("check list") == 2)
        await pilot.pause()
        assert pane_of(app).jobs.rows["approle.03"].at > pane_of(app).jobs.rows["tls.files.00"].at


async def test_the_console_ends_a_running_audit_when_it_closes(
    app: DevstackApp, calls: Path, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await half(app, pilot)
    pid = int(next(s for s in calls.read_text().splitlines() if s.startswith("pid "))[4:])
    assert "revoked" in calls.read_text()
    assert gone(pid)
    assert hold.exists()


async def test_only_one_audit_runs_at_a_time(app: DevstackApp, calls: Path, hold: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await half(app, pilot)
        await pilot.press("r")
        await until(pilot, lambda: told(app, "cancel them"))
        assert len(runs(calls)) == 1
        hold.unlink()
        await ended(app, pilot)


async def test_a_refused_audit_says_why(app: DevstackApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_CHECK_REFUSES", "1")
    async with opened(app) as pilot:
        await pilot.press("a")
        await ended(app, pilot)
        await until(pilot, lambda: "vault is sealed → devstack-tui up vault" in screen_text(app))


async def test_checks_that_cannot_be_listed_say_why_and_are_read_again(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_CHECK_GONE", "1")
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(KEY)
        await until(pilot, lambda: "no such stack → devstack-tui up" in screen_text(app))
        await pilot.press("a", "e")
        assert pane_of(app).jobs.current is None
        monkeypatch.delenv("STUB_CHECK_GONE")
        pane_of(app).look_again()
        await until(pilot, lambda: "573 pass" in screen_text(app))


async def test_before_the_first_run_nothing_counts_as_passed(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_CHECK_FRESH", "1")
    async with opened(app) as pilot:
        text = screen_text(app)
        assert "No check was made yet" in text
        assert "· never run · severity high" in text
        assert pane_of(app).view.counts() == {"never run": 600}
        await pilot.press("c", "e")
        await until(pilot, lambda: told(app, "no evidence"))
        assert app.clipboard == ""
        assert app.screen is app.main


async def test_enter_opens_all_of_the_evidence_and_c_copies_it(app: DevstackApp) -> None:
    async with opened(app, (80, 24)) as pilot:
        pane = pane_of(app)
        await pilot.press("enter")
        pane.checks.select("tls.redis-3.chain")
        await pilot.pause()
        await pilot.press("c")
        assert app.clipboard == (
            "tls.redis-3.chain ERROR: redis-3 does not answer: connection refused on port 16381"
        )
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        await until(pilot, lambda: "◆ proven" in screen_text(app))
        assert "Whoever reaches redis" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_scrolling_builds_nothing_anew_and_filtering_builds_one_table(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        built: list[str | None] = []
        rebuild = LineTable._rebuild

        def spy(table: LineTable) -> None:
            built.append(table.id)
            rebuild(table)

        monkeypatch.setattr(LineTable, "_rebuild", spy)
        await pilot.press("enter", *["down"] * 20, "pagedown", "pageup", "ctrl+end", "ctrl+home")
        assert built == []
        pane_of(app).view.search = "redis"
        pane_of(app)._draw_list()
        assert built == ["checks"]
        assert pane_of(app).checks.row_count == 240
