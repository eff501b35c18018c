"""What drives a stack needs nothing but the Engine contract: here on one without a process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from devstack_tui.cli.main import main
from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.registry import service
from devstack_tui.core.journal import Journal
from devstack_tui.drill.fault_injector import StackHands
from devstack_tui.stack.stack import Stack
from tests.engines.conftest import memory_stack
from tests.engines.memory import MemoryEngine

POSTGRES = service("postgres")
RUNNING = ("vault", "postgres", "redis")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack of three services that run in memory, and answer where they would."""
    with memory_stack(monkeypatch, RUNNING) as found:
        engine = found.engine()
        assert isinstance(engine, MemoryEngine)
        for module in ("health.monitor", "drill.restart", "drill.fault_injector"):
            monkeypatch.setattr(f"devstack_tui.{module}.probe_once", engine.answer)
        yield found


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    main(["--stack", "m", "status", "--json"])
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["services"]}


@pytest.fixture
def hands(stack: Stack) -> StackHands:
    return StackHands(stack.engine(), Journal(stack.paths.journal), POSTGRES)


@pytest.mark.usefixtures("stack")
def test_health_is_judged_without_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert {name for name, row in found.items() if row["state"] == "healthy"} == set(RUNNING)
    assert found["mysql"]["state"] == "stopped"
    assert found["postgres"]["memory_bytes"] == 2_000_000
    assert found["postgres"]["cpu_percent"] in (None, 0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.KILL, "postgres has ended: ended by kill"),
        (Fault.FREEZE, "it runs, but its probe failed: no answer in time"),
    ],
)
def test_a_unit_that_ended_or_is_held_still_is_down_with_its_reason(
    fault: Fault, reason: str, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = stack.engine()
    handle = engine.aim(POSTGRES, ["postgres"], fault)
    engine.inject(handle)
    row = rows(capsys)["postgres"]
    assert (row["state"], row["reason"]) == ("down", reason)
    engine.undo(handle)
    engine.start(POSTGRES, Run())
    assert rows(capsys)["postgres"]["state"] == "healthy"


def test_what_a_drill_left_is_healed_by_the_next_verb_that_changes_the_stack(
    stack: Stack, hands: StackHands, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in (hands.freeze, hands.kill):
        fault("postgres")
        assert len(Journal(stack.paths.journal).pending()) == 1
        assert rows(capsys)["postgres"]["state"] == "down"
        stack.heal_unless_busy(lambda note: None)
        assert rows(capsys)["postgres"]["state"] == "healthy"
    assert Journal(stack.paths.journal).pending() == []


def test_a_drill_heals_what_it_broke(hands: StackHands) -> None:
    hands.kill("postgres")
    assert hands.heal() == ["postgres was started again"]
    assert hands.alive("postgres")


@pytest.mark.usefixtures("stack")
def test_a_drill_is_planned_without_a_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "m", "drill", "plan", "postgres.restart", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["refusal"] == ""
    assert plan["touches"]


@pytest.mark.usefixtures("stack")
def test_the_drills_are_listed_with_the_faults_that_the_stack_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--stack", "m", "drill", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["drills"]}
    assert rows["redis.failover"]["refused"] == {"partition": "there is no network in memory"}
    assert rows["postgres.restart"]["refused"] == {}
    assert main(["--stack", "m", "drill", "list"]) == 0
    assert "partition is not possible here: there is no network" in capsys.readouterr().out


@pytest.mark.usefixtures("stack")
def test_logs_are_read_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "m", "logs", "postgres"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("start ")
    assert main(["--stack", "m", "logs", "mysql"]) == 3
