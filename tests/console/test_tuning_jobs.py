"""What the Tuning pane starts: applies that outlive it, A/Bs that end with it, costs, searches."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack_tui.console.app import DevstackApp
from devstack_tui.console.screens.ask import FormScreen
from devstack_tui.console.tuning.pairs_chart import PairChart

from .kit import screen_text, tab, until
from .test_jobs import gone, wait_for
from .tuning_kit import opened, pane_of, pend, pending, pid_in, typed, words_of


def ended(app: DevstackApp) -> bool:
    """Whether a job has run, and none runs now."""
    jobs = pane_of(app).jobs
    return jobs.current is not None and jobs.running is None


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


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """While this file is there, an apply and an A/B stay where they are."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_TUNE_HOLD", str(path))
    return path


async def test_an_apply_shows_its_plan_wants_the_name_and_tells_each_value(
    app: DevstackApp, state: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pend(app, pilot, state)
        await pilot.press("a")
        await until(pilot, lambda: "1 value changes" in screen_text(app))
        assert "◇ postgres.shared_buffers 256MB → 512MB, restart" in screen_text(app)
        await typed(app, pilot)
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "● postgres.shared_buffers 512MB from" in screen_text(app))
        await until(pilot, lambda: "● Apply pending: done in 4.2 s" in screen_text(app))
        await until(pilot, lambda: "◆" not in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "512MB · by set" in screen_text(app))
    plan, done = words_of(calls, "apply")
    assert plan == "tune apply --plan --jsonl"
    assert done == "tune apply --yes --jsonl"


