"""The limits of each fault by the shipped drills.toml: at each limit, and one step either side."""

from __future__ import annotations

from typing import Any

import pytest

from devstack_tui.contracts.drill import DrillResult, Thresholds
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.drill.catalogue import Catalogue
from devstack_tui.services.redis.drills import conclusion, rolling, steps
from devstack_tui.services.redis.drills.limits import judged_window, theory_of
from devstack_tui.stack.stack import Stack
from tests.unit.failover_kit import limits, outcome, shard


@pytest.fixture
def target() -> Target:
    return Stack("t").engine().target(service("redis"))


# -- the limits of a fault -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "timeout_ms", "lag_s", "wanted"),
    [
        # (node timeout + lag) x 50 writes a second
        ("sigkill", 1000, None, (3.0, 50, 0)),
        ("sigkill", 1000, 0.01, (3.0, 50, 0)),
        ("sigkill", 1000, 0.02, (3.0, 51, 0)),
        ("sigkill", 500, 0.1, (2.25, 30, 0)),
        ("sigstop", 1000, None, (3.0, 50, 50)),
        # (1.5 node timeouts + 0.2 s + lag) x 50
        ("partition", 1000, None, (2.0, 85, 50)),
        ("partition", 500, 0.02, (1.75, 48, 25)),
        ("sigterm", 1000, 0.5, (4.0, 0, 0)),
        ("planned", 1000, 0.5, (0.1, 0, 0)),
        # Theory's upper end is above what DevStack Core published.
        ("sigkill", 5000, None, (5.0, 250, 0)),
    ],
)
def test_each_fault_has_its_limits_by_the_node_timeout_in_force(
    fault: str, timeout_ms: int, lag_s: float | None, wanted: tuple[float, int, int]
) -> None:
    found = limits(fault, timeout_ms=timeout_ms, lag_s=lag_s)
    assert (found.window_s, found.lost, found.split_brain) == wanted
    assert found.lost_why


def test_a_replica_has_nothing_to_lose() -> None:
    found = limits("partition", master=False)
    assert (found.lost, found.split_brain, found.expected) == (0, 0, (0.0, 0.0))


def test_the_plan_says_each_limit_and_where_it_comes_from() -> None:
    planned = {step.id[-2:]: step for step in steps.planned_steps(limits("partition", lag_s=None))}
    assert planned["06"].title == "a replica takes the slots over within 2 s"
    assert "upper end of theory" in planned["06"].detail
    assert "longer than 0.25 s" in planned["07"].title
    for kind, why in steps.EXPLAINED.items():
        assert f"{kind}: {why}" in planned["08"].detail
    assert planned["12"].title == "at most 85 of the acknowledged writes are lost or come back"
    for words in ("1.5 x the node timeout of 1 s", "replaced 50", "every other shard 0"):
        assert words in planned["12"].detail
    asked = {step.id[-2:]: step.title for step in steps.planned_steps(limits("planned"))}
    assert asked["06"].endswith("within 0.1 s, the median of 5 or more within 0.05 s")
    assert asked["13"].endswith("within 0.1 s")


@pytest.mark.parametrize(
    ("window", "late", "status"),
    [
        (2.999, 0.0, Status.PASS),
        (3.0, 0.0, Status.PASS),
        (3.001, 0.0, Status.FAIL),
        (3.05, 0.05, Status.INCONCLUSIVE),
        (3.051, 0.05, Status.FAIL),
        (3.0, 0.09, Status.PASS),
    ],
)
def test_a_window_above_its_limit_by_no_more_than_our_own_delay_decides_nothing(
    target: Target, window: float, late: float, status: Status
) -> None:
    assert judged_window(window, 3.0, late) is status
    made = outcome(target, shards=(shard(1, window), shard(2), shard(3)), late_s=late)
    assert steps.replica_took_over(made).status is status


# -- step 12: what is lost -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "lost", "back", "status"),
    [
        ("sigkill", 0, 0, Status.PASS),
        ("sigkill", 1, 0, Status.WARN),
        ("sigkill", 0, 1, Status.WARN),
        ("sigkill", 40, 10, Status.WARN),
        ("sigkill", 40, 11, Status.FAIL),
        ("sigkill", 51, 0, Status.FAIL),
        ("sigstop", 50, 0, Status.WARN),
        ("sigstop", 51, 0, Status.FAIL),
        # Recorded: a partition of a healthy cluster.
        ("partition", 65, 10, Status.WARN),
        ("partition", 75, 10, Status.WARN),
        ("partition", 75, 11, Status.FAIL),
        ("sigterm", 0, 0, Status.PASS),
        ("sigterm", 1, 0, Status.FAIL),
        ("sigterm", 0, 1, Status.FAIL),
        ("planned", 1, 0, Status.FAIL),
    ],
)
def test_what_is_lost_within_the_limit_is_a_warning_and_above_it_a_failure(
    target: Target, fault: str, lost: int, back: int, status: Status
) -> None:
    own = shard(1, lost=lost, lost_s=0.02 * lost, resurrected=back)
    found = steps.all_there(outcome(target, fault=fault, shards=(own, shard(2), shard(3))))
    assert found.status is status, found
    assert f"{lost} of 900 acknowledged writes lost" in found.evidence
    most = limits(fault).lost
    assert found.title.startswith(f"at most {most} of" if most else "none of the acknowledged")


