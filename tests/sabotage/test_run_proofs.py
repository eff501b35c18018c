"""A few of what turns steps of the failover drill, and checks of the gate, red on a real stack; all
of them are in tests/long."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from devstack_tui.bench import baseline, gate, thresholds
from devstack_tui.bench.catalogue import Catalogue
from devstack_tui.bench.events import RunEnded, RunResult
from devstack_tui.bench.hold import Hold
from devstack_tui.bench.proving import late
from devstack_tui.bench.runner import Runner
from devstack_tui.contracts.proof import Statuses
from devstack_tui.core.check import Status
from devstack_tui.drill import proving
from devstack_tui.security.sabotage_run import SabotageRun
from devstack_tui.stack.stack import Stack


async def drilled(run: SabotageRun, name: str) -> tuple[str, Statuses]:
    """The step that the sabotage is of, and what a drill found while it was in force."""
    (drill,) = proving.proven_runs()
    like = next(one for one in drill.sabotages if one.id == f"redis.failover.{name}")
    found: Statuses = {}
    async with contextlib.aclosing(drill.run(run.stack.name, like, run.broken)) as events:
        async for event in events:
            found = found if isinstance(event, str) else event
    return like.turns, found


@pytest.mark.parametrize("name", ["slot_migrating", "slot_left_migrating"])
def test_a_slot_on_the_move_turns_its_step_of_the_drill_red_and_no_other(
    run: SabotageRun, name: str
) -> None:
    turns, found = asyncio.run(drilled(run, name))
    assert [id for id, status in found.items() if status is Status.FAIL] == [turns]


async def measured(stack: Stack, hold: Hold) -> tuple[RunResult, RunResult]:
    """A run as it is, and one whose replies are late."""
    check = next(one for one in thresholds.load().latency if one.workload == "redis.mixed")
    (entry,) = Catalogue().choose([check.workload])
    prints = baseline.fingerprints(stack, [entry], "smoke")
    found: list[RunResult] = []
    async with contextlib.aclosing(Runner(stack, prints, keep=False).run([entry], "smoke", 2)) as e:
        async for event in e:
            if isinstance(event, RunEnded):
                found.append(event.result)
                hold.pulse = late(check.p95_ms, event.result.latency_ms.p50)
    return found[0], found[1]


def test_late_replies_push_a_percentile_over_its_limit_and_none_is_lost(run: SabotageRun) -> None:
    rules = thresholds.load()
    check = next(one for one in rules.latency if one.workload == "redis.mixed")
    (entry,) = Catalogue().choose([check.workload])
    with Hold(run.stack, entry.service) as hold:
        usual, slow = asyncio.run(measured(run.stack, hold))
    assert (hold.problem, usual.problem, slow.problem, slow.errors) == ("", "", "", {})
    judged = gate.latency(check, [slow], rules.confidence)
    assert judged.status is Status.FAIL, judged.evidence