async def test_an_apply_that_does_not_take_says_what_won_and_that_all_is_back(
    app: DevstackApp, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_TUNE_FAILS", "1")
    async with opened(app) as pilot:
        await pend(app, pilot, state)
        await pilot.press("a")
        await typed(app, pilot)
        await until(pilot, lambda: "✗ Apply pending: 1 value did not take" in screen_text(app))
        text = screen_text(app)
        assert "is 128MB from command line, not 512MB: an option -c" in text
        assert "the last good configuration is back" in text
        await until(pilot, lambda: "◆ 512MB" in screen_text(app))


async def test_undo_and_baseline_ask_as_well(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("u")
        await typed(app, pilot)
        await until(
            pilot, lambda: pane_of(app).jobs.current and not pane_of(app).jobs.current.running
        )
        await pilot.press("b")
        await typed(app, pilot)
        await until(pilot, lambda: len(words_of(calls, "apply")) == 2)
        await until(
            pilot, lambda: pane_of(app).jobs.current and not pane_of(app).jobs.current.running
        )
    assert words_of(calls, "revert") == ["tune revert --plan --jsonl", "tune revert --yes --jsonl"]
    assert words_of(calls, "apply")[1] == "tune apply baseline --yes --jsonl"


async def test_the_history_takes_back_what_came_after_the_change_under_the_cursor(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("r")
        assert pane_of(app).jobs.current is None
        assert any("select the change" in note.message for note in app._notifications)
        await pilot.press("H")
        await until(pilot, lambda: pane_of(app).list.row_count == 3)
        await pilot.press("down", "r")
        await until(pilot, lambda: "Return to change 2" in screen_text(app))
        await typed(app, pilot)
        await until(pilot, lambda: ended(app))
    assert words_of(calls, "revert") == [
        "tune revert --to 2 --plan --jsonl",
        "tune revert --to 2 --yes --jsonl",
    ]


async def test_an_apply_outlives_the_console(
    app: DevstackApp, state: Path, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pend(app, pilot, state)
        await pilot.press("a")
        await typed(app, pilot)
        await until(pilot, lambda: "▶ postgres restart" in screen_text(app))
        await pilot.press("x")
        assert pane_of(app).jobs.running is not None
    left = app.left_running
    assert left is not None and left.running
    assert (left.request.verb, left.pid) == ("tune apply", pid_in(calls))
    assert not gone(left.pid)
    hold.unlink()
    await wait_for(lambda: gone(left.pid))
    assert pending(state) == {}


async def test_another_tab_keeps_the_job_and_its_end_is_told_there(
    app: DevstackApp, state: Path, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pend(app, pilot, state)
        await pilot.press("a")
        await typed(app, pilot)
        await until(pilot, lambda: "▶ postgres restart" in screen_text(app))
        await pilot.press(tab("health"))
        hold.unlink()
        await until(
            pilot, lambda: pane_of(app).jobs.current and not pane_of(app).jobs.current.running
        )
        # It is said after the job's end, not with it.
        await until(pilot, lambda: len(app._notifications) > 0)
        told = [note.message for note in app._notifications]
        assert told == ["● Apply pending: done in 4.2 s"]


async def test_an_ab_draws_each_pair_and_the_interval_and_ends_with_its_verdict(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, FormScreen))
        await pilot.press("down", "right", "up", "up", "right", "enter")
        await until(pilot, lambda: "3 more to come" in screen_text(app))
        text = screen_text(app)
        assert "×1.44" in text and "2.04k" in text and "├" in text
        assert "pair 3/6" in text and "of ≈ 3:00" in text
        assert "━ A 2.0" in text
        await pilot.press("v")
        await until(pilot, lambda: "shared_buffers" in screen_text(app))
        await pilot.press("v")
        hold.unlink()
        await until(pilot, lambda: "▲ IMPROVED B is 41.8 % faster" in screen_text(app))
        assert "▲ lost 187 acknowledged commits" in screen_text(app)
        await pilot.press("k")
        await typed(app, pilot)
        await until(pilot, lambda: len(words_of(calls, "apply")) == 2)
    (ab,) = words_of(calls, "ab")
    assert ab == (
        "tune ab current durable --workload postgres.tpcb --quick --pairs 6 --ablate --yes --jsonl"
    )
    assert words_of(calls, "apply")[1] == "tune apply durable --yes --jsonl"


async def test_stop_and_leaving_end_an_ab_which_gives_back_what_it_changed(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        for number in (1, 2):
            await pilot.press("T")
            await until(pilot, lambda: isinstance(app.screen, FormScreen))
            await pilot.press("enter")
            await until(pilot, lambda: "3 more to come" in screen_text(app))
            if number == 1:
                await pilot.press("x")
                await until(pilot, lambda: "stopped after" in screen_text(app))
                await pilot.press("escape")
                await until(pilot, lambda: pane_of(app).jobs.running is None)
    assert gone(pid_in(calls))
    assert calls.read_text().count("cleaned") == 2
    assert app.left_running is None
    assert hold.exists()


async def test_a_cost_asks_for_the_name_and_tells_what_was_lost(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("c")
        await until(pilot, lambda: "SIGKILL postgres, start it again" in screen_text(app))
        await typed(app, pilot)
        lost = "▲ postgres (current values) lost 187 of 5,021"
        await until(pilot, lambda: lost in screen_text(app))
    assert words_of(calls, "cost") == ["tune cost postgres --profile current --yes --jsonl"]


async def test_a_search_tells_its_rounds_and_candidates(app: DevstackApp, calls: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, FormScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "profile auto-x found, 8 tried" in screen_text(app))
        assert "● kept ×1.20 in 4 pairs  postgres.shared_buffers=2GB" in screen_text(app)
    assert words_of(calls, "auto") == [
        "tune auto postgres.tpcb --quick --budget 15m --durable --yes --jsonl"
    ]


async def test_only_a_new_pair_draws_the_paired_chart_again(app: DevstackApp, hold: Path) -> None:
    async with opened(app) as pilot:
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, FormScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "3 more to come" in screen_text(app))
        chart = pane_of(app).query_one(PairChart)
        frames = chart.frames
        pane_of(app).redraw()
        await pilot.pause()
        assert chart.frames == frames
        hold.unlink()