@pytest.mark.parametrize(
    ("fault", "split", "status"),
    [
        ("sigkill", 1, Status.FAIL),
        ("sigterm", 1, Status.FAIL),
        ("planned", 1, Status.FAIL),
        ("sigstop", 50, Status.WARN),
        ("sigstop", 51, Status.FAIL),
        ("partition", 50, Status.WARN),
        ("partition", 51, Status.FAIL),
    ],
)
def test_split_brain_has_a_limit_of_its_own(
    target: Target, fault: str, split: int, status: Status
) -> None:
    assert steps.all_there(outcome(target, fault=fault, split_brain=split)).status is status


@pytest.mark.parametrize("what", ["lost", "resurrected"])
def test_a_shard_that_lost_no_node_may_lose_nothing(target: Target, what: str) -> None:
    made = outcome(target, shards=(shard(1), shard(2, **{what: 1}), shard(3)))
    found = steps.all_there(made)
    assert found.status is Status.FAIL
    assert "shards that lost no node" in found.evidence


@pytest.mark.parametrize("what", ["out_of_order", "duplicated"])
def test_no_fault_excuses_a_broken_order(target: Target, what: str) -> None:
    assert steps.all_there(outcome(target, shards=(shard(1, **{what: 1}),))).status is Status.FAIL


def test_a_value_of_step_4_that_is_gone_fails(target: Target) -> None:
    assert steps.all_there(outcome(target, kept=(12, 12))).status is Status.PASS
    assert steps.all_there(outcome(target, kept=(11, 12))).status is Status.FAIL


def test_what_could_not_be_read_back_is_an_error(target: Target) -> None:
    assert steps.all_there(outcome(target, unread="no answer")).status is Status.ERROR


# -- all repeats together --------------------------------------------------------------------


def result(
    window: float = 0.04, fault: str = "planned", victim: str = "first (redis-1)", **more: Any
) -> DrillResult:
    made: dict[str, Any] = {
        "drill": "redis.failover",
        "fault": fault,
        "victim": victim,
        "repeat": 1,
        "started": 0.0,
        "seconds": 1.0,
        "verdict": "PASS",
        "steps": tuple(steps.decide(number, Status.PASS, "well") for number in steps.TITLES),
        "shards": (shard(1, window),),
        "shard": "shard 1",
    }
    return DrillResult(**made | more)


@pytest.mark.parametrize(
    ("windows", "status", "said"),
    [
        ([0.08] * 4, Status.PASS, "not judged: 4 of 5"),
        ([0.05] * 5, Status.PASS, "is 0.050 s"),
        ([0.051] * 5, Status.FAIL, "is 0.051 s"),
        ([0.02, 0.02, 0.05, 0.1, 0.1], Status.PASS, "is 0.050 s"),
    ],
)
def test_the_median_of_enough_switch_overs_has_a_limit(
    windows: list[float], status: Status, said: str
) -> None:
    results = [result(window) for window in windows]
    judged = conclusion.switch_overs(results[0].steps, results, Thresholds())
    assert judged[5].status is status
    assert said in judged[5].evidence
    assert [one.status for one in judged[:5]] == [Status.PASS] * 5


def test_a_median_that_our_own_delay_or_the_machine_explains_decides_nothing() -> None:
    late = [result(0.06, late_ms=10.0)] * 5
    starved = [result(0.06)] * 4 + [result(0.06, starved="no CPU")]
    for results, status in (
        (late, Status.INCONCLUSIVE),
        ([result(0.06, late_ms=9.0)] * 5, Status.FAIL),
        (starved, Status.INCONCLUSIVE),
        ([result(0.05, starved="no CPU")] * 5, Status.PASS),
    ):
        judged = conclusion.switch_overs(results[0].steps, results, Thresholds())
        assert judged[5].status is status


