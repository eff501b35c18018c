"""The steps of the failover drill, judged without a server: each one can fail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.services.redis.drills import steps
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    nodes_of,
    resolve,
    shape_problems,
    slot_problems,
    state_problems,
)
from devstack_tui.services.redis.topology import View
from devstack_tui.stack.stack import Stack
from tests.unit.failover_kit import changed, limits, look, outcome, shard, without


@pytest.fixture
def target() -> Target:
    return Stack("t").engine().target(service("redis"))


# -- the cluster as it is --------------------------------------------------------------------


def test_a_whole_cluster_has_no_problem(target: Target) -> None:
    seen = look(target)
    assert [*state_problems(seen), *shape_problems(seen, target), *slot_problems(seen)] == []


def test_the_map_of_a_whole_cluster_has_every_node_up_and_where_it_belongs(target: Target) -> None:
    nodes = nodes_of(look(target), target)
    assert [node.state for node in nodes] == ["up"] * 6
    first, fourth = nodes[0], nodes[3]
    assert (first.name, first.role, first.slots, first.link) == ("redis-1", "master", "0-5460", "")
    assert (fourth.role, fourth.master, fourth.link) == ("replica", "redis-1", "up")
    assert first.endpoint.endswith(f":{target.ports['main']}")
    assert [node.epoch for node in nodes] == [1, 2, 3, 1, 2, 3]


def test_a_silent_node_is_a_problem(target: Target) -> None:
    seen = look(target)
    views = {i: view for i, view in seen.views.items() if i != 5}
    found = state_problems(ClusterSnapshot(views, {5: "the connection is refused"}, ()))
    assert found == ["redis-6 does not answer: the connection is refused"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"flags": frozenset({"slave", "fail?"})}, "for suspect"),
        ({"flags": frozenset({"slave", "fail"})}, "for failed"),
        ({"connected": False}, "for not linked"),
    ],
)
def test_a_node_that_another_one_doubts_is_a_problem(
    target: Target, changes: dict[str, Any], what: str
) -> None:
    assert any(what in problem for problem in shape_problems(look(target, **changes), target))


def test_a_replica_of_the_wrong_master_is_a_problem(target: Target) -> None:
    found = shape_problems(look(target, master_id="id0"), target)
    assert "redis-1 has 2 replicas, not 1" in found
    assert "redis-3 has 0 replicas, not 1" in found


def test_a_slot_on_the_move_is_a_problem(target: Target) -> None:
    seen = look(target)
    moving = ClusterSnapshot(seen.views, {}, ("redis-1 [42->-id1]",))
    assert slot_problems(moving) == ["redis-1 [42->-id1]"]


def test_nodes_that_disagree_about_a_slot_are_a_problem(target: Target) -> None:
    seen = look(target)
    other = seen.views[1]
    nodes = (changed(other.nodes[0], slots=((0, 5459),)), *other.nodes[1:])
    views = {**seen.views, 1: View(1, nodes, other.info, other.replication, other.server)}
    assert any("disagree" in problem for problem in slot_problems(ClusterSnapshot(views, {}, ())))


@pytest.mark.parametrize(
    ("victim", "index"), [("first", 0), ("second", 1), ("master-3", 2), ("redis-6", 5)]
)
def test_a_victim_stands_for_one_node(target: Target, victim: str, index: int) -> None:
    assert resolve(look(target), victim) == index


# -- the steps -------------------------------------------------------------------------------


def test_a_failover_within_the_threshold_passes_with_its_figures(target: Target) -> None:
    found = steps.replica_took_over(outcome(target))
    assert found.status is Status.PASS
    assert found.title.endswith("within 3 s")
    for figure in ("epoch 6 → 7", "redis-4 owns the slots", "1.960 s", "at most 3 s", "5 s"):
        assert figure in found.evidence


@pytest.mark.parametrize(
    ("fault", "window", "status"),
    [
        ("sigterm", 3.44, Status.PASS),
        ("sigterm", 4.0, Status.PASS),
        ("sigterm", 4.001, Status.FAIL),
        ("partition", 2.0, Status.PASS),
        ("partition", 2.001, Status.FAIL),
        ("planned", 0.1, Status.PASS),
        ("planned", 0.101, Status.FAIL),
    ],
)
def test_each_fault_has_a_window_of_its_own(
    target: Target, fault: str, window: float, status: Status
) -> None:
    made = outcome(target, fault=fault, shards=(shard(1, window), shard(2), shard(3)))
    assert steps.replica_took_over(made).status is status


def test_an_epoch_that_does_not_rise_fails(target: Target) -> None:
    assert steps.replica_took_over(outcome(target, after=look(target))).status is Status.FAIL


def test_no_promotion_fails(target: Target) -> None:
    found = steps.replica_took_over(without(outcome(target), "promoted"))
    assert found.status is Status.FAIL
    assert "no replica of redis-1 was promoted" in found.evidence


def test_a_void_measurement_proves_no_window(target: Target) -> None:
    assert steps.replica_took_over(outcome(target, void="starved")).status is Status.INCONCLUSIVE


def test_a_replica_has_nothing_that_could_be_taken_over(target: Target) -> None:
    made = outcome(target, shard="", victim=5, shards=(shard(1), shard(2), shard(3)))
    for found in (steps.replica_took_over(made), steps.next_node(made)):
        assert found.status is Status.SKIPPED
        assert "is a replica" in found.evidence
    made.shards = (shard(1, 0.3), shard(2), shard(3))
    assert steps.next_node(made).status is Status.FAIL


def test_what_could_not_be_judged_is_no_pass(target: Target) -> None:
    made = outcome(target, shards=(), unread="redis-1 does not answer")
    for step in (steps.replica_took_over, steps.others_unharmed, steps.classed, steps.all_there):
        assert step(made).status is Status.ERROR


@pytest.mark.parametrize(
    "step", [steps.replica_took_over, steps.others_unharmed, steps.classed, steps.rejoined]
)
def test_without_replicas_it_fails_and_says_why(target: Target, step: Any) -> None:
    found = step(outcome(target, replicas=0))
    assert found.status is Status.FAIL
    assert "no replica could take over" in found.evidence
    assert "3+3" in found.remedy


def test_without_replicas_the_next_node_fails_too(target: Target) -> None:
    found = steps.next_node(outcome(target, replicas=0))
    assert (found.id, found.status) == ("redis.failover.13", Status.FAIL)
    found = steps.rejoined(outcome(target, replicas=0), "14")
    assert (found.id, found.status) == ("redis.failover.14", Status.FAIL)


@pytest.mark.parametrize(
    ("pause", "late", "status"),
    [
        (0.25, 0.0, Status.PASS),
        (0.251, 0.0, Status.FAIL),
        (0.3, 0.05, Status.INCONCLUSIVE),
        (0.301, 0.05, Status.FAIL),
    ],
)
def test_another_shard_may_pause_for_as_long_as_the_title_says(
    target: Target, pause: float, late: float, status: Status
) -> None:
    made = outcome(target, shards=(shard(1, 1.9), shard(2, pause), shard(3)), late_s=late)
    found = steps.others_unharmed(made)
    assert found.status is status
    assert found.title == "the other shards never pause for longer than 0.25 s"


def test_clusterdown_from_another_shard_fails(target: Target) -> None:
    made = outcome(target, shards=(shard(1, 1.9), shard(2, errors={"CLUSTERDOWN": 1}), shard(3)))
    assert steps.others_unharmed(made).status is Status.FAIL


def test_an_error_that_no_failover_explains_fails(target: Target) -> None:
    made = outcome(target, shards=(shard(1, 1.9, errors={"MOVED": 3, "OOM": 1}),))
    found = steps.classed(made)
    assert found.status is Status.FAIL
    assert "OOM" in found.evidence


def test_the_errors_of_a_failover_are_explained(target: Target) -> None:
    made = outcome(target, shards=(shard(1, 1.9, errors={"refused": 90, "MOVED": 3}),))
    found = steps.classed(made)
    assert found.status is Status.PASS
    assert "nobody listened" in found.evidence


def test_a_node_that_does_not_come_back_fails(target: Target) -> None:
    made = outcome(target, failure="its data is gone")
    found = steps.rejoined(made)
    assert found.status is Status.FAIL
    assert "devstack-tui logs redis-1" in found.remedy
    assert steps.healthy_again(made, []).status is Status.FAIL


def test_a_node_that_does_not_catch_up_fails(target: Target) -> None:
    assert steps.rejoined(without(outcome(target), "resynced")).status is Status.FAIL


def test_a_node_that_comes_back_as_a_master_fails(target: Target) -> None:
    made = outcome(target)
    made.markers = tuple(
        msgspec.structs.replace(mark, text="as a master") if mark.kind == "rejoined" else mark
        for mark in made.markers
    )
    assert steps.rejoined(made).status is Status.FAIL


def test_a_recovery_that_nobody_timed_is_inconclusive(target: Target) -> None:
    assert steps.healthy_again(outcome(target), []).status is Status.PASS
    untimed = without(outcome(target), "healed")
    assert steps.healthy_again(untimed, []).status is Status.INCONCLUSIVE
    assert steps.healthy_again(untimed, ["redis-1 is gone"]).status is Status.FAIL


@pytest.mark.parametrize(
    ("problems", "cli", "status"),
    [
        ([], True, Status.PASS),
        ([], None, Status.INCONCLUSIVE),
        ([], False, Status.FAIL),
        (["a slot is not served"], True, Status.FAIL),
        (["a slot is not served"], None, Status.FAIL),
    ],
)
def test_half_a_check_of_the_end_decides_nothing_but_a_failure(
    target: Target, problems: list[str], cli: bool | None, status: Status
) -> None:
    assert steps.whole_at_the_end(outcome(target), problems, cli, "it said").status is status


# -- a cluster that is not well --------------------------------------------------------------


def test_when_one_of_the_first_three_fails_the_others_are_skipped_with_the_reason() -> None:
    made = [
        steps.decide("01", Status.PASS, ""),
        steps.decide("02", Status.FAIL, "redis-1 has 0 replicas, not 1"),
        steps.decide("03", Status.PASS, ""),
    ]
    rest = steps.skipped(made, limits())
    assert [one.id[-2:] for one in rest] == [f"{n:02}" for n in range(4, 17)]
    assert {one.status for one in rest} == {Status.SKIPPED}
    assert all("not begun: 02 failed" in one.evidence for one in rest)


def test_the_timings_are_seconds_after_the_fault(target: Target) -> None:
    found = steps.timings(outcome(target))
    assert found == {
        "detect": 1.1,
        "promote": 1.9,
        "cover": 1.95,
        "rejoin": 4.0,
        "resync": 4.1,
        "recover": 4.2,
        "first_write": 1.96,
    }
