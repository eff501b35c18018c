"""Processes that are proven ours: identified, found again, ended with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core import process
from devstack_tui.core.process import INSTANCE_VARIABLE, UNIT_VARIABLE, ProcessId

Child = Callable[..., subprocess.Popen[str]]
Until = Callable[..., None]


def line(of: subprocess.Popen[str]) -> str:
    assert of.stdout is not None
    return of.stdout.readline().strip()


def identity(of: subprocess.Popen[str]) -> ProcessId:
    found = process.identify(of.pid)
    assert found is not None
    return found


def test_the_same_process_has_the_same_identity_at_every_look(child: Child) -> None:
    sleeper = child("sleep", "1000")
    found = identity(sleeper)
    assert found == identity(sleeper)
    assert process.alive(found)
    assert found.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_process_that_was_given_a_used_pid_is_another_one(child: Child) -> None:
    found = identity(child("sleep", "1000"))
    earlier = msgspec.structs.replace(found, start_ticks=found.start_ticks - 1)
    assert not process.alive(earlier)


def test_a_process_of_another_boot_is_another_one(child: Child) -> None:
    found = identity(child("sleep", "1000"))
    assert not process.alive(msgspec.structs.replace(found, boot_id="another"))


def test_a_process_that_is_gone_has_no_identity(child: Child) -> None:
    sleeper = child("sleep", "1000")
    found = identity(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert process.identify(sleeper.pid) is None
    assert not process.alive(found)


def test_a_zombie_counts_as_dead(child: Child, until: Until) -> None:
    sleeper = child("sleep", "1000")
    found = identity(sleeper)
    sleeper.kill()
    until(lambda: not process.alive(found), "the death")
    state = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state == "Z", "nobody has waited for it yet"


def test_a_programs_name_may_hold_spaces_and_parentheses(room: Path, child: Child) -> None:
    odd = room / "a) S (b c"
    odd.symlink_to(sys.executable)
    started = child(str(odd), "-c", "print('up', flush=True); import time; time.sleep(1000)")
    assert line(started) == "up"
    assert process.alive(identity(started))


def test_a_start_time_is_the_time_of_day_at_which_it_began(child: Child) -> None:
    before = time.time()
    found = identity(child("sleep", "1000"))
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert before - 2 * tick <= process.started_at(found) <= time.time() + 2 * tick


def test_the_environment_that_a_process_was_started_with_can_be_read(child: Child) -> None:
    ready = child("sh", "-c", "echo up; read end", env={"A": "1=2", "PATH": os.defpath})
    assert line(ready) == "up"
    assert process.environment(ready.pid)["A"] == "1=2"


def test_a_process_that_is_gone_has_no_environment(child: Child) -> None:
    gone = child("true")
    gone.wait()
    assert process.environment(gone.pid) == {}


def environment(instance: str, unit: str) -> dict[str, str]:
    return {"PATH": os.defpath, INSTANCE_VARIABLE: instance, UNIT_VARIABLE: unit}


def test_a_process_is_found_again_by_its_environment_with_its_children(
    child: Child, until: Until
) -> None:
    tree = child("sh", "-c", "sleep 1000 & echo $!; wait", env=environment("i-1", "redis-0"))
    helper = int(line(tree))
    other = child("sh", "-c", "echo up; read end", env=environment("i-2", "redis-0"))
    assert line(other) == "up"
    owned = {tree.pid: "redis-0", helper: "redis-0"}
    # While a program replaces the shell, there is an instant without an environment.
    until(lambda: process.owned("i-1") == owned, "both")
    assert process.leaders(owned) == {"redis-0": [tree.pid]}


def test_a_dead_process_is_not_owned(child: Child, until: Until) -> None:
    sleeper = child("sh", "-c", "echo up; read end", env=environment("i-3", "x"))
    assert line(sleeper) == "up"
    assert list(process.owned("i-3")) == [sleeper.pid]
    sleeper.kill()
    until(lambda: process.owned("i-3") == {}, "the death")


def test_descendants_are_children_and_whoever_shares_the_session(child: Child) -> None:
    # The first sleep is orphaned at once: only its session tells whose it is.
    tree = child("sh", "-c", "(sleep 1000 & echo $!); sleep 1000 & echo $!; wait")
    orphan, own = int(line(tree)), int(line(tree))
    stranger = child("sleep", "1000")
    table = process.table()
    assert process.descendants([tree.pid], table) == {tree.pid, orphan, own}
    assert process.descendants([orphan], table) == {orphan}
    assert stranger.pid in table


BUSY = """
import time
memory = bytearray(32 << 20)
for page in range(0, len(memory), 4096):
    memory[page] = 1
