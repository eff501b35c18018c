"""The Engine contract on a real Redis Cluster, for each engine that there is."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts import service_files
from devstack_tui.contracts.drill import Partitioned
from devstack_tui.contracts.engine import Engine, Feature, Run
from devstack_tui.contracts.faults import Fault, Handle, handle_of
from devstack_tui.contracts.model import LogLine
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.journal import Journal
from devstack_tui.core.programs import find_program
from devstack_tui.engines.embedded.engine import EmbeddedEngine
from devstack_tui.stack.probing import probe_once
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.conftest import home, take_down
from tests.stack.drill_kit import wait_whole

REDIS = service("redis")
UNITS = [f"redis-{number}" for number in range(1, 7)]
BUSY_S = 10.0


@dataclass(frozen=True)
class Made:
    """A stack of an engine: `stranger` is an engine that takes it for its own, and is not right."""

    cli: Cli
    stack: Stack
    stranger: Callable[[], Engine]

    @property
    def engine(self) -> Engine:
        """Another object each time, as each verb has its own."""
        return self.stack.engine()

    @property
    def journal(self) -> Journal:
        return Journal(self.stack.paths.journal)


def embedded(cli: Cli) -> Made:
    stack = Stack(cli.stack)

    def stranger() -> Engine:
        instance = stack.instance()
        assert instance is not None
        other = msgspec.structs.replace(instance, id="0" * 32)
        return EmbeddedEngine(stack.paths, other, stack.settings)

    return Made(cli, stack, stranger)


@pytest.fixture(scope="module", params=[embedded], ids=lambda made: made.__name__)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    with home() as folder, pytest.MonkeyPatch.context() as patch:
        cli = Cli(folder, "engine")
        cli.enter(patch)
        try:
            started = cli.run("up", "redis", timeout=180)
            assert started.returncode == 0, started.stderr
            yield request.param(cli)
        finally:
            take_down(cli)


@pytest.fixture(autouse=True)
def whole(made: Made) -> Iterator[None]:
    """Every test leaves the cluster as it found it."""
    wait_whole(made.cli)
    yield
    for intent in made.journal.pending():
        if handle := handle_of(intent):
            made.engine.undo(handle)
        made.journal.end(intent)
    made.engine.start(REDIS, Run())
    wait_whole(made.cli)


def answers(made: Made, unit: str) -> bool:
    """Whether the node answers a client of its own protocol."""
    import redis

    from devstack_tui.services.redis.client import close, connect

    try:
        client = connect(made.engine.target(REDIS), UNITS.index(unit), 0.5, tls=True)
        try:
            return bool(client.ping())
        finally:
            close(client)
    except (redis.RedisError, OSError):
        return False


def test_every_unit_is_listed_with_what_it_has_used(made: Made) -> None:
    units = made.engine.units(REDIS)
    assert [unit.unit for unit in units] == UNITS
    assert all(unit.running and unit.completed for unit in units)
    assert len({unit.start_id for unit in units}) == len(UNITS)
    used = made.engine.usage(REDIS)
    assert sorted(used) == UNITS
    assert all((one.memory_bytes or 0) > 1_000_000 for one in used.values())
    assert all((one.cpu_s or 0) > 0 for one in used.values())


def test_what_a_unit_has_used_never_gets_less(made: Made) -> None:
    before = made.engine.usage(REDIS)
    probe_once(REDIS, made.engine.target(REDIS), BUSY_S)
    after = made.engine.usage(REDIS)
    assert all((after[unit].cpu_s or 0) >= (before[unit].cpu_s or 0) for unit in UNITS)


def test_a_stack_is_proven_by_its_own_engine_and_by_no_other(made: Made) -> None:
    made.engine.prove_owned(REDIS)
    with pytest.raises(DevstackError, match="not of this stack: nothing was touched"):
        made.stranger().prove_owned(REDIS)


def test_nothing_can_be_aimed_at_in_a_stack_of_somebody_else(made: Made) -> None:
    with pytest.raises(UnreachableError, match="redis-1 does not run"):
        made.stranger().aim(REDIS, ["redis-1"], Fault.KILL)
    assert answers(made, "redis-1")


def test_aiming_touches_nothing(made: Made) -> None:
    for fault in (Fault.KILL, Fault.TERMINATE, Fault.FREEZE):
        handle = made.engine.aim(REDIS, ["redis-1"], fault)
        assert (handle.fault, handle.units) == (fault, ("redis-1",))
    assert answers(made, "redis-1")


def test_a_frozen_unit_goes_on_by_a_handle_that_was_kept_as_data(made: Made) -> None:
    handle = made.engine.aim(REDIS, ["redis-6"], Fault.FREEZE)
    kept = msgspec.json.encode(handle)
    made.engine.inject(handle)
    assert not answers(made, "redis-6")
    made.engine.undo(msgspec.json.decode(kept, type=Handle))
    assert answers(made, "redis-6")
    made.engine.undo(handle)  # there is nothing left to take back


@pytest.mark.parametrize("fault", [Fault.KILL, Fault.TERMINATE])
def test_a_unit_that_was_ended_is_gone_and_comes_back_by_a_start(made: Made, fault: Fault) -> None:
    engine = made.engine
    before = [unit.start_id for unit in engine.units(REDIS)]
    handle = engine.aim(REDIS, ["redis-6"], fault)
    engine.inject(handle)
    engine.gone(handle, BUSY_S)
    running = {unit.unit: unit.running for unit in engine.units(REDIS)}
    assert running == {unit: unit != "redis-6" for unit in UNITS}
    assert "redis-6 has ended" in engine.exit_reason(REDIS)
    assert "redis-6" not in engine.usage(REDIS)
    assert [unit.start_id for unit in engine.units(REDIS)][-1] == ""
    engine.start(REDIS, Run())
    assert answers(made, "redis-6")
    after = [unit.start_id for unit in engine.units(REDIS)]
    assert after[:-1] == before[:-1]
    assert after[-1] not in ("", before[-1])


def test_a_handle_of_a_unit_that_was_started_again_touches_nobody(made: Made) -> None:
    engine = made.engine
    old = engine.aim(REDIS, ["redis-6"], Fault.FREEZE)
    killed = engine.aim(REDIS, ["redis-6"], Fault.KILL)
    engine.inject(killed)
    engine.gone(killed, BUSY_S)
    engine.start(REDIS, Run())
    engine.inject(old)
    assert answers(made, "redis-6")


@pytest.mark.skipif(
    os.geteuid() != 0 or find_program("nft") is None, reason="a partition needs root and nft"
)
def test_a_node_that_is_cut_off_still_answers_its_clients(made: Made) -> None:
    engine, target = made.engine, made.engine.target(REDIS)
    engine.require(Feature.PARTITION)
    drill = next(one for one in REDIS.drills() if isinstance(one, Partitioned))
    handle = engine.aim(REDIS, ["redis-6"], Fault.PARTITION, drill.cut(target, "redis-6"))
    made.journal.begin("drill.partition", "redis-6", service="redis", **handle.undo)
    engine.inject(handle)
    try:
        assert answers(made, "redis-6")
    finally:
        engine.undo(handle)
    engine.undo(handle)


def test_a_unit_that_does_not_run_cannot_be_aimed_at_nor_read_its_files(made: Made) -> None:
    for act in (
        lambda: made.engine.aim(REDIS, ["redis-7"], Fault.KILL),
        lambda: made.engine.aim(service("mysql"), ["mysql"], Fault.FREEZE),
        lambda: made.engine.aim(service("mysql"), [], Fault.FREEZE),
        lambda: made.engine.reload("redis-7"),
    ):
        with pytest.raises(UnreachableError, match="does not run"):
            act()


def test_what_a_killed_process_left_frozen_is_healed_by_the_next_verb(made: Made) -> None:
    code = """