def test_a_window_that_is_too_long_on_a_machine_without_cpu_decides_nothing(
    target: Target,
) -> None:
    slow = (shard(1, 9.0), shard(2), shard(3))
    assert steps.replica_took_over(outcome(target, shards=slow)).status is Status.FAIL
    found = steps.replica_took_over(outcome(target, shards=slow, starved="no CPU"))
    assert found.status is Status.INCONCLUSIVE
    assert "no CPU" in found.evidence
    fast = (shard(1, 1.0), shard(2), shard(3))
    found = steps.replica_took_over(outcome(target, shards=fast, starved="no CPU"))
    assert found.status is Status.PASS


def test_a_void_switch_over_counts_for_no_median() -> None:
    results = [result(0.09, void="starved")] * 5
    assert conclusion.switch_overs(results[0].steps, results, Thresholds()) == results[0].steps


FIRST, SECOND = {"victim": "first (redis-1)"}, {"victim": "second (redis-2)"}
SEQUENCE = ("first", "second")


@pytest.mark.parametrize(
    ("core", "asked", "results"),
    [
        (True, SEQUENCE, [FIRST, SECOND]),
        (True, ("redis-1", "redis-2"), [{"victim": "redis-1"}, {"victim": "redis-2"}]),
        (False, ("first",), [FIRST]),
        (False, ("first", "first"), [FIRST, FIRST]),
        (False, SEQUENCE, [FIRST | {"fault": "sigterm"}, SECOND | {"fault": "sigterm"}]),
        (False, SEQUENCE, [FIRST, SECOND | {"void": "starved"}]),
        (False, ("first", "redis-6"), [FIRST, SECOND | {"shard": ""}]),
        (False, SEQUENCE, [FIRST | {"steps": ()}, SECOND | {"steps": ()}]),
        # It would have decided them, but the cluster was not well: that is the core result.
        (True, SEQUENCE, [FIRST | {"begun": False, "shard": ""}]),
        (False, ("first",), [FIRST | {"begun": False, "shard": ""}]),
        (False, ("redis-1", "redis-6"), [FIRST | {"begun": False, "shard": ""}]),
    ],
)
def test_the_core_result_is_that_of_two_masters_that_are_killed(
    core: bool, asked: tuple[str, ...], results: list[dict[str, Any]]
) -> None:
    made = [result(**({"fault": "sigkill"} | one)) for one in results]
    assert conclusion.core(asked, made) is core


def test_nothing_at_all_is_no_core_result() -> None:
    assert not conclusion.core(SEQUENCE, [])


# -- the rolling restart ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "late", "status"),
    [
        (0.5, 0.0, Status.PASS),
        (0.501, 0.0, Status.FAIL),
        (0.52, 0.05, Status.INCONCLUSIVE),
    ],
)
def test_a_rolling_restart_pauses_for_no_longer_than_its_title_says(
    target: Target, window: float, late: float, status: Status
) -> None:
    made = outcome(target, shards=(shard(1, window), shard(2)), late_s=late)
    assert rolling.short_enough(made, 0.5)[0] is status
    limits = Catalogue().choose("redis.rolling").thresholds
    assert rolling.title("03", limits).endswith("longer than 0.5 s")


@pytest.mark.parametrize(
    ("allowed", "more", "status"),
    [
        (0, {}, Status.PASS),
        (0, {"lost": 1}, Status.FAIL),
        (2, {"lost": 2}, Status.WARN),
        (2, {"lost": 3}, Status.FAIL),
        (2, {"resurrected": 1}, Status.FAIL),
        (2, {"out_of_order": 1}, Status.FAIL),
        (2, {"duplicated": 1}, Status.FAIL),
    ],
)
def test_a_rolling_restart_loses_no_more_than_its_title_says(
    allowed: int, more: dict[str, int], status: Status
) -> None:
    assert rolling.none_lost((shard(1, **more),), "", allowed)[0] is status


def test_a_rolling_restart_that_could_not_be_read_back_is_an_error() -> None:
    assert rolling.none_lost((), "no answer", 0)[0] is Status.ERROR
    assert rolling.classed((shard(1, errors={"MOVED": 1}),), "")[0] is Status.PASS
    assert rolling.classed((shard(1, errors={"OOM": 1}),), "")[0] is Status.FAIL


@pytest.mark.parametrize(
    ("timeout", "seen"), [(500, 1.6), (1000, 2.35), (2000, 3.65), (5000, 8.25)]
)
def test_the_theory_holds_for_what_was_measured_by_hand(timeout: int, seen: float) -> None:
    expected, said = theory_of("sigkill", timeout, 1)
    assert expected is not None
    assert expected[0] <= seen <= expected[1]
    assert "U(0, 0.5) s" in said


def test_without_replicas_there_is_nothing_to_expect() -> None:
    assert theory_of("sigkill", 1000, 0)[0] is None
