"""Questions to one warm process: answered as by a process of their own, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from devstack_tui.core.children import FORK_SERVER, Cli
from devstack_tui.core.errors import DevstackError

ENDLESS = ("logs", "redis", "--follow", "--jsonl")
"""A verb that has nothing to say, and does not end."""


@pytest.fixture
async def cli() -> AsyncIterator[Cli]:
    made = Cli("default")
    yield made
    await made.close()


def server_of(cli: Cli) -> psutil.Process:
    assert cli._server is not None
    assert cli._server.pid is not None
    return psutil.Process(cli._server.pid)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def forks(cli: Cli, count: int = 1) -> list[psutil.Process]:
    """The forks that answer, once there are so many."""
    await until(lambda: cli._server and cli._server.pid)
    server = server_of(cli)
    await until(lambda: len(server.children()) == count)
    return server.children()


async def test_the_answer_is_that_of_a_process_of_its_own(cli: Cli) -> None:
    words = ("check", "list", "--json")
    alone = subprocess.run(cli.argv(*words), capture_output=True, check=True).stdout
    assert len(alone) > 65536
    assert await cli.ask(*words) == alone.removesuffix(b"\n")
    assert server_of(cli).num_threads() == 1


async def test_a_refusal_is_an_error_with_its_remedy(cli: Cli) -> None:
    with pytest.raises(DevstackError, match="unknown") as refused:
        await cli.ask("drill", "plan", "redis.failovre", "--json")
    assert "redis.failover" in str(refused.value)
    with pytest.raises(DevstackError, match=r"expected seconds"):
        await cli.ask("status", "--interval", "never")


async def test_many_are_answered_side_by_side(cli: Cli) -> None:
    endless = asyncio.create_task(cli.ask(*ENDLESS))
    await forks(cli)
    answers = await asyncio.gather(*(cli.ask("tune", "list", "--json") for _ in range(8)))
    assert len(set(answers)) == 1
    assert not endless.done()
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless


async def test_a_question_that_is_given_up_ends_its_fork(cli: Cli) -> None:
    task = asyncio.create_task(cli.ask(*ENDLESS))
    (fork,) = await forks(cli)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not fork.is_running())
    with pytest.raises(DevstackError, match="gave no answer in 1 s"):
        await cli.ask(*ENDLESS, timeout=1)
    await until(lambda: not server_of(cli).children())
    assert json.loads(await cli.ask("bench", "list", "--json"))["runs"] == []


async def test_a_fork_that_does_not_obey_is_killed(cli: Cli) -> None:
    task = asyncio.create_task(cli.ask(*ENDLESS))
    (fork,) = await forks(cli)
    fork.suspend()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not fork.is_running())


async def test_a_fork_that_is_killed_harms_no_other(cli: Cli) -> None:
    task = asyncio.create_task(cli.ask(*ENDLESS))
    (fork,) = await forks(cli)
    fork.kill()
    with pytest.raises(DevstackError, match="signal 9"):
        await task
    assert await cli.ask("tune", "list", "--json")


async def test_a_server_that_was_killed_is_started_again(cli: Cli) -> None:
    await cli.ask("up", "--plan", "--json")
    first = server_of(cli)
    first.kill()
    assert await cli.ask("up", "--plan", "--json")
    assert server_of(cli).pid != first.pid


async def test_killed_in_the_middle_it_is_asked_again_and_then_a_process_of_its_own(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[tuple[str, ...]] = []
    start = cli.start

    async def started(*words: str) -> object:
        alone.append(words)
        return await start("up", "--plan", "--json")

    monkeypatch.setattr(cli, "start", started)
    task = asyncio.create_task(cli.ask(*ENDLESS))
    servers: list[psutil.Process] = []
    for _ in range(2):
        await until(lambda: cli._server and cli._server.pid not in [s.pid for s in servers])
        (fork,) = await forks(cli)
        servers.append(server_of(cli))
        servers[-1].kill()
        fork.kill()
        await until(lambda: not servers[-1].is_running())
    assert json.loads(await task)["verb"] == "up"
    assert alone == [ENDLESS]
    assert servers[0].pid != servers[1].pid


async def test_a_server_that_crashes_is_reported_and_replaced(cli: Cli) -> None:
    said: list[str] = []
    cli.report_crashes(said.append)
    await cli.warm_up()
    before = server_of(cli)
    before.send_signal(signal.SIGSEGV)
    await until(lambda: said)
    assert said[0].startswith("the process that answers questions crashed (SIGSEGV)")
    assert json.loads(await cli.ask("up", "--plan", "--json"))["verb"] == "up"
    assert server_of(cli).pid != before.pid


async def test_a_fork_that_crashes_is_the_error_of_its_question(cli: Cli) -> None:
    task = asyncio.create_task(cli.ask(*ENDLESS))
    (fork,) = await forks(cli)
    fork.send_signal(signal.SIGSEGV)
    with pytest.raises(DevstackError, match=r"crashed \(SIGSEGV\)"):
        await task


async def test_what_was_changed_between_two_questions_is_seen(
    cli: Cli, user_file: Callable[[str], Path]
) -> None:
    before = json.loads(await cli.ask("up", "--plan", "--json"))["services"]
    user_file("[services.redis]\nenabled = false\n")
    after = json.loads(await cli.ask("up", "--plan", "--json"))["services"]
    assert "redis" in before
    assert "redis" not in after


def test_it_ends_with_whoever_started_it_and_its_forks_with_it() -> None:
    server = subprocess.Popen(FORK_SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"id": 1, "words": ENDLESS}).encode() + b"\n")
    server.stdin.flush()
    deadline = time.monotonic() + 60
    while not (left := psutil.Process(server.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.stdin.close()
    assert server.wait(timeout=60) == 0
    server.stdout.close()
    assert not [fork for fork in left if fork.is_running()]


async def test_it_is_warm_after_a_while_and_still_has_one_thread(cli: Cli) -> None:
    await cli.warm_up()
    await cli.ask("up", "--plan", "--json")
    server = server_of(cli)
    await until(lambda: _idle(server))
    assert server.num_threads() == 1
    assert await cli.ask("tune", "list", "--json")


def _idle(process: psutil.Process) -> bool:
    before = process.cpu_times()
    time.sleep(0.3)
    return process.cpu_times() == before


async def test_ctrl_c_at_the_terminal_does_not_reach_it(cli: Cli) -> None:
    await cli.warm_up()
    assert os.getsid(server_of(cli).pid) != os.getsid(0)