import os, signal, sys
from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.registry import service
from devstack_tui.core.journal import Journal
from devstack_tui.stack.stack import Stack
stack = Stack(sys.argv[1])
engine, found = stack.engine(), service("redis")
handle = engine.aim(found, ["redis-6"], Fault.FREEZE)
Journal(stack.paths.journal).begin("drill.freeze", "redis-6", service="redis", **handle.undo)
engine.inject(handle)
os.kill(os.getpid(), signal.SIGKILL)
"""
    argv = [sys.executable, "-c", code, made.stack.name]
    ended = subprocess.run(argv, env=made.cli.environment(), timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not answers(made, "redis-6")
    healed = made.cli.run("up", "redis")
    assert healed.returncode == 0, healed.stderr
    assert answers(made, "redis-6")
    assert made.journal.pending() == []


def test_the_server_knows_its_files_by_the_paths_that_the_engine_gives(made: Made) -> None:
    from devstack_tui.services.redis.client import close, connect

    files = made.engine.files(REDIS)
    client = connect(made.engine.target(REDIS), 0, 2, tls=True)
    try:
        asked: Any = client.execute_command
        cert = asked("CONFIG GET", "tls-cert-file")["tls-cert-file"]
    finally:
        close(client)
    assert cert == files.path(service_files.CERT)
    for name in (service_files.CERT, service_files.KEY, "redis-1/redis.conf"):
        found = files.stat(name)
        assert found is not None
        assert (found.mode, found.own) == (0o600, True)
    before = files.edit("redis-1/redis.conf", lambda text: text + "# changed\n")
    assert files.read("redis-1/redis.conf").endswith(b"# changed\n")
    files.write("redis-1/redis.conf", before)
    assert files.stat("no-such-file") is None


def test_the_last_lines_of_every_unit_are_read_and_no_more(made: Made) -> None:
    assert list(made.engine.log_units(REDIS)) == UNITS
    lines = list(made.engine.logs(REDIS, 2))
    assert [line.unit for line in lines] == [unit for unit in UNITS for _ in range(2)]
    assert list(made.engine.logs(service("mysql"), 5)) == []


def test_a_log_is_followed_across_the_death_and_the_start_of_its_unit(made: Made) -> None:
    engine, ended = made.engine, threading.Event()
    followed: queue.Queue[LogLine | None] = queue.Queue()

    def follow() -> None:
        for line in made.engine.logs(REDIS, 0, ended):
            followed.put(line)
        followed.put(None)

    def until(text: str) -> None:
        while (line := followed.get(timeout=BUSY_S)) is not None:
            if line.unit == "redis-6" and text in line.line:
                return
        raise AssertionError(f"the log ended before it said {text!r}")

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        handle = engine.aim(REDIS, ["redis-6"], Fault.TERMINATE)
        engine.inject(handle)
        until("bye bye")
        engine.gone(handle, BUSY_S)
        engine.start(REDIS, Run())
        until("Ready to accept connections")
    finally:
        ended.set()
        thread.join(BUSY_S)
    assert not thread.is_alive()


def test_status_tells_the_same_of_units_as_the_engine(made: Made) -> None:
    rows = json.loads(made.cli.run("status", "--json").stdout)["services"]
    (row,) = (one for one in rows if one["name"] == "redis")
    assert [unit["unit"] for unit in row["units"]] == UNITS
    assert row["memory_bytes"] == sum(unit["memory_bytes"] for unit in row["units"])