while time.process_time() < 0.1:
    pass
print("up", flush=True)
input()
"""


def test_usage_adds_up_cpu_and_memory_of_the_members(child: Child) -> None:
    pair = [child(sys.executable, "-c", BUSY) for _ in range(2)]
    assert [line(each) for each in pair] == ["up", "up"]
    seconds, memory = process.usage([pair[0].pid])
    both_seconds, both_memory = process.usage([each.pid for each in pair])
    assert 0.05 <= seconds <= both_seconds - 0.05
    assert 32 << 20 < memory < both_memory - (32 << 20)


def test_usage_of_a_process_that_is_gone_is_nothing(child: Child) -> None:
    gone = child("true")
    gone.wait()
    assert process.usage([gone.pid]) == (0.0, 0)


@pytest.fixture
def spawn(room: Path) -> Iterator[Callable[..., ProcessId]]:
    """The function itself, with a shell program; what it starts is surely ended."""
    started: list[ProcessId] = []

    def start(script: str, **more: object) -> ProcessId:
        found = process.spawn(
            ["sh", "-c", script],
            {"PATH": os.defpath, "CANARY": "1"},
            room,
            room / "server.log",
            **more,  # type: ignore[arg-type]
        )
        started.append(found)
        return found

    yield start
    for found in started:
        process.end(found, signal.SIGKILL, 5.0)


def test_a_server_has_a_session_of_its_own_and_no_input(
    room: Path, spawn: Callable[..., ProcessId], until: Until
) -> None:
    found = spawn("read line || echo no input; exec sleep 1000")
    until(lambda: (room / "server.log").read_text() == "no input\n", "its word")
    assert os.getsid(found.pid) == found.pid
    assert os.getsid(found.pid) != os.getsid(0)
    assert process.alive(found)


def test_a_server_writes_both_outputs_to_a_private_log_that_is_appended_to(
    room: Path, spawn: Callable[..., ProcessId], until: Until
) -> None:
    log = room / "server.log"
    before = os.umask(0)
    try:
        spawn("echo one; echo two >&2")
        until(lambda: log.read_text() == "one\ntwo\n", "the first two lines")
        spawn("echo three")
    finally:
        os.umask(before)
    until(lambda: log.read_text() == "one\ntwo\nthree\n", "the third line")
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_a_server_makes_is_private_whatever_our_umask_is(
    room: Path, spawn: Callable[..., ProcessId], until: Until
) -> None:
    before = os.umask(0)
    try:
        spawn("echo x > made")
    finally:
        os.umask(before)
    until((room / "made").exists, "its file")
    assert (room / "made").stat().st_mode & 0o777 == 0o600


def test_a_server_gets_the_given_environment_and_nothing_of_ours(
    room: Path, spawn: Callable[..., ProcessId], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setenv("SOMEBODYS_SECRET", "x")
    spawn("env; echo end")
    until(lambda: (room / "server.log").read_text().endswith("end\n"), "its words")
    text = (room / "server.log").read_text()
    assert "CANARY=1" in text
    assert "SOMEBODYS_SECRET" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_root_starts_a_server_as_an_unprivileged_account(
    room: Path, spawn: Callable[..., ProcessId], until: Until
) -> None:
    spawn("id -u; id -g; id -G", account=(65534, 65534))
    log = room / "server.log"
    until(lambda: log.read_text().count("\n") == 3, "its words")
    assert log.read_text().split() == ["65534", "65534", "65534"]


def test_a_program_that_cannot_be_started_is_an_oserror_and_leaves_no_open_file(
    room: Path,
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        process.spawn([str(room / "none")], {}, room, room / "server.log")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_server_outlives_whoever_started_it(room: Path, python: Child) -> None:
    code = """
