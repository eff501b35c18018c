"""What should run is on the disk before it runs, so that a killed `up` leaves nothing unknown."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.contracts.engine import Run
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service import ProcessSpec
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.paths import StackPaths
from devstack_tui.core.process import INSTANCE_VARIABLE, UNIT_VARIABLE
from devstack_tui.engines.embedded import accounts
from devstack_tui.engines.embedded.engine import EmbeddedEngine
from devstack_tui.engines.embedded.process_records import Record, Records
from devstack_tui.state import directories, settings
from devstack_tui.state import instance as instances

Child = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def paths() -> StackPaths:
    found = StackPaths.of("work")
    directories.make(found)
    return found


@pytest.fixture
def records(paths: StackPaths) -> Records:
    return Records(paths.run)


@pytest.fixture
def engine(paths: StackPaths) -> EmbeddedEngine:
    made = instances.write(paths, instances.new(paths, "embedded", 0, {}))
    return EmbeddedEngine(paths, made, settings.load())


@pytest.fixture
def server(paths: StackPaths, child: Child) -> Callable[..., process.ProcessId]:
    """Starts a stand-in for a server, marked as the engine marks its own."""

    def start(unit: str, script: str = "echo up; read end") -> process.ProcessId:
        made = instances.read(paths)
        assert made is not None
        marks = {INSTANCE_VARIABLE: made.id, UNIT_VARIABLE: unit}
        who = accounts.require(service(unit.removeprefix("helper:").partition("-")[0]))
        ids = {"user": who.uid, "group": who.gid} if who.switched else {}
        started = child("sh", "-c", script, env={"PATH": os.defpath, **marks}, **ids)
        assert started.stdout is not None
        assert started.stdout.readline() == "up\n"
        found = process.identify(started.pid)
        assert found is not None
        return found

    return start


def spec(unit: str, grace_s: float = 5.0) -> ProcessSpec:
    return ProcessSpec(unit, ["x"], stop_signal="SIGINT", grace_s=grace_s)


def intend(records: Records, spec: ProcessSpec, service: str, order: int) -> Record:
    return records.intend(spec, service, order, ())


# -- records -----------------------------------------------------------------------------------


def test_an_intended_process_is_known_before_it_runs(records: Records, paths: StackPaths) -> None:
    intended = intend(records, spec("redis-0"), "redis", 0)
    assert Records(paths.run).all() == [intended]
    assert not intended.alive
    assert (intended.signal, intended.grace_s) == (signal.SIGINT, 5.0)


def test_a_record_of_a_running_process_is_alive_until_it_ends(
    records: Records, child: Child
) -> None:
    sleeper = child("sleep", "1000")
    found = process.identify(sleeper.pid)
    assert found is not None
    records.started(intend(records, spec("redis-0"), "redis", 0), found)
    assert records.all()[0].alive
    sleeper.kill()
    sleeper.wait()
    assert not records.all()[0].alive


def test_records_of_a_service_come_in_the_order_of_start(records: Records) -> None:
    for order, unit in ((2, "redis-a"), (0, "redis-c"), (1, "redis-b")):
        intend(records, spec(unit), "redis", order)
    intend(records, spec("postgres"), "postgres", 0)
    assert [record.unit for record in records.of("redis")] == ["redis-c", "redis-b", "redis-a"]


def test_a_forgotten_unit_is_gone_and_forgetting_twice_is_harmless(records: Records) -> None:
    record = intend(records, spec("redis-0"), "redis", 0)
    records.remove(record)
    records.remove(record)
    assert records.all() == []


def test_a_start_is_complete_for_all_units_of_a_service_alone(records: Records) -> None:
    for order, unit in enumerate(("redis-0", "redis-1")):
        intend(records, spec(unit), "redis", order)
    intend(records, spec("postgres"), "postgres", 0)
    records.completed("redis")
    assert {record.unit: record.completed for record in records.all()} == {
        "postgres": False,
        "redis-0": True,
        "redis-1": True,
    }


def test_records_are_private(records: Records, paths: StackPaths) -> None:
    intend(records, spec("redis-0"), "redis", 0)
    assert (paths.run / "redis-0.json").stat().st_mode & 0o777 == 0o600


def test_a_stack_without_a_record_directory_has_no_records(room: Path) -> None:
    assert Records(room / "none").all() == []


@pytest.mark.parametrize("raw", [b"", b"{", b'{"unit": 3}', b'{"unit": "\xff"}'])
def test_a_record_that_cannot_be_read_is_passed_over(
    raw: bytes, records: Records, paths: StackPaths
) -> None:
    kept = intend(records, spec("redis-0"), "redis", 0)
    (paths.run / "redis-1.json").write_bytes(raw)
    assert records.all() == [kept]


# -- what the engine does with them ------------------------------------------------------------


def test_a_server_whose_starter_was_killed_before_it_wrote_the_pid_is_found_again(
    engine: EmbeddedEngine,
    records: Records,
    server: Callable[..., process.ProcessId],
) -> None:
    intend(records, spec("redis-0"), "redis", 0)
    running = server("redis-0")
    (note,) = engine.recover()
    assert f"found redis-0 again (pid {running.pid})" in note
    (record,) = records.all()
    assert record.process == running
    assert engine.recover() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="all servers of a normal user are the user's")
def test_what_another_servers_account_has_marked_is_not_taken_for_it(
    engine: EmbeddedEngine, records: Records, child: Child, paths: StackPaths
) -> None:
    intend(records, spec("redis-0"), "redis", 0)
    made = instances.read(paths)
    who = accounts.require(service("postgres"))
    assert made is not None
    marks = {INSTANCE_VARIABLE: made.id, UNIT_VARIABLE: "redis-0"}
    stranger = child("sh", "-c", "echo up; read end", env=marks, user=who.uid, group=who.gid)
    assert stranger.stdout is not None
    assert stranger.stdout.readline() == "up\n"
    (note,) = engine.recover()
    assert note.startswith("ended redis-0")
    assert records.all()[0].process is None


def test_what_a_server_started_is_not_taken_for_it_when_it_has_ended(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    ended = server("rabbitmq")
    records.started(intend(records, spec("rabbitmq"), "rabbitmq", 0), ended)
    process.end(ended)
    left = server("rabbitmq")  # a port mapper, say, which has its environment
    (note,) = engine.recover()
    assert note == f"ended rabbitmq (pid {left.pid}), left over from before"
    assert not process.alive(left)


def test_a_process_that_no_record_speaks_of_is_ended(
    engine: EmbeddedEngine, server: Callable[..., process.ProcessId]
) -> None:
    left = server("helper:postgres")
    (note,) = engine.recover()
    assert note == f"ended helper:postgres (pid {left.pid}), left over from before"
    assert not process.alive(left)


def test_a_running_server_and_its_children_are_left_alone(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    running = server("postgres", "sleep 1000 & echo up; read end")
    records.started(intend(records, spec("postgres"), "postgres", 0), running)
    assert engine.recover() == []
    assert process.alive(running)
    assert len(process.descendants([running.pid], process.table())) == 2


def test_usage_is_of_a_unit_with_its_children_and_of_those_it_has_waited_for(
    engine: EmbeddedEngine,
    records: Records,
    server: Callable[..., process.ProcessId],
    until: Callable[..., None],
) -> None:
    busy = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'"
    running = server("postgres", f"sleep 1000 & {busy}; echo up; read end")
    records.started(intend(records, spec("postgres"), "postgres", 0), running)
    used = engine.usage(service("postgres"))
    assert list(used) == ["postgres"]
    assert (used["postgres"].cpu_s or 0) > 0.02
    assert (used["postgres"].memory_bytes or 0) > 100_000
    assert engine.usage(service("mysql")) == {}
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: not process.alive(running), "the end")
    assert engine.usage(service("postgres")) == {}


def test_a_unit_that_runs_reads_its_files_again_when_it_is_asked_to(
    engine: EmbeddedEngine,
    records: Records,
    server: Callable[..., process.ProcessId],
    room: Path,
    until: Callable[..., None],
) -> None:
    room.chmod(0o777)  # as root, the stand-in runs as another account
    mark = room / "again"
    script = f"trap 'echo again >{mark}' HUP; echo up; while :; do sleep 0.05; done"
    running = server("postgres", script)
    records.started(intend(records, spec("postgres"), "postgres", 0), running)
    engine.reload("postgres")
    until(mark.exists, "the signal")
    with pytest.raises(UnreachableError, match="mysql does not run"):
        engine.reload("mysql")


def test_a_stop_that_was_interrupted_is_finished(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    running = server("postgres")
    record = records.started(intend(records, spec("postgres"), "postgres", 0), running)
    records.stopping(record)
    assert engine.recover() == ["stopped postgres: its stop was interrupted"]
    assert not process.alive(running)
    assert records.all() == []


def test_a_unit_made_for_other_services_than_the_stack_has_is_not_complete(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    running = server("redis-0")
    records.started(records.intend(spec("redis-0"), "redis", 0, ("postgres",)), running)
    records.completed("redis")
    assert [unit.completed for unit in engine.units(service("redis"))] == [False]


def test_a_second_instance_of_a_running_server_is_ended(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    first = server("postgres")
    records.started(intend(records, spec("postgres"), "postgres", 0), first)
    second = server("postgres")
    engine.recover()
    assert process.alive(first)
    assert not process.alive(second)


def test_the_processes_of_another_stack_are_left_alone(
    engine: EmbeddedEngine, child: Child
) -> None:
    other = child("sh", "-c", "echo up; read end", env={INSTANCE_VARIABLE: "another-stack"})
    assert other.stdout is not None
    assert other.stdout.readline() == "up\n"
    assert engine.recover() == []
    assert other.poll() is None


def test_stopping_ends_the_last_started_first_and_forgets_all(
    engine: EmbeddedEngine,
    records: Records,
    server: Callable[..., process.ProcessId],
    room: Path,
) -> None:
    room.chmod(0o777)  # as root, the stand-ins run as another account
    script = f"trap 'echo {{}} >> {room}/ended; exit' INT; echo up; while :; do sleep 0.02; done"
    for order, unit in enumerate(("redis-0", "redis-1", "redis-2")):
        running = server(unit, script.format(unit))
        records.started(intend(records, spec(unit), "redis", order), running)
    said: list[str] = []
    gently = engine.stop(service("redis"), Run(lambda phase, detail: said.append(detail)))
    assert gently
    assert (room / "ended").read_text().split() == ["redis-2", "redis-1", "redis-0"]
    assert said == ["redis-2", "redis-1", "redis-0"]
    assert records.all() == []


def test_stopping_says_when_a_server_had_to_be_killed(
    engine: EmbeddedEngine, records: Records, server: Callable[..., process.ProcessId]
) -> None:
    running = server("redis-0", "trap '' INT; echo up; while :; do sleep 0.02; done")
    records.started(intend(records, spec("redis-0", 0.2), "redis", 0), running)
    assert not engine.stop(service("redis"), Run())
    assert not process.alive(running)


def test_what_a_dead_server_said_last_is_told_without_secrets(
    engine: EmbeddedEngine, records: Records, paths: StackPaths
) -> None:
    ended = process.ProcessId(2**22 - 1, 1, process.boot_id())
    records.started(intend(records, spec("postgres"), "postgres", 0), ended)
    (paths.logs / "postgres.log").write_text("up\nFATAL: password=hunter2hunter2 is wrong\n\n \n")
    words = engine.exit_reason(service("postgres"))
    assert words.startswith("postgres has ended; its log ends with: FATAL: password=")
    assert "hunter2" not in words


MARIADB = "Version: '10.11.6-MariaDB-0+deb12u1'  socket: 'mysqld.sock'  port: 0  Debian 12"
REDIS_LINE = "71:M 27 Nov 2026 23:00:00.123"


@pytest.mark.parametrize(
    ("line", "given"),
    [
        (MARIADB, False),
        ("[System] [MY-010931] [Server] mysqld: ready for connections. Version: '8.0'", False),
        ("2026-11-27 23:00:00 UTC [7] LOG:  checkpoint complete", False),
        (f"{REDIS_LINE} * Ready to accept connections tls", False),
        (f"{REDIS_LINE} # Cluster state changed: ok", False),
        ('{"t":{},"s":"I","c":"NETWORK","msg":"Connection accepted"}', False),
        (f"{REDIS_LINE} # Fatal error, can't open config file - no such file", True),
        (f"{REDIS_LINE} # Cluster state changed: fail", True),
        ("2026-11-27 23:00:00 UTC [7] LOG:  database system is shut down", True),
        ("epmd does not answer", True),
        ("ModuleNotFoundError: No module named 'x'", True),
    ],
)
def test_a_last_line_that_is_no_error_is_no_reason(
    line: str, given: bool, engine: EmbeddedEngine, records: Records, paths: StackPaths
) -> None:
    ended = process.ProcessId(2**22 - 1, 1, process.boot_id())
    records.started(intend(records, spec("mysql"), "mysql", 0), ended)
    (paths.logs / "mysql.log").write_text(f"up\n{line}\n")
    words = engine.exit_reason(service("mysql"))
    assert words.startswith("mysql has ended")
    assert (line in words) is given
    assert ("does not say why" in words) is not given


def test_a_server_that_is_just_being_started_has_not_ended(
    engine: EmbeddedEngine, records: Records
) -> None:
    intend(records, spec("postgres"), "postgres", 0)
    assert engine.exit_reason(service("postgres")) == ""


def test_nothing_is_wiped_while_a_server_runs(
    engine: EmbeddedEngine,
    records: Records,
    server: Callable[..., process.ProcessId],
    paths: StackPaths,
) -> None:
    running = server("redis-0")
    records.started(intend(records, spec("redis-0"), "redis", 0), running)
    (paths.data / "kept").write_text("x")
    with pytest.raises(DevstackError, match="still runs"):
        engine.wipe()
    assert (paths.data / "kept").exists()
    process.end(running, signal.SIGKILL)
    engine.wipe()
    assert not paths.data.exists()
    assert not paths.secrets.exists()
    assert instances.read(paths) is None


def test_a_wipe_that_was_cut_short_is_still_known_as_this_stacks(
    engine: EmbeddedEngine, paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake deletion: a kill in the middle of it cannot be timed."""

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.wipe()
    assert instances.read(paths) is not None


def test_the_logs_of_a_service_are_those_of_its_units_alone(
    engine: EmbeddedEngine, records: Records, paths: StackPaths
) -> None:
    intend(records, spec("redis-7"), "redis", 0)
    for name in ("redis-0", "redis-1", "redisx", "postgres"):
        (paths.logs / f"{name}.log").write_text("")
    (paths.logs / "redis-0.log.1").write_text("the log before it grew too long")
    units = engine.log_units(service("redis"))
    assert units == ["redis-0", "redis-1", "redis-7"]
