"""The access matrix and the export of the Security pane."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.screens.save import SaveScreen
from devstack_tui.console.security.matrix_screen import AccessMatrixScreen
from devstack_tui.console.security.matrix_table import MatrixTable
from devstack_tui.security.events import AuditReport

from .kit import screen_text, until
from .test_security_pane import opened

# --- the matrix ------------------------------------------------------------------------------


async def test_the_matrix_shows_declared_against_real(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AccessMatrixScreen))
        await until(pilot, lambda: app.screen.query_one(MatrixTable).row_count == 8)
        text = screen_text(app)
        assert "✗ 3 of 280 differ: 2 open that nothing declares, 1 shut" in text
        assert "? 1 not seen" in text
        assert "✗ open r" in text
        assert "▼ shut r" in text
        assert "? unseen l" in text
        table = app.screen.query_one(MatrixTable)
        table.move_cursor(row=5, column=2)
        await until(pilot, lambda: "forgejo → mysql" in screen_text(app))
        words = r"✗ open +read +secret/mysql +declared: denied +real: allowed"
        assert re.search(words, screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_n_goes_from_one_difference_to_the_next(app: DevstackApp) -> None:
    async with opened(app, (80, 24)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AccessMatrixScreen))
        table = app.screen.query_one(MatrixTable)
        await until(pilot, lambda: table.row_count == 8)
        seen = []
        for key in ("n", "n", "n", "n", "N"):
            await pilot.press(key)
            seen.append(tuple(table.cursor_coordinate))
        assert seen == [(3, 5), (5, 2), (5, 4), (0, 1), (5, 4)]


async def test_the_matrix_scrolls_on_a_small_terminal_and_the_roles_stay(app: DevstackApp) -> None:
    async with opened(app, (80, 24)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AccessMatrixScreen))
        await until(pilot, lambda: app.screen.query_one(MatrixTable).row_count == 8)
        head = "forgejo     reference-api"
        assert head not in screen_text(app)
        await pilot.press(*["right"] * 6)
        await until(pilot, lambda: head in screen_text(app))
        assert "│ postgres  " in screen_text(app)
        assert "✗ open r" not in screen_text(app)


async def test_a_matrix_that_cannot_be_had_says_why(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        monkeypatch.setenv("STUB_CHECK_GONE", "1")
        await pilot.press("m")
        await until(pilot, lambda: "no such stack → devstack-tui up" in screen_text(app))
        monkeypatch.delenv("STUB_CHECK_GONE")
        await pilot.press("r")
        await until(pilot, lambda: app.screen.query_one(MatrixTable).row_count == 8)


# --- exports -----------------------------------------------------------------------------------


async def test_the_results_are_exported_in_three_forms(
    app: DevstackApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(app) as pilot:
        for downs, ending in enumerate((".json", ".xml", ".sarif")):
            await pilot.press("e")
            await until(pilot, lambda: isinstance(app.screen, SaveScreen))
            await pilot.press(*["down"] * downs)
            assert app.screen.query_one(Input).value == f"checks-default{ending}"
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is app.main)
        report = msgspec.json.decode((tmp_path / "checks-default.json").read_bytes(),
                                     type=AuditReport)  # fmt: skip
        assert report.verdict == "FAIL"
        assert len(report.checks) == 600
        suite = ET.fromstring((tmp_path / "checks-default.xml").read_text())
        assert suite.attrib["tests"] == "600"
        assert suite.attrib["failures"] == "4"
        assert suite.attrib["errors"] == "1"
        sarif = msgspec.json.decode((tmp_path / "checks-default.sarif").read_bytes())
        named = {result["ruleId"] for result in sarif["runs"][0]["results"]}
        assert "tls.mysql.tls1_0" in named


async def test_an_export_tells_what_it_would_replace_and_why_it_cannot(
    app: DevstackApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checks-default.json").write_text("old")
    (tmp_path / "file").touch()
    async with opened(app) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: "the file exists: enter replaces it" in screen_text(app))
        field = app.screen.query_one(Input)
        field.value = "results.txt"
        await until(pilot, lambda: "end it in .json or .xml or .sarif" in screen_text(app))
        await pilot.press("enter")
        assert isinstance(app.screen, SaveScreen)
        field.value = "file/results.json"
        await pilot.press("enter")
        await until(pilot, lambda: "✗ " in screen_text(app) and "file" in screen_text(app))
        assert isinstance(app.screen, SaveScreen)
        field.value = "checks-default.json"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        assert (tmp_path / "checks-default.json").read_text() != "old"