import sys
from pathlib import Path
from devstack_tui.core import process
room = Path(sys.argv[1])
found = process.spawn(["sleep", "1000"], {"PATH": "/bin:/usr/bin"}, room, room / "log")
print(found.pid, flush=True)
sys.stdin.readline()
"""
    starter = python(code, str(room))
    found = process.identify(int(line(starter)))
    assert found is not None
    try:
        os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
        assert process.alive(found)
    finally:
        process.end(found, signal.SIGKILL, 5.0)


# -- ending ------------------------------------------------------------------------------------


def test_a_process_that_ends_when_asked_went_by_itself(child: Child) -> None:
    found = identity(child("sleep", "1000"))
    assert process.end(found)
    assert not process.alive(found)


def test_the_signal_that_a_server_wants_is_the_one_it_gets(room: Path, child: Child) -> None:
    script = f"trap 'echo INT > {room}/got; exit' INT; echo up; while :; do sleep 0.05; done"
    server = child("sh", "-c", script)
    assert line(server) == "up"
    assert process.end(identity(server), signal.SIGINT)
    assert (room / "got").read_text() == "INT\n"


def test_a_process_that_ignores_the_signal_is_killed(child: Child) -> None:
    stubborn = child("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    assert line(stubborn) == "up"
    found = identity(stubborn)
    assert not process.end(found, grace_s=0.2)
    assert not process.alive(found)


def test_a_process_that_was_stopped_is_continued_so_that_it_can_end(
    room: Path, child: Child, until: Until
) -> None:
    script = f"trap 'echo TERM > {room}/got; exit' TERM; echo up; while :; do sleep 0.05; done"
    server = child("sh", "-c", script)
    assert line(server) == "up"
    os.kill(server.pid, signal.SIGSTOP)
    until(lambda: process.table()[server.pid][0] == "T", "the stop")
    assert process.end(identity(server))
    assert (room / "got").read_text() == "TERM\n"


def test_children_that_stay_behind_are_ended_with_their_session(child: Child) -> None:
    script = "(trap '' TERM; sleep 1000) & echo $!; exec sleep 1000"
    server = child("sh", "-c", script)
    left = process.identify(int(line(server)))
    assert left is not None
    assert not process.end(identity(server), grace_s=0.2)
    assert not process.alive(left)


def test_a_child_that_is_not_ours_is_left_alone(child: Child) -> None:
    server = child("sh", "-c", "(trap '' TERM; sleep 1000) & echo $!; exec sleep 1000")
    left = process.identify(int(line(server)))
    assert left is not None
    found = identity(server)
    assert not process.end(found, grace_s=0.2, mine=lambda pid: pid != left.pid)
    assert not process.alive(found)
    assert process.alive(left)


def test_a_child_that_is_started_while_the_server_ends_is_ended_too(child: Child) -> None:
    script = "trap 'sleep 1000 & echo $!; exit' TERM; echo up; while :; do sleep 0.05; done"
    server = child("sh", "-c", script)
    assert line(server) == "up"
    process.end(identity(server), grace_s=1.0)
    late = int(line(server))
    assert process.identify(late) is None


def test_a_process_that_has_ended_needs_no_ending(child: Child) -> None:
    sleeper = child("sleep", "1000")
    found = identity(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert process.end(found)


def test_another_process_with_the_pid_of_a_dead_one_is_never_ended(child: Child) -> None:
    sleeper = child("sleep", "1000")
    earlier = msgspec.structs.replace(
        identity(sleeper), start_ticks=identity(sleeper).start_ticks - 1
    )
    assert process.end(earlier)
    assert sleeper.poll() is None


def test_a_child_of_our_own_is_reaped(room: Path) -> None:
    found = process.spawn(["sleep", "1000"], {"PATH": os.defpath}, room, room / "log")
    process.end(found)
    assert not Path(f"/proc/{found.pid}").exists()


@pytest.mark.parametrize(
    ("limits", "given"),
    [((1024, 1500), 1500), ((1024, 4096), 2000), ((3000, 4096), 3000)],
)
def test_a_server_may_open_more_files_than_a_login(
    limits: tuple[int, int], given: int, room: Path, python: Child, until: Until
) -> None:
    """With a smaller bound than ours, since a test may not raise the limits of its machine."""
    soft, hard = limits
    code = """
import resource, sys
from pathlib import Path
from devstack_tui.core import process
process.OPEN_FILES = 2000
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
room = Path(sys.argv[3])
process.spawn(["/bin/sh", "-c", "ulimit -n; ulimit -Hn"], {}, room, room / "log")
"""
    ended = python(code, str(soft), str(hard), str(room))
    assert ended.wait(60) == 0
    log = room / "log"
    until(lambda: log.read_text().count("\n") == 2, "what it printed")
    assert log.read_text().split() == [str(given), str(hard)]
