"""Jobs that run when a console opens: of a console that was killed, or of another one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from devstack_tui.console.app import DevstackApp
from devstack_tui.core.children import Cli
from devstack_tui.jobs.runner import Runner

from .kit import STUB, screen_text, tab, until
from .test_jobs import gone, wait_for

BENCH = ("bench run", ("postgres.tpcb", "--size", "quick", "--runs", "3"))
DRILL = ("drill run", ("redis.failover", "--fault", "sigkill", "--victim", "redis-1", "--yes"))
AUDIT = ("check run", ("tls",))
AB = ("tune ab", ("current", "durable", "--workload", "postgres.tpcb", "--pairs", "6", "--yes"))
UP = ("up", ("--yes",))
KILLED = """
import os, signal, sys
from devstack_tui.core.children import Cli
from devstack_tui.jobs.runner import Runner
Runner(Cli("default", (sys.executable, {stub!r}))).start({verb!r}, {words!r}, "the title")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the children were called with and said."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("STUB_LOG", str(path))
    return path


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """While this file is there, every job stays where it is."""
    path = tmp_path / "hold"
    path.touch()
    for kind in ("", "BENCH_", "DRILL_", "CHECK_", "TUNE_"):
        monkeypatch.setenv(f"STUB_{kind}HOLD", str(path))
    return path


def begin_and_be_killed(verb: str, words: tuple[str, ...]) -> None:
    """A console that starts a job and is killed at once."""
    code = KILLED.format(stub=str(STUB), verb=verb, words=words)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


@pytest.mark.parametrize(
    "case",
    [
        ("health", UP, "waits for vault"),
        ("bench", BENCH, "postgres.tpcb 2/3 running"),
        ("drill", DRILL, "x aborts and heals"),
        ("security", AUDIT, "x cancels"),
        ("tuning", AB, "▶ the title"),
    ],
    ids=lambda case: case[0],
)
async def test_the_pane_of_its_kind_follows_it_and_leaving_does_not_end_it(
    app: DevstackApp, stub: Cli, hold: Path, case: tuple[str, tuple[str, tuple[str, ...]], str]
) -> None:
    pane, job, shown = case
    begin_and_be_killed(*job)
    (found,) = Runner(stub).running()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(tab(pane))
        await until(pilot, lambda: shown in screen_text(app))
    assert app.left_running is not None
    assert app.left_running.pid == found.started.pid
    assert found.running
    hold.unlink()
    await wait_for(lambda: not found.running)
    found.close()


async def test_it_can_be_stopped_from_the_console_that_follows_it(
    app: DevstackApp, stub: Cli, hold: Path, calls: Path
) -> None:
    begin_and_be_killed(*BENCH)
    (found,) = Runner(stub).running()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.status is not None)
        await pilot.press(tab("bench"))
        await until(pilot, lambda: "postgres.tpcb 2/3 running" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "stopped after" in screen_text(app))
    assert "cleaned" in calls.read_text()
    assert gone(found.started.pid)
    assert hold.exists()
    found.close()


async def test_what_no_pane_knows_is_left_alone(
    app: DevstackApp,
    stub: Cli,
    hold: Path,
) -> None:
    begin_and_be_killed("drill run", ("--of-another-version",))
    begin_and_be_killed("bench run", ())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.status is not None)
        for name in ("drill", "bench"):
            await pilot.press(tab(name))
            await until(pilot, lambda n=name: app.main.pane.id == n)  # type: ignore[misc]
        assert [jobs.current for jobs in app.job_lists] == [None] * 3
    hold.unlink()
    await wait_for(lambda: not Runner(stub).running())
