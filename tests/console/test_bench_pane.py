"""The Bench pane: choosing, running, stopping, results, history, exports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from textual.pilot import Pilot

from devstack_tui.actions import in_scope
from devstack_tui.console.app import DevstackApp
from devstack_tui.console.bench.job import BenchJob, BenchJobs, BenchRequest
from devstack_tui.console.bench.model import RunSeries
from devstack_tui.console.bench.pane import BenchPane
from devstack_tui.console.screens.confirm import ConfirmScreen
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.console.widgets.time_chart import TimeChart

from .kit import screen_text, tab, until
from .test_jobs import gone

LARGE = (120, 40)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the children were called with and said."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """While this file is there, a benchmark stays in its second run."""
    path = tmp_path / "hold"
    path.touch()
    monkeypatch.setenv("STUB_BENCH_HOLD", str(path))
    return path


@asynccontextmanager
async def opened(app: DevstackApp, size: tuple[int, int] = LARGE) -> AsyncIterator[Pilot[int]]:
    """The app with the Bench pane in view and its list read."""
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(tab("bench"))
        await until(pilot, lambda: "rabbitmq" in screen_text(app))
        await until(pilot, lambda: pane_of(app).choices.row_count == 13)
        yield pilot


def pane_of(app: DevstackApp) -> BenchPane:
    """The pane."""
    return app.main.query_one(BenchPane)


def jobs_of(app: DevstackApp) -> BenchJobs:
    """Its jobs."""
    return pane_of(app).jobs


def ended(app: DevstackApp) -> bool:
    """Whether nothing runs any more, after something did."""
    jobs = jobs_of(app)
    return jobs.current is not None and jobs.running is None and not jobs.queue


def live(app: DevstackApp) -> bool:
    """Whether the held run has come to its second run."""
    job = jobs_of(app).current
    return job is not None and job.series is not None and len(job.series.ticks) >= 15


def pid_in(calls: Path) -> int:
    """The process of the last benchmark."""
    return int([s for s in calls.read_text().splitlines() if s.startswith("pid ")][-1][4:])


def runs_in(calls: Path) -> list[str]:
    """The benchmarks that were started."""
    return [s for s in calls.read_text().splitlines() if s.startswith("bench run")]


async def test_what_is_chosen_is_run_with_the_chosen_size_and_number(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        assert "0 chosen · quick × 3" in screen_text(app)
        await pilot.press("space", "down", "space", "s", "plus", "minus", "minus")
        await until(pilot, lambda: "2 chosen · full × 2" in screen_text(app))
        assert "g runs 2 workloads, full, 2 runs each" in screen_text(app)
        await pilot.press("g")
        await until(pilot, lambda: ended(app))
    words = "postgres.tpcb mysql.bulk_insert --size full --runs 2 --jsonl"
    assert runs_in(calls) == [f"bench run {words}"]


async def test_it_says_how_long_the_chosen_runs_took_before(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("space")
        await until(pilot, lambda: "postgres.tpcb, quick, 3 runs · ≈ 15 s" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: "3 runs each · at least 15 s" in screen_text(app))


async def test_all_chooses_what_is_available_and_again_nothing(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: "12 chosen" in screen_text(app))
        await pilot.press("a")
        await until(pilot, lambda: "0 chosen" in screen_text(app))


async def test_a_workload_that_is_not_available_says_why_and_is_not_run(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press(*["down"] * 9, "space")
        await pilot.press("up")
        await until(pilot, lambda: "not available: rabbitmq is stopped" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert jobs_of(app).current is None
    assert not runs_in(calls)


async def test_the_first_second_is_on_the_screen_while_the_run_goes_on(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: jobs_of(app).all_series.get("postgres.tpcb"))
        await until(pilot, lambda: "━ now" in screen_text(app))
        assert "━ p50" in screen_text(app)
        hold.unlink()


async def test_while_it_runs_its_run_phase_time_and_errors_are_told(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        await until(pilot, lambda: "postgres.tpcb 2/3 running" in screen_text(app))
        text = screen_text(app)
        assert "of ≈ 36 s" in text
        assert "┊run 2" in text
        assert "▶ postgres.tpcb" in text
        hold.unlink()
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "● postgres.tpcb, quick, 3 runs: done" in screen_text(app))
        series = jobs_of(app).all_series["postgres.tpcb"]
        assert [start for start, _ in series.starts] == [0, 12, 24]
        assert "┊errors" in screen_text(app)


async def test_more_workloads_wait_while_one_runs_and_are_run_after_it(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        await pilot.press("down", "space", "g")
        await until(pilot, lambda: "1 waiting" in screen_text(app))
        assert "… postgres.point_select" in screen_text(app)
        assert len(runs_in(calls)) == 1
        hold.unlink()
        await until(pilot, lambda: len(runs_in(calls)) == 2 and ended(app))
        await until(pilot, lambda: "● postgres.point_select" in screen_text(app))


async def test_stop_ends_the_child_and_what_waits_is_not_run(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        await pilot.press("down", "g", "x")
        await until(pilot, lambda: ended(app))
        assert gone(pid_in(calls))
        assert calls.read_text().count("cleaned") == 1
        await until(pilot, lambda: "stopped after" in screen_text(app))
        assert len(runs_in(calls)) == 1
    assert hold.exists()


async def test_another_tab_keeps_the_benchmark_and_draws_nothing(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        await pilot.press(tab("health"))
        await pilot.pause()
        charts = list(pane_of(app).query(TimeChart))
        frames = [chart.frames for chart in charts]
        hold.unlink()
        await until(pilot, lambda: ended(app))
        await pilot.pause(1.2)
        assert "postgres.tpcb-3" in jobs_of(app).results
        assert "cleaned" not in calls.read_text()
        assert [chart.frames for chart in charts] == frames
        await pilot.press(tab("bench"))
        await until(pilot, lambda: "● postgres.tpcb, quick, 3 runs: done" in screen_text(app))


async def test_closing_the_console_ends_the_benchmark_and_its_data_goes(
    app: DevstackApp, hold: Path, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        pid = pid_in(calls)
    assert gone(pid)
    assert "cleaned" in calls.read_text()
    assert hold.exists()


async def test_a_workload_that_fails_shows_its_problem(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAILS", "postgres.point_select")
    async with opened(app) as pilot:
        await pilot.press("space", "space", "g")
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "✗ postgres.point_select" in screen_text(app))
        text = screen_text(app)
        assert "the disk is full: 12 MB left" in text
        assert "→ see its log" in text
        assert "● postgres.tpcb" in text


async def test_a_benchmark_that_cannot_be_started_says_why(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(app) as pilot:
        monkeypatch.setenv("STUB_BENCH_REFUSES", "1")
        await pilot.press("g")
        await until(pilot, lambda: ended(app))
        await until(pilot, lambda: "the history cannot be read → see doctor" in screen_text(app))


async def test_a_list_that_cannot_be_read_says_why_and_f5_tries_again(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_BENCH_REFUSES", "1")
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press(tab("bench"))
        await until(pilot, lambda: "✗ the history cannot be read → see doctor" in screen_text(app))
        await pilot.press("g", "h", "c", "e", "k", "m", "x", "escape")
        monkeypatch.delenv("STUB_BENCH_REFUSES")
        await pilot.press("f5")
        await until(pilot, lambda: pane_of(app).choices.row_count == 13)
        assert "cannot be read" not in screen_text(app)


async def test_the_results_tell_median_spread_baseline_and_client_bound(app: DevstackApp) -> None:
    async with opened(app) as pilot:
        await until(pilot, lambda: "redis.get" in screen_text(app))
        rows = [r for r in screen_text(app).splitlines() if "● redis.get" in r]
        assert pane_of(app).view.choices()["redis.get"].median
        await pilot.press("s")
        await until(pilot, lambda: "0 chosen · full × 3" in screen_text(app))
        assert "quick runs" in screen_text(app)
        assert pane_of(app).view.choices()["redis.get"].median is None
    assert rows[0].split()[2:8] == ["redis.get", "quick", "3", "110k", "ops/s", "6.7"]
    assert all(text in rows[0] for text in ("▼×0.84", "23 h", "▲ client-bound"))


async def test_the_history_has_a_trend_a_chart_of_each_run_and_the_way_back(
    app: DevstackApp,
) -> None:
    async with opened(app) as pilot:
        await pilot.press("h")
        await until(pilot, lambda: "History of postgres.tpcb" in screen_text(app))
        assert "Trend of the throughput · postgres.tpcb · quick" in screen_text(app)
        assert pane_of(app).table.row_count == 15
        await pilot.press("down", "enter")
        title = "Throughput · postgres.tpcb · 11-01 12:00:20"
        await until(pilot, lambda: title in screen_text(app))
        await pilot.press("l", "l")
        await until(pilot, lambda: f"{title} · log" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Trend of the throughput" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Results" in screen_text(app))
        assert pane_of(app).choices.has_focus


async def test_a_run_is_compared_with_the_baseline_or_with_the_marked_run(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("h", "c")
        await until(pilot, lambda: "×1.02" in screen_text(app))
        assert "A baseline · B postgres.tpcb 11-01 12:00:30" in screen_text(app)
        await pilot.press("escape")
        await pilot.press(*["down"] * 14, "m")
        await until(pilot, lambda: "◆ marked" in screen_text(app))
        await pilot.press(*["up"] * 14, "c")
        await until(pilot, lambda: "✗ another machine: 8 cores" in screen_text(app))
        await pilot.press("f")
        await until(pilot, lambda: "▲ another machine: 8 cores" in screen_text(app))
        assert "×1.02" in screen_text(app)
        await pilot.press("escape")
    asked = [s for s in calls.read_text().splitlines() if s.startswith("bench compare")]
    assert asked == [
        "bench compare baseline h4-postgres.tpcb-3 --json",
        "bench compare h0-postgres.tpcb-1 h4-postgres.tpcb-3 --json",
        "bench compare h0-postgres.tpcb-1 h4-postgres.tpcb-3 --force --json",
    ]


async def test_runs_and_charts_are_exported_into_the_current_directory(
    app: DevstackApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(app) as pilot:
        await pilot.press("h", "e", "w")
        path = tmp_path / "bench-postgres.tpcb-h4-postgres.tpcb-3.json"
        await until(pilot, path.exists)
        await pilot.press("E")
        await until(pilot, path.with_suffix(".csv").exists)
        (picture,) = tmp_path.glob("bench-*.svg")
    assert path.read_text().strip() == '{"id": "x"}'
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")


async def test_the_regression_gate_shows_its_checks_and_their_evidence(
    app: DevstackApp, calls: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: "Regression gate · FAIL" in screen_text(app))
        text = screen_text(app)
        assert text.index("✗ FAIL") < text.index("? INCONCLUSIVE") < text.index("● PASS")
        await pilot.press("k", "enter")
        await until(pilot, lambda: isinstance(app.screen, SheetScreen))
        await until(pilot, lambda: "samples 91k, 94k, 96k rows/s" in screen_text(app))
        assert "→ compare the settings" in screen_text(app)
        await pilot.press("escape")
    assert "regress --quick --jsonl" in calls.read_text()


async def test_a_gate_without_a_baseline_says_so_and_a_key_records_one(
    app: DevstackApp, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_NO_BASELINE", "1")
    async with opened(app) as pilot:
        for key in ("R", "k"):
            app.clear_notifications()
            await pilot.press(key)
            await until(pilot, lambda: app._notifications)
            (notice,) = app._notifications
            assert "No baseline of quick runs can be compared here: B" in notice.message
        assert jobs_of(app).current is None
        await pilot.press("space", "B")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await until(pilot, lambda: "measure postgres.tpcb, quick" in screen_text(app))
        assert "older ones of that size are replaced" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "baseline of postgres.tpcb, quick: done" in screen_text(app))
    assert "bench record postgres.tpcb --size quick --jsonl" in calls.read_text()
    assert "regress" not in calls.read_text()


async def test_a_small_terminal_shows_one_chart_at_a_time(app: DevstackApp) -> None:
    async with opened(app, (80, 24)) as pilot:
        charts = list(pane_of(app).query(TimeChart))
        assert [chart.display for chart in charts] == [True, False]
        await pilot.press("v")
        assert [chart.display for chart in charts] == [False, True]
        await pilot.resize_terminal(*LARGE)
        await pilot.press("v")
        await until(pilot, lambda: [chart.display for chart in charts] == [True, True])


async def test_probes_rest_while_the_bench_is_in_view_and_come_again_with_health(
    app: DevstackApp, hold: Path
) -> None:
    async with opened(app) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: live(app))
        assert app.feed.said == ["pause"]  # type: ignore[attr-defined]
        assert "probes rest" in app.export_screenshot().replace("&#160;", " ")
        await pilot.press(tab("health"))
        await until(pilot, lambda: app.feed.said == ["pause", "resume"])  # type: ignore[attr-defined]
        hold.unlink()


async def test_every_action_of_the_pane_has_a_key_and_a_method() -> None:
    for action in in_scope("bench"):
        assert action.key
        assert hasattr(BenchPane, f"action_{action.id}")


def test_lines_that_are_no_events_are_passed_over() -> None:
    job = BenchJob(BenchRequest(("a",), "quick"), 0.0)
    for line in (b"", b"garbage", b"{}", b'{"event":"other"}', b"\xff", b"[1,2]"):
        job.take(line, 0.0)
    assert job.error is None
    job.take(b'{"error":"no such workload","remedy":"see bench list","exit_code":2}', 0.0)
    assert str(job.error)


def test_the_seconds_of_several_runs_follow_each_other() -> None:
    series = RunSeries("a")
    from devstack_tui.bench.events import Tick

    for run in (1, 2):
        series.begin(run)
        for second in range(3):
            series.add(Tick("a", run, second, 1.0, errors={"x": run}))
    assert [x for x, _ in series.ticks] == [0, 1, 2, 3, 4, 5]
    assert series.starts == [(0.0, 1), (3.0, 2)]
    assert series.errors == {"x": 6}


async def test_leaving_waits_for_nothing_when_nothing_runs(app: DevstackApp) -> None:
    async with opened(app):
        leaving = asyncio.ensure_future(jobs_of(app).leave())
        for _ in range(100):  # turns of the loop, none of which takes any time
            await asyncio.sleep(0)
        assert leaving.done()
        await leaving
