"""The Engine contract, for each engine that there is: on a real Redis Cluster, and in memory."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts import service_files
from devstack_tui.contracts.drill import PartitionDrill
from devstack_tui.contracts.engine import Engine, Feature, Run, UnitEvent
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.model import LogLine
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import (
    DevstackError,
    NotInstalledError,
    UnreachableError,
    UsageError,
)
from devstack_tui.stack.probing import probe_once
from tests.engines.conftest import REDIS, UNITS, Made, status_of

BUSY_S = 60.0
FAULTS = tuple(Fault)
pytestmark = pytest.mark.usefixtures("whole")


def starts(engine: Engine) -> dict[str, str]:
    return {unit.unit: unit.start_id for unit in engine.units(REDIS)}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BUSY_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- looking -----------------------------------------------------------------------------------


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
    if made.cli is not None:
        probe_once(REDIS, made.engine.target(REDIS), BUSY_S)
    after = made.engine.usage(REDIS)
    assert all((after[unit].cpu_s or 0) >= (before[unit].cpu_s or 0) for unit in UNITS)


def test_a_service_has_no_more_than_the_whole_stack(made: Made) -> None:
    one, whole = made.engine.limits(REDIS), made.engine.limits()
    assert 0 < one.memory_bytes <= whole.memory_bytes
    assert 0 < one.cores <= whole.cores
    assert one.memory_from


def test_what_is_installed_and_what_the_stack_needs_is_said(made: Made) -> None:
    found = made.engine.locate(REDIS)
    assert found.version
    assert found.flavour
    needs = [*made.engine.examine(), *made.engine.examine(REDIS)]
    assert needs
    assert {need.status for need in needs} <= {"ok", "missing", "optional", "warning"}


def test_each_feature_is_allowed_or_refused_with_a_reason(made: Made) -> None:
    engine = made.engine
    for feature in Feature:
        if feature in engine.features:
            engine.require(feature)
        else:
            with pytest.raises(UsageError):
                engine.require(feature)
    for fault in FAULTS:
        assert Feature(fault.value)


def test_another_stack_moves_out_of_the_way_of_this_one(made: Made) -> None:
    ports = made.engine.target(REDIS).ports.values()
    offset = made.engine.free_offset(ports, [port + 100 for port in ports])
    assert offset % 100 == 0
    assert offset >= 100


def test_the_sockets_of_a_unit_are_its_own(made: Made) -> None:
    if made.cli is None:
        assert made.engine.bindings() == {}
        return
    ports = made.engine.target(REDIS).ports
    found = made.engine.bindings()["redis"]
    assert found.foreign == {}
    assert {one.port for one in found.sockets} == set(found.declared.values())
    for number, unit in enumerate(UNITS):
        own = [one for one in found.sockets if one.unit == unit]
        assert {one.host for one in own} == {"127.0.0.1"}
        assert {ports["main"] + number, ports["tls"] + number} < {one.port for one in own}


def test_a_unit_says_what_it_was_started_with(made: Made) -> None:
    assert made.engine.environment("redis-1")
    assert made.engine.environment("redis-1") != made.engine.environment("redis-2")


def test_status_shows_the_same_units_as_the_engine(made: Made) -> None:
    row: Any = status_of(made)["redis"]
    assert [unit["unit"] for unit in row["units"]] == UNITS
    assert row["memory_bytes"] == sum(unit["memory_bytes"] for unit in row["units"])


def test_a_watch_reports_that_a_unit_ended_and_that_it_came_back(made: Made) -> None:
    engine, ended = made.engine, threading.Event()
    events: queue.Queue[UnitEvent] = queue.Queue()
    watching = made.engine.watch(ended)
    thread = threading.Thread(target=lambda: deque(map(events.put, watching), maxlen=0))
    thread.start()
    try:
        handle = engine.aim(REDIS, ["redis-6"], Fault.KILL)
        engine.inject(handle)
        assert events.get(timeout=BUSY_S) == UnitEvent("redis-6", "")
        engine.gone(handle, BUSY_S)
        engine.start(REDIS, Run())
        assert events.get(timeout=BUSY_S) == UnitEvent("redis-6", starts(engine)["redis-6"])
    finally:
        ended.set()
        thread.join(BUSY_S)
    assert not thread.is_alive()


# -- logs and files ----------------------------------------------------------------------------


def test_the_last_lines_of_every_unit_are_read_and_no_more(made: Made) -> None:
    assert list(made.engine.log_units(REDIS)) == UNITS
    lines = list(made.engine.logs(REDIS, 1))
    assert [line.unit for line in lines] == UNITS
    assert list(made.engine.logs(REDIS, 0)) == []
    assert list(made.engine.logs(service("mysql"), 5)) == []


def test_a_log_is_followed_across_the_death_and_the_start_of_its_unit(made: Made) -> None:
    engine, ended = made.engine, threading.Event()
    followed: queue.Queue[LogLine | None] = queue.Queue()

    def follow() -> None:
        for line in made.engine.logs(REDIS, 1, ended):
            followed.put(line)
        followed.put(None)

    def wait_for(text: str) -> None:
        while (line := followed.get(timeout=BUSY_S)) is not None:
            if line.unit == "redis-6" and text in line.line:
                return
        raise AssertionError(f"the log ended before it said {text!r}")

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        last = [followed.get(timeout=BUSY_S) for _ in UNITS]
        assert [line and line.unit for line in last] == UNITS
        handle = engine.aim(REDIS, ["redis-6"], Fault.TERMINATE)
        engine.inject(handle)
        wait_for(made.farewell)
        engine.gone(handle, BUSY_S)
        engine.start(REDIS, Run())
        wait_for(made.greeting)
    finally:
        ended.set()
        thread.join(BUSY_S)
    assert not thread.is_alive()


def test_the_server_knows_its_files_by_the_paths_that_the_engine_gives(made: Made) -> None:
    from devstack_tui.services.redis.client import close, connect

    if made.cli is None:
        pytest.skip("no server knows files in memory")
    files = made.engine.files(REDIS)
    client = connect(made.engine.target(REDIS).as_admin(), 0, 2, tls=True)
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


# -- programs beside the servers ---------------------------------------------------------------


def test_a_program_beside_a_server_gets_its_secret_by_its_input(made: Made) -> None:
    ended = made.engine.execute("redis-1", ["cat"], stdin="hunter2")
    assert ended.status == 0
    assert "hunter2" in ended.output


def test_a_program_beside_a_server_runs_as_its_account_in_its_environment(made: Made) -> None:
    if made.cli is None:
        pytest.skip("nothing runs in memory")
    engine = made.engine
    about = engine.files(REDIS).stat("redis-1")
    assert about is not None
    script = 'id -u; echo "$HOME $DEVSTACK_TUI_UNIT $MORE"; echo no >&2; exit 3'
    ended = engine.execute("redis-1", ["sh", "-c", script], env={"MORE": "more"})
    home = engine.environment("redis-1")["HOME"]
    assert ended.output.splitlines() == [str(about.uid), f"{home} helper:redis more"]
    assert (ended.status, ended.errors) == (3, "no\n")


def test_every_process_is_known_with_what_it_may_do(made: Made) -> None:
    if made.cli is None:
        pytest.skip("nothing runs in memory")
    found = made.engine.processes()["redis"]
    about = made.engine.files(REDIS).stat()
    assert about is not None
    assert {one.unit for one in found} >= {f"redis-{number}" for number in range(1, 7)}
    for one in found:
        assert (one.uids, one.groups, one.rights) == ({about.uid}, frozenset(), 0) or os.geteuid()
        assert (one.core_bytes, one.privileges) == (0, False)
        assert one.environment == made.engine.environment(one.unit)
        assert "redis" in " ".join(one.arguments)


def test_a_program_that_does_not_end_or_is_not_there_is_an_error(made: Made) -> None:
    if made.cli is None:
        pytest.skip("nothing runs in memory")
    with pytest.raises(DevstackError, match="sleep did not end within 0 s"):
        made.engine.execute("redis-1", ["sleep", "60"], limit=0.1)
    with pytest.raises(DevstackError, match="no-such-program does not run"):
        made.engine.execute("redis-1", ["no-such-program"])


def test_a_program_at_the_terminal_ends_with_its_status(made: Made) -> None:
    status = made.engine.interact("redis-1", ["sh", "-c", "exit 4"])
    assert status == (0 if made.cli is None else 4)


def test_the_first_client_that_is_found_is_taken(made: Made) -> None:
    engine = made.engine
    with pytest.raises(NotInstalledError):
        engine.client(REDIS, "no-such-client")
    if made.cli is not None:
        found = engine.client(REDIS, "no-such-client", "redis-cli", "valkey-cli")
        assert found.version("--version", r"(\d+\.\d+)")


# -- starting and stopping ---------------------------------------------------------------------


def test_what_runs_needs_no_preparation_and_a_start_changes_nothing(made: Made) -> None:
    before = starts(made.engine)
    made.engine.prepare(REDIS, Run())
    made.engine.start(REDIS, Run())
    assert starts(made.engine) == before


def test_a_port_that_is_taken_is_reported_before_the_start(made: Made) -> None:
    if made.cli is None:
        pytest.skip("there are no ports in memory")
    mysql = service("mysql")
    port = made.engine.target(mysql).endpoint.port
    made.engine.prepare(mysql, Run())
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(DevstackError, match=f"mysql needs port {port}"):
            made.engine.prepare(mysql, Run())
        (found,) = (one for one in made.engine.examine(mysql) if one.subject == "mysql")
        assert (found.subject, found.status) == ("mysql", "warning")
        assert f"port {port}" in found.detail


def test_a_new_configuration_leaves_the_units_alone(made: Made) -> None:
    before = starts(made.engine)
    made.engine.configure(REDIS, Run())
    made.engine.reload("redis-1")
    assert starts(made.engine) == before
    assert made.answers("redis-1")


def test_a_cycle_restarts_every_unit_and_names_each_before_it_ends(made: Made) -> None:
    before = starts(made.engine)
    named: list[str] = []
    made.engine.cycle(REDIS, Run(), named.append)
    after = starts(made.engine)
    assert sorted(named) == UNITS
    assert all(after[unit] not in ("", before[unit]) for unit in UNITS)


def test_a_respawn_replaces_every_unit(made: Made) -> None:
    before = starts(made.engine)
    made.engine.respawn(REDIS, Run())
    assert all(start not in ("", before[unit]) for unit, start in starts(made.engine).items())
    until(lambda: made.answers("redis-6"))


def test_a_service_that_was_stopped_on_purpose_has_no_units_and_comes_back(made: Made) -> None:
    assert made.engine.stop(REDIS, Run())
    assert list(made.engine.units(REDIS)) == []
    assert made.engine.usage(REDIS) == {}
    assert made.engine.exit_reason(REDIS) == ""
    with pytest.raises(UnreachableError, match="does not run"):
        made.engine.prove_owned(REDIS)
    made.engine.prepare(REDIS, Run())
    made.engine.start(REDIS, Run())
    assert list(starts(made.engine)) == UNITS


def test_nothing_is_wiped_while_a_unit_runs(made: Made) -> None:
    before = starts(made.engine)
    for act in (made.engine.require_stopped, made.engine.wipe):
        with pytest.raises(DevstackError, match="still runs"):
            act()
    assert starts(made.engine) == before
    assert made.answers("redis-1")


def test_a_whole_stack_needs_no_recovery(made: Made) -> None:
    before = starts(made.engine)
    assert list(made.engine.recover()) == []
    assert starts(made.engine) == before


# -- faults ------------------------------------------------------------------------------------


def test_a_stack_is_proven_by_its_own_engine_and_by_no_other(made: Made) -> None:
    made.engine.prove_owned(REDIS)
    with pytest.raises(DevstackError, match="not of this stack: nothing was touched"):
        made.stranger.prove_owned(REDIS)


def test_nothing_can_be_done_to_a_unit_in_a_stack_of_somebody_else(made: Made) -> None:
    stranger = made.stranger
    for fault in (Fault.KILL, Fault.TERMINATE, Fault.FREEZE):
        with pytest.raises(UnreachableError, match="does not run"):
            stranger.aim(REDIS, ["redis-1"], fault)
    for act in _acts(stranger, "redis-1"):
        with pytest.raises(UnreachableError, match="redis-1 does not run"):
            act()
    assert made.answers("redis-1")


def test_a_unit_that_does_not_run_can_neither_be_aimed_at_nor_used(made: Made) -> None:
    engine = made.engine
    acts: list[Callable[[], object]] = [
        partial(engine.aim, REDIS, ["redis-7"], Fault.KILL),
        partial(engine.aim, service("mysql"), ["mysql"], Fault.FREEZE),
        partial(engine.aim, service("mysql"), [], Fault.FREEZE),
        partial(engine.aim, service("mysql"), ["redis-1"], Fault.FREEZE),
        *_acts(engine, "redis-7"),
    ]
    for act in acts:
        with pytest.raises(UnreachableError, match="does not run"):
            act()


def _acts(engine: Engine, unit: str) -> list[Callable[[], object]]:
    """All that needs a unit that runs."""
    return [
        partial(engine.reload, unit),
        partial(engine.environment, unit),
        partial(engine.execute, unit, ["true"]),
        partial(engine.interact, unit, ["true"]),
    ]


def test_aiming_touches_nothing(made: Made) -> None:
    for fault in (Fault.KILL, Fault.TERMINATE, Fault.FREEZE):
        handle = made.engine.aim(REDIS, ["redis-1"], fault)
        assert (handle.fault, handle.units) == (fault, ("redis-1",))
    assert made.answers("redis-1")


def test_a_frozen_unit_goes_on_by_a_handle_that_was_kept_as_data(made: Made) -> None:
    handle = made.engine.aim(REDIS, ["redis-6"], Fault.FREEZE)
    kept = msgspec.json.encode(handle)
    made.engine.inject(handle)
    assert not made.answers("redis-6")
    made.engine.undo(msgspec.json.decode(kept, type=Handle))
    assert made.answers("redis-6")
    made.engine.undo(handle)  # there is nothing left to undo


def test_a_unit_that_was_left_frozen_goes_on_by_a_recovery(made: Made) -> None:
    if made.cli is None:
        pytest.skip("the journal is what knows of it")
    made.engine.inject(made.engine.aim(REDIS, ["redis-6"], Fault.FREEZE))
    assert any("redis-6" in note for note in made.engine.recover())
    assert made.answers("redis-6")


@pytest.mark.parametrize("fault", [Fault.KILL, Fault.TERMINATE])
def test_a_unit_that_was_ended_is_gone_and_comes_back_by_a_start(made: Made, fault: Fault) -> None:
    engine = made.engine
    before = list(starts(engine).values())
    handle = engine.aim(REDIS, ["redis-6"], fault)
    engine.inject(handle)
    engine.gone(handle, BUSY_S)
    running = {unit.unit: unit.running for unit in engine.units(REDIS)}
    assert running == {unit: unit != "redis-6" for unit in UNITS}
    assert "redis-6 has ended" in engine.exit_reason(REDIS)
    assert "redis-6" not in engine.usage(REDIS)
    assert starts(engine)["redis-6"] == ""
    engine.start(REDIS, Run())
    assert made.answers("redis-6")
    after = list(starts(engine).values())
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
    assert made.answers("redis-6")


def test_a_node_that_is_cut_off_still_answers_its_clients(made: Made) -> None:
    engine, target = made.engine, made.engine.target(REDIS)
    if Feature.PARTITION not in engine.features:
        with pytest.raises(UsageError):
            engine.aim(REDIS, ["redis-6"], Fault.PARTITION)
        return
    drill = next(one for one in REDIS.drills() if isinstance(one, PartitionDrill))
    handle = engine.aim(REDIS, ["redis-6"], Fault.PARTITION, drill.cut(target, "redis-6"))
    made.journal.begin("drill.partition", "redis-6", service="redis", **handle.undo)
    engine.inject(handle)
    try:
        assert made.answers("redis-6")
    finally:
        engine.undo(handle)
    engine.undo(handle)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
def test_what_a_killed_process_did_is_undone_by_the_next_verb(made: Made, fault: Fault) -> None:
    if Feature(fault.value) not in made.engine.features:
        pytest.skip("this stack does not allow it")
    made.killed(f"""
