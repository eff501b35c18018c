"""What the gate's self-test concludes, and how the hold is adjusted: at each limit, and one step on
either side of it."""

from __future__ import annotations

import pytest

from devstack_tui.bench import adjust, thresholds
from devstack_tui.bench.adjust import Adjusted, Rates
from devstack_tui.bench.canary import Canary
from devstack_tui.bench.hold import PERIOD_S, Pulse
from devstack_tui.bench.proving import late
from devstack_tui.bench.selftest import CUTS, judge_caught, judge_quiet
from devstack_tui.core.check import Result, Status

P, F, N = Status.PASS, Status.FAIL, Status.INCONCLUSIVE
MOVED = "the machine's CPU gives 70% of what it gave at the baseline"


def gates(*counts: tuple[Status, int]) -> list[Result]:
    return [Result("g", "t", status, "e") for status, count in counts for _ in range(count)]


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (gates((P, 20)), P),
        (gates((P, 15), (N, 5)), P),
        (gates((P, 14), (N, 6)), N),
        (gates((N, 20)), N),
        (gates((P, 19), (F, 1)), F),
        (gates((N, 19), (F, 1)), F),
    ],
)
def test_gates_are_quiet_if_fifteen_of_twenty_pass_and_none_fails(
    found: list[Result], status: Status
) -> None:
    judged = judge_quiet(found)
    assert judged.status is status
    assert "of 20 gates passed" in judged.evidence


@pytest.mark.parametrize(("said", "status"), [(F, P), (P, F), (N, N)])
def test_a_slowdown_that_the_gate_passes_is_missed(said: Status, status: Status) -> None:
    found = Result("perf.04", "t", said, "71% of the baseline")
    for id in CUTS:
        judged = judge_caught(id, Adjusted(0.41, 0.703), found, counter="commands")
        assert judged.status is status
        assert "held still 41% of the time" in judged.evidence
        assert "(commands) shows -29.7%" in judged.evidence


@pytest.mark.parametrize("said", [F, P, N])
def test_with_a_moved_canary_nothing_is_said_of_the_gate(said: Status) -> None:
    found = Result("perf.04", "t", said, "e")
    assert judge_caught("selftest.caught", Adjusted(0.4, 0.7), found, MOVED).status is N
    for alike in (gates((F, 20)), gates((P, 20))):
        judged = judge_quiet(alike, MOVED)
        assert (judged.status, MOVED in judged.evidence) == (N, True)


@pytest.mark.parametrize(
    ("cpu", "fsync", "moves"),
    [
        (0.85, 1.0, False),
        (0.849, 1.0, True),
        (1 / 0.85, 1.0, False),
        (1.177, 1.0, True),
        (1.0, 0.4, False),
        (1.0, 0.399, True),
        (1.0, 2.5, False),
        (1.0, 2.51, True),
    ],
)
def test_the_canary_has_moved_beyond_its_limits_only(cpu: float, fsync: float, moves: bool) -> None:
    limits = thresholds.load().canary
    assert (limits.cpu, limits.fsync) == (0.15, 0.60)
    then = Canary(1000.0, 1000.0)
    found = Canary(1000.0 * cpu, 1000.0 * fsync).moved(then, limits.cpu, limits.fsync)
    assert bool(found) is moves


# -- the hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "decision"),
    [
        ([Rates(1000, 700)], None),
        ([Rates(1000, 670)], None),
        ([Rates(1000, 669)], False),
        ([Rates(1000, 731)], False),
        ([Rates(1000, 730), Rates(1000, 690)], None),
        ([Rates(1000, 730), Rates(1000, 690), Rates(1000, 730)], True),
        ([Rates(1000, 730)] * 3, True),
        ([Rates(1000, 670)] * 3, True),
        ([Rates(1000, 730), Rates(1000, 730), Rates(1000, 731)], False),
        ([Rates(1000, 670), Rates(1000, 670), Rates(1000, 669)], False),
        ([Rates(0, 0)], False),
    ],
)
def test_a_share_is_right_when_three_pairs_show_it(
    pairs: list[Rates], decision: bool | None
) -> None:
    assert adjust.decide(pairs, 0.7) is decision


def test_the_share_comes_to_what_is_wanted_although_servers_have_time_to_spare() -> None:
    def server(share: float) -> float:
        return min(1.0, 1.4 * (1 - share))

    share = 0.3
    for _ in range(4):
        share = adjust.next_share(share, server(share), 0.7)
    assert server(share) == pytest.approx(0.7, abs=0.01)
    assert adjust.next_share(0.9, 0.001, 0.9) == adjust.LEAST
    assert adjust.next_share(0.9, 1.0, 0.01) == adjust.MOST


def test_a_pulse_holds_for_its_share_and_a_late_reply_is_beyond_the_limit() -> None:
    pulse = Pulse.of_share(0.25)
    assert pulse.held_s / (pulse.held_s + pulse.free_s) == pytest.approx(0.25)
    assert pulse.held_s + pulse.free_s == pytest.approx(PERIOD_S)
    found = late(limit_ms=20, usual_ms=1.5)
    assert found.held_s * 1000 > 20
    # All that are under way wait; what goes through between takes as long as five replies.
    assert 1 / (1 + found.free_s * 1000 / 1.5) > 0.05
    assert late(5, 0.1).free_s == 0.002


def test_every_throughput_of_the_gate_has_a_counter_of_its_server() -> None:
    rules = thresholds.load()
    assert all(check.counter for check in rules.throughput)
    for check in rules.throughput:
        assert rules.throughput_of(check.workload) == check
