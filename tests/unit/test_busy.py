"""What measures never runs beside what would spoil it, in whichever order they begin."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack_tui.bench.runner import Runner
from devstack_tui.cli.main import main
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.stack.busy import WORK, give_way, require_none
from devstack_tui.stack.recovery import lock_of
from devstack_tui.stack.stack import Stack
from devstack_tui.state import instance as instances
from devstack_tui.state.instance import Instance
from devstack_tui.tuning.apply import plan
from devstack_tui.tuning.lease import leased

Hold = Callable[[str], None]


@pytest.fixture
def stack() -> Stack:
    made = Stack("default")
    files.make_dir(made.paths.root)
    instances.write(made.paths, Instance("f" * 32, "default", "embedded", 0, 0.0))
    return made


@pytest.fixture
def hold(stack: Stack) -> Iterator[Hold]:
    held: list[StackLock] = []

    def take(kind: str) -> None:
        held.append(StackLock(lock_of(stack.paths, kind), kind))
        assert held[-1].try_acquire() is None

    yield take
    for lock in held:
        lock.release()


@pytest.mark.parametrize("kind", WORK)
def test_who_works_on_the_stack_is_named_until_it_ends(stack: Stack, hold: Hold, kind: str) -> None:
    require_none(stack.paths, *WORK)
    hold(kind)
    with pytest.raises(DevstackError, match=rf"{WORK[kind]} runs on this stack \(pid \d+\)"):
        require_none(stack.paths, *WORK)
    require_none(stack.paths, *(other for other in WORK if other != kind))


@pytest.mark.parametrize("kind", ["drill", "tune"])
async def test_no_benchmark_begins_beside_other_work(stack: Stack, hold: Hold, kind: str) -> None:
    hold(kind)
    with pytest.raises(DevstackError, match=f"{WORK[kind]} runs on this stack") as error:
        await anext(Runner(stack, {}).run([], "quick", 1))
    assert error.value.exit_code == 1
    assert StackLock.holder(lock_of(stack.paths, "bench")) is None


async def test_a_tuning_runs_its_own_benchmarks(stack: Stack, hold: Hold) -> None:
    hold("tune")
    await anext(Runner(stack, {}, keep=False).run([], "quick", 1))


@pytest.mark.parametrize("kind", ["drill", "bench"])
async def test_no_parameter_is_lent_beside_other_work(stack: Stack, hold: Hold, kind: str) -> None:
    hold(kind)
    told: list[Any] = []
    with pytest.raises(DevstackError, match=f"{WORK[kind]} runs on this stack"):
        async with leased(stack, "tune ab", "redis", ["hz"], told.append):
            told.append("lent")
    assert told == []
    assert Journal(stack.paths.journal).pending() == []
    assert StackLock.holder(lock_of(stack.paths, "tune")) is None


CHANGES = [
    ("down",),
    ("down", "--wipe", "--yes"),
    ("restart",),
    ("certs", "rotate", "--yes"),
    ("tune", "apply", "baseline", "--yes"),
    ("tune", "set", "redis", "hz=50", "--now", "--yes"),
    ("tune", "revert", "--yes"),
]


@pytest.mark.parametrize("kind", WORK)
@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_a_change_does_not_disturb_who_works_on_the_stack(
    stack: Stack, hold: Hold, kind: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    hold(kind)
    assert main([*words, "--stack", stack.name]) == 1
    refused = capsys.readouterr().err
    assert f"nothing was changed: {WORK[kind]} runs on this stack (pid " in refused
    assert "--wait waits for its end, --force disturbs it" in refused
    assert stack.paths.instance.exists()


def test_force_disturbs_and_the_plan_names_whom(
    stack: Stack, hold: Hold, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("bench")
    hold("tune")  # by the same process: it is named once
    assert main(["down", "--plan", "--json"]) == 0
    disturbs = json.loads(capsys.readouterr().out)["disturbs"]
    assert disturbs == [f"a tuning runs on this stack (pid {os.getpid()})"]
    assert main(["down", "--plan"]) == 0
    assert disturbs[0] in capsys.readouterr().out
    assert main(["down", "--force"]) == 0
    assert plan(stack, {}).disturbs == tuple(disturbs)


def test_wait_waits_until_the_work_has_ended(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = StackLock(lock_of(stack.paths, "bench"), "bench run")
    assert lock.try_acquire() is None
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        lock.release()

    give_way(stack.paths, force=False, wait=True, say=say)
    assert said == [f"a benchmark runs on this stack (pid {os.getpid()}): waiting for its end"]
    assert main(["down", "--wait"]) == 0
    assert "waiting" not in capsys.readouterr().err


def test_nothing_is_applied_beside_a_drill(stack: Stack, hold: Hold) -> None:
    hold("drill")
    with pytest.raises(DevstackError, match="a drill runs on this stack"):
        plan(stack, {"redis": {"hz": "50"}})
