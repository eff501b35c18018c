"""The injector of a drill: every change is journaled first, and undone whatever happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.journal import Journal
from devstack_tui.drill import fault_injector
from devstack_tui.drill.fault_injector import FREEZE, KILL, PARTITION, StackFaultInjector
from devstack_tui.engines.embedded import firewall, nftables
from tests.unit.drill_kit import INSTANCE, UNIT, SleeperEngine, SleeperService

CUT = NodeTraffic("127.0.1.1", "127.0.1.0/24", (7001, 17001), (7002, 17002))


@pytest.fixture
def engine() -> Iterator[SleeperEngine]:
    made = SleeperEngine()
    made.start(None, None)
    yield made
    made.end()


@pytest.fixture
def journal(room: Path) -> Journal:
    return Journal(room / "journal.jsonl")


@pytest.fixture
def mine(engine: SleeperEngine, journal: Journal) -> StackFaultInjector:
    return StackFaultInjector(engine, journal, SleeperService(engine), lambda unit: CUT)  # type: ignore[arg-type]


def pid(engine: SleeperEngine) -> int:
    assert engine.child is not None
    return engine.child.pid


def test_a_freeze_is_in_the_journal_with_the_processes_that_it_holds(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal
) -> None:
    mine.freeze(UNIT)
    (intent,) = journal.pending()
    assert (intent.action, intent.subject) == (FREEZE, UNIT)
    assert intent.undo["service"] == "sleeper"
    assert str(pid(engine)) in intent.undo["processes"]


def test_a_frozen_unit_is_held_still_until_it_is_thawed(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal, until: Callable[..., None]
) -> None:
    mine.freeze(UNIT)
    until(lambda: process.frozen(pid(engine)))
    mine.thaw(UNIT)
    until(lambda: not process.frozen(pid(engine)))
    assert journal.pending() == []


def test_nothing_is_touched_when_the_journal_cannot_be_written(
    engine: SleeperEngine, room: Path
) -> None:
    (room / "folder").mkdir()
    mine = StackFaultInjector(engine, Journal(room / "folder"), SleeperService(engine))  # type: ignore[arg-type]
    with pytest.raises(DevstackError, match="nothing was touched"):
        mine.kill(UNIT)
    assert mine.alive(UNIT)


def test_a_process_of_somebody_else_is_not_signalled(
    mine: StackFaultInjector, engine: SleeperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "processes", lambda service: {})
    with pytest.raises(DevstackError, match="does not run"):
        mine.kill(UNIT)


def test_healing_lets_a_frozen_unit_go_on_and_says_so(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal
) -> None:
    mine.freeze(UNIT)
    assert mine.heal() == [f"{UNIT} was let go on"]
    assert not process.frozen(pid(engine))
    assert journal.pending() == []


def test_healing_starts_what_was_killed(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal
) -> None:
    mine.kill(UNIT)
    assert engine.child is not None
    engine.child.wait()
    assert mine.heal() == [f"{UNIT} was started again"]
    assert mine.alive(UNIT)
    assert journal.pending() == []


def test_what_was_told_to_end_has_ended_before_it_is_started_again(
    mine: StackFaultInjector, engine: SleeperEngine
) -> None:
    first = pid(engine)
    mine.terminate(UNIT)
    mine.heal()
    assert pid(engine) != first
    assert mine.alive(UNIT)


def test_a_unit_is_asked_to_end_by_the_signal_that_its_server_wants(
    mine: StackFaultInjector, engine: SleeperEngine
) -> None:
    engine.asks = signal.SIGINT
    mine.terminate(UNIT)
    assert engine.child is not None
    assert engine.child.wait() == -signal.SIGINT


def test_a_unit_that_cannot_be_started_is_told_and_stays_in_the_journal(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal
) -> None:
    mine.kill(UNIT)
    assert engine.child is not None
    engine.child.wait()
    engine.broken = "its data is gone"
    with pytest.raises(DevstackError, match="its data is gone"):
        mine.heal()
    assert [intent.action for intent in journal.pending()] == [KILL]


def test_healing_without_a_fault_does_nothing(
    mine: StackFaultInjector, engine: SleeperEngine
) -> None:
    assert mine.heal() == []
    assert engine.starts == 1


def test_healing_tries_everything_before_it_complains(
    mine: StackFaultInjector, engine: SleeperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise DevstackError("nft refused")

    monkeypatch.setattr(firewall, "require", lambda instance: None)
    monkeypatch.setattr(firewall, "apply", lambda table, cut: None)
    monkeypatch.setattr(nftables, "remove", refuse)
    mine.freeze(UNIT)
    mine.partition(UNIT)
    with pytest.raises(DevstackError, match="nft refused"):
        mine.heal()
    assert not process.frozen(pid(engine))


def test_a_partition_is_journaled_with_its_table_before_it_is_made(
    mine: StackFaultInjector, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(firewall, "require", lambda instance: None)
    monkeypatch.setattr(nftables, "remove", lambda table: seen.append(f"removed {table}"))

    def apply(table: str, cut: NodeTraffic) -> None:
        (intent,) = journal.pending()
        assert (intent.action, intent.undo["table"], cut) == (PARTITION, table, CUT)
        seen.append(f"applied {table}")

    monkeypatch.setattr(firewall, "apply", apply)
    mine.partition(UNIT)
    mine.reconnect(UNIT)
    table = firewall.table_of(INSTANCE)
    assert seen == [f"applied {table}", f"removed {table}"]
    assert journal.pending() == []


async def test_a_cycle_names_each_unit_and_leaves_nothing_in_the_journal(
    mine: StackFaultInjector, journal: Journal
) -> None:
    assert [unit async for unit in mine.cycle("sleeper")] == [UNIT]
    assert journal.pending() == []


async def test_the_hands_serve_one_service_only(mine: StackFaultInjector) -> None:
    with pytest.raises(UsageError, match="not vault"):
        await mine.start("vault")


def test_the_watchdog_waits_until_what_was_told_to_end_is_gone(
    mine: StackFaultInjector, engine: SleeperEngine, journal: Journal
) -> None:
    mine.terminate(UNIT)
    fault_injector.await_ends(engine, journal)  # type: ignore[arg-type]
    assert engine.processes(None) == {}


def test_a_signal_to_a_reused_pid_is_never_sent(
    mine: StackFaultInjector, engine: SleeperEngine
) -> None:
    mine.freeze(UNIT)
    os.kill(pid(engine), signal.SIGKILL)
    assert engine.child is not None
    engine.child.wait()
    mine.thaw(UNIT)
    assert not mine.alive(UNIT)
