"""What the Tuning pane looks like, at 80×24 and 120×40, on a recorded stack."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.tuning.pane import TuningPane
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import Clock, FakeFeed, Screen, screen_text, until
from .test_snapshots import LARGE, SMALL, Look

BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


def settled(app: DevstackApp) -> bool:
    """Whether every value that was set is read back, and nothing is on its way."""
    at_work = {worker.group for worker in app.workers if not worker.is_finished}
    jobs = app.main.query_one(TuningPane).jobs
    reading = jobs._reading.locked() or jobs.putting
    return not reading and not at_work & {"tuning-put", "tuning-load", "sheet", "plan"}


@pytest.fixture
def look(
    screen: Screen,
    stub: Cli,
    recorded: dict[str, StackStatus],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Look:
    """Compare the Tuning pane with the one on record after some `steps`: a key to press, or
    `…text` to wait for."""
    monkeypatch.setenv("STUB_TUNE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(Input, "cursor_blink", False)

    def compare(size: tuple[int, int], *steps: str, theme: str = "") -> None:
        feed = FakeFeed(recorded["healthy"])
        app = DevstackApp("default", feed=feed, cli=stub, now=Clock(states.AT + 3))
        if theme:
            app.theme = theme

        async def before(pilot: Pilot[int]) -> None:
            await until(pilot, lambda: app.status is not None)
            await app.action_show_pane("tuning")
            pane = app.main.query_one(TuningPane)
            await until(pilot, lambda: pane.jobs.trouble or pane.table.row_count == 104)
            for step in steps:
                if step.startswith("…"):
                    await until(pilot, lambda: step[1:] in screen_text(app))  # noqa: B023
                else:
                    await pilot.press(step)
            await until(pilot, lambda: settled(app))
            pane.redraw()
            await pilot.pause()

        screen(app, size, before)

    return compare


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An A/B stays after its third pair, an apply in its restart."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_TUNE_HOLD", str(path))


@BOTH
def test_tuning_parameters(look: Look, size: tuple[int, int]) -> None:
    look(size, "down", "down", "down", "…What each sort")


@BOTH
def test_tuning_a_profile_in_pending(look: Look, size: tuple[int, int]) -> None:
    look(size, "p", "down", "enter", "…◆ 16 pending", "down")


def test_tuning_a_profile_in_pending_for_colour_blind_users(look: Look) -> None:
    look(LARGE, "p", "down", "enter", "…◆ 16 pending", "down", theme="okabe-ito")


def test_tuning_the_difference(look: Look) -> None:
    look(SMALL, "p", "down", "enter", "…◆ 16 pending", "d", "…redis.appendonly")


@BOTH
def test_tuning_an_edit_that_is_refused(look: Look, size: tuple[int, int]) -> None:
    look(size, "down", "e", "…Range", *"900GB", "…✗")


def test_tuning_an_edit_that_fits(look: Look) -> None:
    look(SMALL, "down", "e", "…Range", *"1G", "…● 1GB")


def test_tuning_the_plan_of_an_apply(look: Look) -> None:
    look(SMALL, "i", "…Advice", "enter", "…◆ 1GB", "a", "…Type the stack's name")


@BOTH
def test_tuning_after_an_apply(look: Look, size: tuple[int, int]) -> None:
    look(size, "u", "…Type the stack's name", *"default", "enter", "…Undo the last apply: done")


@BOTH
@pytest.mark.usefixtures("hold")
def test_tuning_an_ab_while_it_runs(look: Look, size: tuple[int, int]) -> None:
    look(size, "T", "…Workload", "enter", "…3 more to come")


def test_tuning_the_form_of_an_ab(look: Look) -> None:
    look(SMALL, "T", "…Workload")


@BOTH
def test_tuning_an_ab_that_has_ended(look: Look, size: tuple[int, int]) -> None:
    look(size, "T", "…Workload", "enter", "…IMPROVED")


def test_tuning_advice(look: Look) -> None:
    look(SMALL, "i", "…▸ at most")


def test_tuning_history(look: Look) -> None:
    look(LARGE, "H", "…● applied")


def test_tuning_a_service_that_is_down(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_TUNE_DOWN", "postgres")
    look(SMALL, "…postgres is down")


def test_tuning_parameters_that_cannot_be_read(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_TUNE_REFUSES", "1")
    look(SMALL, "…never started")


def test_tuning_without_colours(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    look(SMALL, "p", "down", "enter", "…◆ 16 pending", "down")
