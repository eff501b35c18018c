"""The child processes behind the console."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from devstack_tui.console.health.change_job import ChangeJob, ChangeJobs, ChangeRequest
from devstack_tui.console.pane_jobs import BusyError
from devstack_tui.core.children import Child, Cli, Outage, RestartingChild, failure
from devstack_tui.core.errors import DevstackError
from devstack_tui.jobs.runner import Runner


def program(code: str) -> tuple[str, ...]:
    """A program of one line of Python."""
    return (sys.executable, "-c", code)


async def wait_for(condition: object, seconds: float = 60.0) -> None:
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether no process `pid` runs any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_a_failure_is_the_last_sentence_and_its_remedy() -> None:
    told = failure(b"starting\ndevstack-tui: it broke\n  \xe2\x86\x92 mend it\n", 1, "up")
    assert (told.message, told.remedy) == ("it broke", "mend it")
    assert failure(b"", -9, "up").message == "up ended without a message (signal 9)"
    assert failure(b"\xff\n", 3, "up").message == "\ufffd"


async def test_a_child_ends_when_its_input_closes() -> None:
    child = await Child.start(
        program("import os,sys; print(os.getpid(), flush=True); input()"), "x"
    )
    pid = 0
    async for batch in child.batches():
        pid = int(batch[0])
        break
    await child.close()
    assert gone(pid)


async def test_a_child_that_ignores_its_input_is_ended_all_the_same() -> None:
    code = (
        "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    child = await Child.start(program(code), "x")
    pid = 0
    async for batch in child.batches():
        pid = int(batch[0])
        break
    await child.close()
    assert gone(pid)


async def test_a_child_with_much_left_to_say_ends_by_itself() -> None:
    code = "import sys; sys.stdout.write('x\\n' * 1_000_000); sys.stdout.flush(); sys.stdin.read()"
    child = await Child.start(program(code), "x", grace_s=60)
    await asyncio.gather(child.close(), child.close())
    assert child._process.returncode == 0


async def test_lines_longer_than_the_limit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack_tui.core.children.MAX_LINE", 1000)
    child = await Child.start(
        program("print('a'); print('b' * 300000); print('c'); print(end='d')"), "x"
    )
    lines = [line async for batch in child.batches() for line in batch]
    await child.close()
    assert lines[0] == b"a"
    assert lines[-2:] == [b"c", b"d"]
    assert all(len(line) < 70_000 for line in lines)


async def test_a_watched_child_that_dies_is_told_and_started_again(tmp_path: Path) -> None:
    flag = tmp_path / "second"
    code = (
        f"import sys, pathlib; f = pathlib.Path({str(flag)!r})\n"
        "if f.exists(): print('alive', flush=True); print(input(), flush=True); input()\n"
        "f.touch(); sys.exit('broken\\n  → mend it')"
    )
    watch = RestartingChild(Cli("default", program(code)), "status")
    watch.pause()
    seen: list[bytes | Outage] = []
    lines = watch.lines()
    async for line in lines:
        seen.append(line)
        watch.now()
        if line == b"pause":
            break
    await lines.aclose()
    assert seen == [Outage("broken", "mend it", 1.0), b"alive", b"pause"]


async def test_a_watched_child_that_keeps_dying_is_started_later_each_time() -> None:
    watch = RestartingChild(Cli("default", program("raise SystemExit('no')")), "status")
    waits = []
    lines = watch.lines()
    async for line in lines:
        assert isinstance(line, Outage)
        waits.append(line.retry_in)
        if len(waits) == 3:
            break
        asyncio.get_running_loop().call_later(0.05, watch.now)
    await lines.aclose()
    assert waits == [1.0, 2.0, 5.0]


async def test_a_plan_is_asked_for_and_a_refusal_is_an_error(stub: Cli) -> None:
    plan = await stub.plan("down", ["redis"])
    assert (plan.verb, plan.services) == ("down", ("redis",))
    with pytest.raises(DevstackError, match="unknown service") as told:
        await stub.plan("down", ["nothing"])
    assert told.value.remedy == "did you mean mysql?"


async def test_an_answer_that_never_comes_is_given_up() -> None:
    cli = Cli("default", program("import time; time.sleep(60)"))
    with pytest.raises(DevstackError, match=r"gave no answer in 0 s"):
        await cli.ask("doctor", timeout=0.2)


def started(jobs: ChangeJobs, verb: str, *services: str) -> ChangeJob:
    """A change that was begun."""
    job = jobs.start(ChangeRequest(verb, services))
    assert job is not None
    return job


async def test_a_job_folds_its_events_and_ends_with_its_result(stub: Cli) -> None:
    changes: list[ChangeJob | None] = []
    jobs = ChangeJobs(Runner(stub))
    jobs.on_change = lambda job, _urgent: changes.append(job)
    job = started(jobs, "up", "vault", "redis")
    with pytest.raises(BusyError, match="up is running"):
        jobs.start(ChangeRequest("down"))
    await wait_for(lambda: not job.running)
    assert job.done is not None
    assert job.done.exit_code == 0
    assert job.planned is not None
    assert list(job.progress) == ["vault", "redis"]
    assert job.notes == ["finished a down that was interrupted"]
    assert changes
    assert jobs.running is None
    await jobs.leave()


async def test_a_job_that_dies_without_a_result_gets_one(stub: Cli) -> None:
    jobs = ChangeJobs(Runner(stub))
    job = started(jobs, "up", "nothing")
    await wait_for(lambda: not job.running)
    assert job.done is not None
    assert job.done.exit_code == 2
    assert job.done.message == "unknown service 'nothing'"
    assert job.done.remedy == "did you mean mysql?"
    await jobs.leave()


async def test_a_job_that_cannot_be_started_says_why(
    stub: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a-file"))
    (tmp_path / "a-file").touch()
    jobs = ChangeJobs(Runner(stub))
    job = started(jobs, "up")
    await wait_for(lambda: not job.running)
    assert job.done is not None
    assert job.done.exit_code == 1
    assert "while starting up" in job.done.message


async def test_a_job_has_a_session_of_its_own_and_outlives_who_listens(
    stub: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    monkeypatch.setenv("STUB_HOLD", str(hold))
    jobs = ChangeJobs(Runner(stub))
    job = started(jobs, "up")
    await wait_for(lambda: len(job.progress) == 6)
    assert os.getsid(job.pid) == job.pid
    assert await jobs.leave() is job
    assert not gone(job.pid)
    # Another console finds it, follows it from its first event on, and meets its end.
    other = ChangeJobs(Runner(stub))
    other.adopt()
    await wait_for(lambda: other.running and len(other.running.progress) == 6)
    found = other.running
    assert found is not None
    assert (found.request, found.pid) == (ChangeRequest("up"), job.pid)
    hold.unlink()
    await wait_for(lambda: other.running is None)
    assert found.done is not None and found.done.exit_code == 0
    await other.leave()
    await wait_for(lambda: gone(job.pid))
