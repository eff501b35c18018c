"""A drill that is killed with SIGKILL leaves nothing broken."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import psutil
import pytest

from devstack_tui.core import process
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.drilling import Sweepable
from devstack_tui.stack.registry import service
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.drill_kit import WITHIN_S, drilling, wait_whole


def pids(cli: Cli) -> dict[str, int]:
    return {unit["unit"]: unit["pid"] for unit in cli.status()["redis"]["units"]}


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pending(cli: Cli) -> list[str]:
    journal = Journal(StackPaths(cli.stack, cli.root).journal)
    return [intent.action for intent in journal.pending()]


def test_a_frozen_master_goes_on_as_soon_as_the_drill_is_killed(live: Cli) -> None:
    wait_whole(live)
    before = pids(live)
    with drilling(live, "sigstop", "first") as (drill, victim):
        assert process.frozen(before[victim])
        assert pending(live) == ["drill.freeze"]
        drill.kill()
        wait(lambda: not process.frozen(before[victim]))
        wait(lambda: pending(live) == [])
    wait_whole(live)
    assert pids(live) == before


def test_without_its_watchdog_the_next_verb_starts_what_the_drill_killed(live: Cli) -> None:
    wait_whole(live)
    before = pids(live)
    with drilling(live, "sigkill", "second") as (drill, victim):
        children = psutil.Process(drill.pid).children()
        (watchdog,) = (one for one in children if "devstack_tui.drill.watchdog" in one.cmdline())
        watchdog.kill()
        drill.kill()
        drill.wait()
        assert pending(live) == ["drill.kill"]
    status = live.run("status", "--json")
    assert "drill.kill" in status.stderr
    assert pending(live) == []
    after = pids(live)
    assert {unit for unit in before if before[unit] != after[unit]} == {victim}
    wait_whole(live)


def node_timeout(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> int:
    """What all nodes have now, in ms."""
    monkeypatch.setenv("XDG_STATE_HOME", str(cli.state))
    found = service("redis")
    drill = next(one for one in found.drills() if isinstance(one, Sweepable))
    return drill.read_setting(Stack(cli.stack).engine().target(found))


def test_the_node_timeout_of_a_killed_sweep_is_set_back_by_the_next_verb(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_whole(live)
    before = node_timeout(live, monkeypatch)
    argv = ("drill", "sweep", "redis.failover", "--node-timeout", str(before + 700), "--watch", "1")
    sweep = live.start(*argv, "--yes", "--stack", live.stack, "--jsonl")
    assert sweep.stdin and sweep.stdout and sweep.stderr
    try:
        assert msgspec.json.decode(sweep.stdout.readline())["event"] == "drill_planned"
        drill = psutil.Process(sweep.pid)
        drill.suspend()  # it shall not start another watchdog
        for one in drill.children():
            one.kill()
    finally:
        sweep.kill()
        sweep.wait()
        for pipe in (sweep.stdin, sweep.stdout, sweep.stderr):
            pipe.close()
    assert node_timeout(live, monkeypatch) == before + 700
    assert pending(live) == ["drill.setting"]
    assert "drill.setting" in live.run("logs", "redis").stderr
    assert node_timeout(live, monkeypatch) == before
    assert pending(live) == []
    wait_whole(live)
