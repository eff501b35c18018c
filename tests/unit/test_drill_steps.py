"""The steps of the failover drill, judged without a server: each one can fail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.drill import Marker, Shard, Thresholds
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
from devstack_tui.services.redis.drills.steps import Outcome
from devstack_tui.services.redis.topology import ClusterNode, View
from devstack_tui.stack.stack import Stack

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


@pytest.fixture
def target() -> Target:
    return Stack("t").engine().target(service("redis"))


def look(target: Target, epoch: int = 6, **changes: Any) -> ClusterSnapshot:
    """3 masters, 3 replicas, whole. `changes` are of the last node's line in every view."""
    port = target.ports["tls"]
    nodes = tuple(
        ClusterNode(
            id=f"id{i}",
            host="127.0.0.1",
            port=port + i,
            bus_port=0,
            flags=frozenset({"master"} if i < 3 else {"slave"}),
            master_id="" if i < 3 else f"id{i - 3}",
            config_epoch=i % 3 + 1,
            connected=True,
            slots=(SLOTS[i],) if i < 3 else (),
        )
        for i in range(6)
    )
    nodes = (*nodes[:5], _with(nodes[5], **changes))
    info = {
        "cluster_state": "ok",
        "cluster_slots_ok": "16384",
        "cluster_current_epoch": str(epoch),
    }
    views = {
        i: View(
            i,
            tuple(_with(n, flags=n.flags | {"myself"}) if n is nodes[i] else n for n in nodes),
            info,
            {"role": "master"} if i < 3 else {"role": "slave", "master_link_status": "up"},
            {},
        )
        for i in range(6)
    }
    return ClusterSnapshot(views, {}, ())


def _with(node: ClusterNode, **changes: Any) -> ClusterNode:
    kept = {name: getattr(node, name) for name in ClusterNode.__slots__}
    return ClusterNode(**{**kept, **changes})


def outcome(target: Target, **changes: Any) -> Outcome:
    """A failover of redis-1 that went well."""
    marks = (
        Marker(1, 0.0, "fault"),
        Marker(1, 1100.0, "suspected", "redis-1"),
        Marker(1, 1900.0, "promoted", "redis-4", "epoch 7"),
        Marker(1, 1950.0, "covered"),
        Marker(1, 1960.0, "back", "shard 1 write"),
        Marker(1, 4000.0, "rejoined", "redis-1", "as a replica"),
        Marker(1, 4100.0, "resynced", "redis-1", "with redis-4 at byte 1"),
        Marker(1, 4200.0, "healed"),
    )
    made: dict[str, Any] = {
        "thresholds": Thresholds(),
        "fault": "sigkill",
        "victim": 0,
        "before": look(target),
        "after": look(target, epoch=7),
        "shard": "shard 1",
        "replicas": 1,
        "shards": (shard(1, 1.96), shard(2), shard(3)),
        "markers": marks,
        "lost_s": 0.5,
        "other_pause_s": 0.25,
    }
    return Outcome(**{**made, **changes})


def shard(number: int, window: float = 0.0, **more: Any) -> Shard:
    return Shard(
        name=f"shard {number}",
        write_window_s=window,
        read_window_s=window,
        acknowledged=300,
        **more,
    )


def without(made: Outcome, *kinds: str) -> Outcome:
    made.markers = tuple(mark for mark in made.markers if mark.kind not in kinds)
    return made


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
    nodes = (_with(other.nodes[0], slots=((0, 5459),)), *other.nodes[1:])
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
    for figure in ("epoch 6 → 7", "redis-4 owns the slots", "1.960 s", "3 s", "5 s"):
        assert figure in found.evidence


def test_a_window_above_ours_fails(target: Target) -> None:
    made = outcome(target, shards=(shard(1, 3.01), shard(2), shard(3)))
    assert steps.replica_took_over(made).status is Status.FAIL


def test_a_planned_switch_over_has_a_threshold_of_its_own(target: Target) -> None:
    made = outcome(target, fault="planned", shards=(shard(1, 0.2), shard(2), shard(3)))
    assert steps.replica_took_over(made).status is Status.FAIL


def test_an_epoch_that_does_not_rise_fails(target: Target) -> None:
    assert steps.replica_took_over(outcome(target, after=look(target))).status is Status.FAIL


def test_no_promotion_fails(target: Target) -> None:
    found = steps.replica_took_over(without(outcome(target), "promoted"))
    assert found.status is Status.FAIL
    assert "no replica of redis-1 was promoted" in found.evidence


def test_a_void_measurement_proves_no_window(target: Target) -> None:
    assert steps.replica_took_over(outcome(target, void="starved")).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("step", [steps.replica_took_over, steps.others_unharmed, steps.classed])
def test_without_replicas_it_fails_and_says_why(target: Target, step: Any) -> None:
    found = step(outcome(target, replicas=0))
    assert found.status is Status.FAIL
    assert "no replica could take over" in found.evidence
    assert "3+3" in found.remedy


def test_without_replicas_the_next_node_fails_too(target: Target) -> None:
    found = steps.next_node(outcome(target, replicas=0))
    assert (found.id, found.status) == ("redis.failover.13", Status.FAIL)


def test_another_shard_that_pauses_fails(target: Target) -> None:
    made = outcome(target, shards=(shard(1, 1.9), shard(2, 0.3), shard(3)))
    assert steps.others_unharmed(made).status is Status.FAIL


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
    made.replicas = 0
    assert steps.rejoined(made).status is Status.PASS


@pytest.mark.parametrize("fault", ["sigterm", "planned"])
def test_a_node_that_was_asked_may_lose_nothing(target: Target, fault: str) -> None:
    made = outcome(target, fault=fault, shards=(shard(1, lost=1, lost_s=0.02),))
    assert steps.all_there(made).status is Status.FAIL


@pytest.mark.parametrize("fault", ["sigkill", "sigstop", "partition"])
def test_a_node_that_was_not_asked_may_lose_what_its_threshold_says(
    target: Target, fault: str
) -> None:
    little = outcome(target, fault=fault, shards=(shard(1, lost=1, lost_s=0.02, resurrected=1),))
    found = steps.all_there(little)
    assert found.status is Status.PASS
    assert "0.5 s of writing" in found.evidence
    much = outcome(target, fault=fault, shards=(shard(1, lost=40, lost_s=0.8),))
    assert steps.all_there(much).status is Status.FAIL


@pytest.mark.parametrize("what", ["out_of_order", "duplicated"])
def test_no_fault_excuses_a_broken_order(target: Target, what: str) -> None:
    assert steps.all_there(outcome(target, shards=(shard(1, **{what: 1}),))).status is Status.FAIL


def test_a_value_of_step_4_that_is_gone_fails(target: Target) -> None:
    assert steps.all_there(outcome(target, kept=(11, 12))).status is Status.FAIL


def test_what_could_not_be_read_back_is_an_error(target: Target) -> None:
    assert steps.all_there(outcome(target, unread="no answer")).status is Status.ERROR


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


@pytest.mark.parametrize(
    ("timeout", "seen"), [(500, 1.6), (1000, 2.35), (2000, 3.65), (5000, 8.25)]
)
def test_the_theory_holds_for_what_was_measured_by_hand(timeout: int, seen: float) -> None:
    expected, said = steps.theory("sigkill", timeout, 1)
    assert expected is not None
    assert expected[0] <= seen <= expected[1]
    assert "U(0, 0.5) s" in said


def test_without_replicas_there_is_nothing_to_expect() -> None:
    assert steps.theory("sigkill", 1000, 0)[0] is None
