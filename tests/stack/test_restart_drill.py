"""`postgres.restart` on a real server: nothing is lost, and the control shows that it would see."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import psutil
import pytest

from devstack_tui.contracts.drill import Context, DrillResult, RepeatEnded, Thresholds
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.core.journal import Journal
from devstack_tui.drill.fault_injector import StackFaultInjector
from devstack_tui.drill.restart import restart_drills
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import acks_tables, postgres
from tests.unit.fake_acks import wait_for

NAME = "postgres"


async def drilled(stack: Stack, fault: str) -> DrillResult:
    """One repeat of the drill, by the engine's own injector."""
    found = service(NAME)
    drill = next(one for one in restart_drills() if one.name == f"{NAME}.restart")
    injector = StackFaultInjector(stack.engine(), Journal(stack.paths.journal), found)
    context = Context(
        stack=stack.name,
        service=NAME,
        target=stack.engine().target(found),
        files=stack.engine().files(found),
        run=secrets.token_hex(5),
        folder=Path(),
        fault=fault,
        victim=NAME,
        repeat=1,
        rate_hz=200.0,
        observe_hz=10.0,
        thresholds=Thresholds(),
        injector=injector,
    )
    results = [e.result async for e in drill.run(context) if isinstance(e, RepeatEnded)]
    assert not Journal(stack.paths.journal).pending()
    return results[0]


def setting(cli: Cli, name: str) -> str:
    """Its value in a fresh session."""
    with postgres(cli) as connection:
        return str(connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0])


async def test_a_killed_postgres_keeps_its_word_unless_it_is_told_to_lose_it(
    fresh: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.enter(monkeypatch)
    assert fresh.run("up", NAME).returncode == 0
    stack = Stack(fresh.stack)

    result = await drilled(stack, "sigkill")
    assert result.verdict == Status.PASS, result.steps
    (shard,) = result.shards
    assert shard.lost == shard.resurrected == 0
    assert shard.write_window_s > 0
    assert shard.errors, "its clients saw nothing of it"
    assert acks_tables(fresh) == []

    asked = await drilled(stack, "sigterm")
    assert asked.verdict == Status.PASS, asked.steps

    held = await drilled(stack, "sigstop")
    assert held.verdict == Status.PASS, held.steps
    assert held.shards[0].lost == 0

    with postgres(fresh, account="postgres-admin") as connection:
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        # The walwriter's own rhythm would decide whether anything is lost.
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("SELECT pg_reload_conf()")
    wait_for(lambda: setting(fresh, "synchronous_commit") == "off")
    control = await drilled(stack, "sigkill")
    assert control.shards[0].lost > 0
    (step,) = [one for one in control.steps if one.id == f"{NAME}.restart.06"]
    assert step.status is Status.WARN
    assert "synchronous_commit = off" in step.evidence
    assert acks_tables(fresh) == []


def test_a_broker_that_was_held_still_loses_nothing_and_is_idle_afterwards(live: Cli) -> None:
    argv = ("drill", "run", "rabbitmq.restart", "--fault", "sigstop", "--yes", "--stack")
    told = live.json(*argv, live.stack)
    assert (told["lost"], told["resurrected"]) == (0, 0)
    unit = next(u for u in live.status()["rabbitmq"]["units"] if u["unit"] == "rabbitmq")
    broker = psutil.Process(unit["pid"])
    limit = time.monotonic() + 60
    # A scheduler that spins on a connection of before takes a whole core, for ever.
    while broker.cpu_percent(1) > 50:
        assert time.monotonic() < limit
