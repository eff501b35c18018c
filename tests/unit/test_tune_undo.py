"""What a killed verb left is undone once its owner is gone, and never before."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from devstack_tui.contracts.drill import Sweepable
from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.faults import Handle
from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.engines.embedded import faults, firewall
from devstack_tui.stack import parameter_apply, recovery
from devstack_tui.stack.stack import Stack
from devstack_tui.state import parameter_store
from devstack_tui.state.parameter_store import StoredParameters
from devstack_tui.tuning.cost import KILL

INSTANCE = "0123456789abcdef"


class Idle:
    """An engine of which nothing runs; whatever would touch a service fails the test."""

    def units(self, service: object) -> tuple[()]:  # noqa: ARG002
        return ()

    def undo(self, handle: Handle) -> float:
        return faults.undo(faults.ours(handle, INSTANCE))


ENGINE = cast("Engine", Idle())


@pytest.fixture
def paths() -> StackPaths:
    found = StackPaths.of("default")
    found.root.mkdir(parents=True)
    return found


def test_an_interrupted_apply_gives_the_former_store_back(paths: StackPaths) -> None:
    before = StoredParameters(
        values={"postgres": {"work_mem": "8MB"}}, pending={"redis": {"hz": "50"}}
    )
    parameter_store.write(paths, before)
    parameter_apply.intend(paths, {"postgres": ["work_mem"]})
    parameter_store.write(paths, StoredParameters(values={"postgres": {"work_mem": "1GB"}}))
    told: list[str] = []
    recovery.heal(ENGINE, paths, told.append)
    assert parameter_store.read(paths) == before
    assert told == ["taking back an interrupted `tune`: postgres"]
    assert not paths.journal.exists()


def test_an_apply_within_an_ab_is_taken_back_to_before_the_ab(paths: StackPaths) -> None:
    parameter_apply.intend(paths, {"postgres": ["work_mem"]})
    parameter_store.write(paths, StoredParameters(values={"postgres": {"work_mem": "8MB"}}))
    parameter_apply.intend(paths, {"postgres": ["work_mem"]})
    parameter_store.write(paths, StoredParameters(values={"postgres": {"work_mem": "1GB"}}))
    recovery.heal(ENGINE, paths, lambda text: None)
    assert parameter_store.read(paths) == StoredParameters()
    assert not paths.journal.exists()


def test_what_a_living_ab_or_drill_began_is_left_alone(paths: StackPaths) -> None:
    journal = Journal(paths.journal)
    parameter_apply.intend(paths, {"postgres": []})
    journal.begin("drill.freeze", "redis-1", processes="[]")
    with StackLock(recovery.lock_of(paths, "drill.freeze"), "drill run") as lock:
        assert lock.try_acquire() is None
        assert [intent.action for intent in recovery.orphans(paths)] == ["tune"]
    assert [intent.action for intent in recovery.orphans(paths)] == ["tune", "drill.freeze"]


def test_a_kill_of_a_cost_belongs_to_it_while_it_lives_and_is_healed_with_its_parameters(
    paths: StackPaths,
) -> None:
    before = StoredParameters(values={"postgres": {"work_mem": "8MB"}})
    parameter_store.write(paths, before)
    parameter_apply.intend(paths, {"postgres": ["fsync"]})
    parameter_store.write(paths, StoredParameters(values={"postgres": {"fsync": "off"}}))
    Journal(paths.journal).begin(KILL, "postgres", processes="[]", signal="SIGINT")
    with StackLock(recovery.lock_of(paths, KILL), "tune cost") as lock:
        assert lock.try_acquire() is None
        assert recovery.orphans(paths) == []
    assert [intent.action for intent in recovery.orphans(paths)] == ["tune", KILL]
    recovery.heal(ENGINE, paths, lambda text: None)
    assert parameter_store.read(paths) == before
    assert not paths.journal.exists()


@pytest.mark.parametrize("drill", ["redis.failover", "postgres.restart"])
def test_what_a_killed_drill_wrote_into_a_service_that_is_down_is_told(
    paths: StackPaths, drill: str
) -> None:
    Journal(paths.journal).begin("drill.run", drill, run="abc")
    told: list[str] = []
    recovery.heal(ENGINE, paths, told.append)
    title = service(drill.partition(".")[0]).title
    why = f"{title} is down: what the run abc wrote stays in it"
    assert told[1:] == [f"drill.run of {drill} is not undone, the next change tries again: {why}"]
    assert [intent.subject for intent in Journal(paths.journal).pending()] == [drill]


def test_what_waits_for_a_service_that_is_about_to_start_is_not_mentioned(
    paths: StackPaths,
) -> None:
    Journal(paths.journal).begin("drill.run", "postgres.restart", run="abc")
    told: list[str] = []
    recovery.heal(ENGINE, paths, told.append, starting=True)
    assert told == ["healing an interrupted drill.run of postgres.restart"]
    assert paths.journal.exists()


def test_what_up_finishes_by_itself_is_not_touched(paths: StackPaths) -> None:
    Journal(paths.journal).begin("restart", "postgres")
    assert recovery.orphans(paths) == []
    recovery.heal(ENGINE, paths, lambda text: None)
    assert paths.journal.exists()


def test_without_a_journal_nothing_is_opened(paths: StackPaths) -> None:
    Stack("default").heal_unless_busy(pytest.fail)
    assert list(paths.root.iterdir()) == []


@pytest.fixture
def held(
    child: Callable[..., subprocess.Popen[str]], until: Callable[..., None]
) -> Callable[[str], process.ProcessId]:
    """Starts a process of a stack instance and holds it still."""

    def start(instance: str) -> process.ProcessId:
        env = {**os.environ, process.INSTANCE_VARIABLE: instance}
        started = child("sleep", "600", env=env)
        os.kill(started.pid, signal.SIGSTOP)
        until(lambda: process.frozen(started.pid))
        found = process.identify(started.pid)
        assert found is not None
        return found

    return start


def freeze(paths: StackPaths, *members: process.ProcessId) -> None:
    document = msgspec.json.encode(members).decode()
    Journal(paths.journal).begin("drill.freeze", "redis-1", processes=document)


def test_a_process_that_a_drill_held_still_goes_on(
    paths: StackPaths, held: Callable[[str], process.ProcessId], until: Callable[..., None]
) -> None:
    mine = held(INSTANCE)
    freeze(paths, mine)
    recovery.heal(ENGINE, paths, lambda text: None)
    until(lambda: not process.frozen(mine.pid))


def test_a_pid_that_is_another_process_by_now_is_not_signalled(
    paths: StackPaths, held: Callable[[str], process.ProcessId]
) -> None:
    mine = held(INSTANCE)
    freeze(paths, msgspec.structs.replace(mine, start_ticks=mine.start_ticks - 1))
    recovery.heal(ENGINE, paths, lambda text: None)
    assert process.frozen(mine.pid)


def test_a_process_that_is_not_of_the_stack_is_not_signalled(
    paths: StackPaths, held: Callable[[str], process.ProcessId], until: Callable[..., None]
) -> None:
    mine, foreign = held(INSTANCE), held("f" * 16)
    freeze(paths, foreign, mine)
    recovery.heal(ENGINE, paths, lambda text: None)
    until(lambda: not process.frozen(mine.pid))
    assert process.frozen(foreign.pid)


def test_only_the_packet_filter_table_of_the_stack_is_deleted(
    paths: StackPaths, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nft = room / "nft"
    nft.write_text(f'#!/bin/sh\ncat >> "{room}/told"\n')
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{room}:{os.environ['PATH']}")
    told: list[str] = []
    ours, foreign = firewall.table_of(INSTANCE), "devstack_tui_ffffffffffff"
    for table in (ours, foreign, "filter; flush ruleset"):
        Journal(paths.journal).begin("drill.partition", "redis-1", table=table)
    recovery.heal(ENGINE, paths, told.append)
    assert f"delete table ip {ours}" in (room / "told").read_text()
    assert foreign not in (room / "told").read_text()
    assert "flush" not in (room / "told").read_text()
    refused = Journal(paths.journal).refused
    assert [str(refused) in text for text in told].count(True) == 2
    assert len(refused.read_text().splitlines()) == 2
    assert not paths.journal.exists()


class Swept(Idle):
    """An engine of a service that runs, or does not."""

    def __init__(self, running: bool) -> None:
        self._running = running

    def units(self, service: object) -> Any:  # noqa: ARG002
        return [type("Unit", (), {"running": self._running})()]

    def target(self, service: Any) -> str:
        return str(service.name)


@pytest.mark.parametrize("running", [True, False])
def test_a_setting_that_a_sweep_changed_is_set_back_in_the_servers_that_run(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    given: list[tuple[object, int]] = []
    drill = next(one for one in service("redis").drills() if isinstance(one, Sweepable))
    monkeypatch.setattr(type(drill), "write_setting", lambda _, *given_to: given.append(given_to))
    Journal(paths.journal).begin("drill.setting", drill.name, setting="1000")
    recovery.heal(cast("Engine", Swept(running)), paths, lambda text: None)
    assert given == ([("redis", 1000)] if running else [])
    assert not paths.journal.exists()


def test_a_service_that_a_drill_killed_is_started_again(paths: StackPaths) -> None:
    started: list[str] = []

    class Broken(Idle):
        def units(self, service: Any) -> Any:  # noqa: ARG002
            return [type("Unit", (), {"running": False})()]

        def start(self, service: Any, run: object) -> None:  # noqa: ARG002
            started.append(service.name)

    Journal(paths.journal).begin("drill.kill", "redis-1", service="redis")
    recovery.heal(cast("Engine", Broken()), paths, lambda text: None)
    assert started == ["redis"]


def test_a_service_that_is_about_to_be_stopped_is_not_started_to_heal_it(
    paths: StackPaths,
) -> None:
    class Broken(Idle):
        def units(self, service: Any) -> Any:  # noqa: ARG002
            return [type("Unit", (), {"running": False, "started_at": 0.0})()]

        def start(self, service: Any, run: object) -> None:  # noqa: ARG002
            pytest.fail(f"{service.name} was started")

    before = StoredParameters(values={"redis": {"hz": "50"}})
    parameter_store.write(paths, before)
    parameter_apply.intend(paths, {"redis": ["hz"]})
    parameter_store.write(paths, StoredParameters())
    Journal(paths.journal).begin("drill.kill", "redis-1", service="redis")
    recovery.heal(cast("Engine", Broken()), paths, lambda text: None, ending={"redis"})
    assert parameter_store.read(paths) == before
    assert not paths.journal.exists()


def test_what_could_not_be_brought_back_is_tried_again_with_what_the_store_holds_by_then(
    paths: StackPaths,
) -> None:
    class Refusing(Idle):
        def units(self, service: Any) -> Any:  # noqa: ARG002
            return [type("Unit", (), {"running": True, "started_at": 0.0})()]

        def configure(self, service: Any, run: object) -> None:  # noqa: ARG002
            raise OSError("the driver's own")

    engine = cast("Engine", Refusing())
    parameter_store.write(paths, StoredParameters(values={"redis": {"hz": "50"}}))
    parameter_apply.intend(paths, {"redis": ["hz"]})
    told: list[str] = []
    recovery.heal(engine, paths, told.append)
    assert "not undone, the next change tries again: redis: OSError" in told
    # The store is back; what is set meanwhile is not lost to the next try.
    since = StoredParameters(values={"redis": {"hz": "100"}})
    parameter_store.write(paths, since)
    recovery.heal(engine, paths, told.append)
    assert parameter_store.read(paths) == since
    (left,) = Journal(paths.journal).pending()
    assert (left.action, left.subject) == ("tune", "redis")
