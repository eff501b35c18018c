"""Jobs: detached processes that append their events to a file that anybody may follow."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.core.children import Cli
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import state_home
from devstack_tui.jobs.files import KEPT, JobFiles
from devstack_tui.jobs.runner import Job, Runner

HELD = """
import os, pathlib, signal, sys, time
print('{"event":"note","text":"begun"}', flush=True)
def end(*_):
    print('{"event":"done","exit_code":130}', flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
print('{"event":"note","text":"ready"}', flush=True)
while not pathlib.Path(os.environ["GO"]).exists():
    time.sleep(0.01)
print('{"event":"done","exit_code":0}')
"""
STUBBORN = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{"event":"note","text":"ready"}', flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of its own; the file `go` lets a held job end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    return state_home()


def runner(code: str, stack: str = "default") -> Runner:
    """A runner whose every verb is a few lines of Python."""
    return Runner(Cli(stack, (sys.executable, "-c", code)))


def begin(code: str, stack: str = "default") -> Job:
    """A job."""
    return runner(code, stack).start("bench run", ("redis.get",), "redis.get, quick")


async def lines_of(job: Job) -> list[bytes]:
    """All lines behind the first, once the job has ended."""
    found = [line async for batch in job.batches() for line in batch]
    assert found[0].startswith(b'{"event":"job"')
    return found[1:]


async def until_ready(job: Job) -> None:
    """Wait until the job has printed `ready`."""
    async for batch in job.batches():
        if any(b"ready" in line for line in batch):
            return
    raise AssertionError("it ended")


async def test_the_file_begins_with_what_the_job_is_and_goes_on_with_its_events(
    home: Path,
) -> None:
    job = begin("import sys; print(sys.argv[1:]); print('b', end='')")
    words = "['--stack', 'default', 'bench', 'run', 'redis.get', '--jsonl']"
    assert await lines_of(job) == [words.encode(), b"b"]
    assert not job.running
    assert job.exit_code == 0
    found = Job.find("default", job.started.id).started
    assert found == job.started
    assert (found.verb, found.words, found.title) == (
        "bench run", ("redis.get",), "redis.get, quick"
    )  # fmt: skip
    assert found.pid > 1 and found.schema == 1
    folder = home / ".jobs" / "default"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)] == [0o700] * 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    job.close()


async def test_another_process_finds_what_runs_and_follows_it_to_its_end(tmp_path: Path) -> None:
    job = begin(HELD)
    await until_ready(job)
    (other,) = runner("").running()
    assert other.started == job.started
    assert not other.ours
    assert os.getsid(job.started.pid) == job.started.pid
    (tmp_path / "go").touch()
    assert await lines_of(other) == await lines_of(job)
    assert not other.running
    assert runner("").running() == []
    job.close()
    other.close()


@pytest.mark.parametrize("found", [False, True])
async def test_cancel_lets_it_end_cleanly_whoever_started_it(found: bool) -> None:
    job = begin(HELD)
    await until_ready(job)
    who = runner("").running()[0] if found else job
    who.cancel(30)
    assert (await lines_of(who))[-1] == b'{"event":"done","exit_code":130}'
    job.close()


async def test_what_does_not_end_in_its_time_is_killed() -> None:
    job = begin(STUBBORN)
    await until_ready(job)
    job.cancel(0.2)
    job.cancel(0.2)  # the same key pressed twice is no second cancel
    await lines_of(job)
    assert job.exit_code == -signal.SIGKILL
    job.close()


async def test_a_second_cancel_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack_tui.jobs.runner._PATIENCE_S", 0.0)
    job = begin(STUBBORN)
    await until_ready(job)
    job.cancel(60)
    await asyncio.sleep(0.01)
    job.cancel(60)
    await asyncio.wait_for(lines_of(job), 10)
    assert job.exit_code == -signal.SIGKILL
    job.close()


async def test_a_reused_pid_is_never_signalled() -> None:
    job = begin("print('over')")
    await lines_of(job)
    stranger = await asyncio.create_subprocess_exec("sleep", "30")
    files = JobFiles("default")
    files.name_process(job.started, stranger.pid)  # nothing to write over: it has a pid already
    found = Job.find("default", job.started.id)
    found.started = type(job.started)(**{**_fields(job), "pid": stranger.pid})
    found.cancel(5)
    await asyncio.sleep(0.1)
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()
    job.close()
    found.close()


def _fields(job: Job) -> dict[str, object]:
    return {name: getattr(job.started, name) for name in job.started.__struct_fields__}


async def test_how_it_died_is_told_from_its_stderr_or_its_exit_status() -> None:
    job = begin("import sys; sys.exit('devstack-tui: it broke\\n  → mend it')")
    await lines_of(job)
    assert (job.error().message, job.error().remedy) == ("it broke", "mend it")
    job.close()
    job = begin("import sys; sys.exit(3)")
    await lines_of(job)
    assert job.error().message == "bench run ended without a message (exit status 3)"
    found = Job.find("default", job.started.id)
    assert found.error().message == "bench run ended without a result"
    job.close()
    found.close()


async def test_only_the_newest_ended_jobs_are_kept_and_none_that_runs(home: Path) -> None:
    held = begin(HELD)
    await until_ready(held)
    folder = home / ".jobs" / "default"
    for number in range(KEPT + 5):
        for suffix in ("jsonl", "stderr"):
            (folder / f"20010101-0000{number:02}-abcd.{suffix}").touch()
    job = begin("print('over')")
    await lines_of(job)
    ids = JobFiles("default").ids()
    assert held.started.id in ids and job.started.id in ids
    assert len(ids) == KEPT + 2
    assert "20010101-000024-abcd" in ids and "20010101-000000-abcd" not in ids
    assert len(list(folder.glob("*.stderr"))) == len(ids)
    held.cancel(5)
    await lines_of(held)
    held.close()
    job.close()


async def test_no_link_is_followed(home: Path, tmp_path: Path) -> None:
    job = begin("print('over')")
    await lines_of(job)
    folder = home / ".jobs" / "default"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "secret").write_text("secret\n")
    (folder / "20990101-000000-abcd.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(DevstackError, match="reading the job"):
        Job.find("default", "20990101-000000-abcd")
    (folder.parent / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DevstackError, match="starting bench run"):
        begin("print('over')", "linked")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    job.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_neither_waited_for_nor_read(
    home: Path, make: Callable[[Path], None]
) -> None:
    job = begin("print('over')")
    await lines_of(job)
    make(home / ".jobs" / "default" / "20990101-000000-abcd.jsonl")
    with pytest.raises(DevstackError, match="no regular file"):
        Job.find("default", "20990101-000000-abcd")
    with pytest.raises(DevstackError, match="no job of the stack"):
        Job.find("default")
    job.close()


async def test_a_job_is_the_one_that_its_file_is_called(home: Path) -> None:
    job = begin("print('over')")
    await lines_of(job)
    path = home / ".jobs" / "default" / f"{job.started.id}.jsonl"
    path.write_text(path.read_text().replace(job.started.id, "../../secret"))
    path.with_suffix(".stderr").unlink()
    other = Job.find("default", job.started.id)
    assert other.started.id == job.started.id
    assert await lines_of(other) == await lines_of(job)
    other.close()
    job.close()


async def test_damaged_and_cut_lines_come_as_they_are_and_no_long_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devstack_tui.jobs.runner.MAX_LINE", 1000)
    code = r"import sys; sys.stdout.buffer.write(b'\xff\n{\n' + b'x' * 3000000 + b'\ny\n{\"ev')"
    job = begin(code)
    assert await lines_of(job) == [b"\xff", b"{", b"y", b'{"ev']
    job.close()
    path = next((home / ".jobs" / "default").glob("*.jsonl"))
    path.write_bytes(b"garbage\n")
    with pytest.raises(DevstackError, match=r"first line of the job .* is damaged"):
        Job.find("default", job.started.id)
    assert runner("").running() == []


async def test_a_full_disk_starts_nothing_and_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:  # noqa: ARG001
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("devstack_tui.jobs.files.os.write", full)
    with pytest.raises(DevstackError, match="the disk is full while starting bench run"):
        begin("print('over')")
    assert list((home / ".jobs" / "default").iterdir()) == []


async def test_a_program_that_is_missing_is_an_error() -> None:
    with pytest.raises(DevstackError, match="bench run cannot be started: No such file"):
        Runner(Cli("default", ("/nowhere",))).start("bench run", (), "x")
    assert JobFiles("default").ids() == []


def test_the_job_that_is_meant_is_the_newest_that_runs_or_is_named() -> None:
    with pytest.raises(UsageError, match="no job of the stack 'default' runs"):
        Job.find("default")
    with pytest.raises(UsageError, match=r"unknown job '\.\./x'"):
        Job.find("default", "../x")
    with pytest.raises(UsageError, match="no stack name"):
        Job.find("../x")


async def test_a_job_of_a_stack_that_was_wiped_is_still_there(home: Path) -> None:
    job = begin("print('over')", "jobs")
    await lines_of(job)
    assert not (home / "jobs").exists()  # where a stack called `jobs` is wiped
    assert JobFiles("jobs").ids() == [job.started.id]
    job.close()
