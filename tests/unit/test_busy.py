"""What measures never runs beside a drill, in whichever order they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack_tui.bench.runner import Runner
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.stack.busy import WORK, require_none
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


async def test_no_benchmark_begins_beside_a_drill(stack: Stack, hold: Hold) -> None:
    hold("drill")
    with pytest.raises(DevstackError, match="a drill runs on this stack") as error:
        await anext(Runner(stack, {}).run([], "quick", 1))
    assert error.value.exit_code == 1
    assert StackLock.holder(lock_of(stack.paths, "bench")) is None


async def test_no_parameter_is_lent_beside_a_drill(stack: Stack, hold: Hold) -> None:
    hold("drill")
    told: list[Any] = []
    with pytest.raises(DevstackError, match="a drill runs on this stack"):
        async with leased(stack, "tune ab", "redis", ["hz"], told.append):
            told.append("lent")
    assert told == []
    assert Journal(stack.paths.journal).pending() == []
    assert StackLock.holder(lock_of(stack.paths, "tune")) is None


def test_nothing_is_applied_beside_a_drill(stack: Stack, hold: Hold) -> None:
    hold("drill")
    with pytest.raises(DevstackError, match="a drill runs on this stack"):
        plan(stack, {"redis": {"hz": "50"}})