fault = Fault({fault.value!r})
drill = next(one for one in found.drills() if isinstance(one, PartitionDrill))
cut = drill.cut(engine.target(found), "redis-6") if fault is Fault.PARTITION else None
handle = engine.aim(found, ["redis-6"], fault, cut)
journal.begin(f"drill.{{fault}}", "redis-6", service="redis", **handle.undo)
engine.inject(handle)
""")
    assert made.journal.pending()
    assert made.cli is not None
    healed = made.cli.run("up", "redis")
    assert healed.returncode == 0, healed.stderr
    assert made.answers("redis-6")
    assert made.journal.pending() == []
    made.settle()
    # Whether the others reach it: a cut that was left would keep the cluster from being whole.
    handle = made.engine.aim(REDIS, ["redis-6"], Fault.FREEZE)
    assert handle.units == ("redis-6",)


def test_a_kill_before_the_fault_leaves_nothing_to_undo(made: Made) -> None:
    before = starts(made.engine)
    made.killed("""
handle = engine.aim(found, ["redis-6"], Fault.KILL)
journal.begin("drill.kill", "redis-6", service="redis", **handle.undo)
""")
    assert made.cli is not None
    assert made.cli.run("up", "redis").returncode == 0
    assert starts(made.engine) == before
    assert made.journal.pending() == []
