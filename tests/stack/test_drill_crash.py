"""A drill that is killed with SIGKILL leaves nothing broken."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import msgspec
import psutil
import pytest

from devstack_tui.contracts.drill import Sweepable
from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import acks_tables, ports, secret
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


def written(cli: Cli) -> set[str]:
    """The keys of drills on every node that answers; a replica has those of its master."""
    import redis

    who = secret(cli, "redis")
    first = ports(cli, "redis")["main"]
    found: set[str] = set()
    for port in range(first, first + 6):
        with (
            contextlib.suppress(redis.ConnectionError, redis.TimeoutError),
            redis.Redis(
                port=port,
                username=who["user"],
                password=who["password"],
                socket_timeout=1.0,
                decode_responses=True,
            ) as client,
        ):
            found |= set(client.scan_iter("devstack-tui:drill:*", count=1000))
    return found


def test_a_frozen_master_goes_on_as_soon_as_the_drill_is_killed(live: Cli) -> None:
    wait_whole(live)
    before = pids(live)
    with drilling(live, "sigstop", "first") as (drill, victim):
        assert process.frozen(before[victim])
        assert pending(live) == ["drill.run", "drill.freeze"]
        assert written(live)
        drill.kill()
        wait(lambda: not process.frozen(before[victim]))
        wait(lambda: pending(live) == [])
    wait_whole(live)
    assert pids(live) == before
    assert written(live) == set()


def test_without_its_watchdog_the_next_change_starts_what_the_drill_killed(live: Cli) -> None:
    wait_whole(live)
    before = pids(live)
    with drilling(live, "sigkill", "second") as (drill, victim):
        children = psutil.Process(drill.pid).children()
        (watchdog,) = (one for one in children if "devstack_tui.drill.watchdog" in one.cmdline())
        watchdog.kill()
        drill.kill()
        drill.wait()
        assert pending(live) == ["drill.run", "drill.kill"]
        assert written(live)
    looked = live.run("status")
    assert "an interrupted drill.kill of" in looked.stderr
    assert len(pending(live)) == 2
    assert "drill.kill" in live.heal().stderr
    assert pending(live) == []
    after = pids(live)
    assert {unit for unit in before if before[unit] != after[unit]} == {victim}
    assert written(live) == set()
    wait_whole(live)


def node_timeout(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> int:
    """What all nodes have now, in ms."""
    cli.enter(monkeypatch)
    found = service("redis")
    drill = next(one for one in found.drills() if isinstance(one, Sweepable))
    return drill.read_setting(Stack(cli.stack).engine().target(found))


def test_the_node_timeout_of_a_killed_sweep_is_set_back_by_the_next_change(
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
    assert pending(live) == ["drill.setting"]
    assert "drill.setting" in live.heal().stderr
    assert node_timeout(live, monkeypatch) == before
    assert pending(live) == []
    wait_whole(live)


def test_what_a_killed_restart_drill_wrote_goes_with_it(live: Cli) -> None:
    argv = ("drill", "run", "postgres.restart", "--fault", "sigstop", "--yes", "--stack")
    drill = live.start(*argv, live.stack, "--jsonl")
    assert drill.stdin and drill.stdout and drill.stderr
    try:
        for line in drill.stdout:
            event = msgspec.json.decode(line)
            if event["event"] == "drill_phase" and event["phase"] == "fault":
                break
        assert "drill.run" in pending(live)
    finally:
        drill.kill()
        drill.wait()
        for pipe in (drill.stdin, drill.stdout, drill.stderr):
            pipe.close()
    wait(lambda: pending(live) == [])
    assert acks_tables(live) == []
