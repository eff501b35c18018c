"""The search on a simulated service: what it finds, what it keeps out, and its time."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from devstack_tui.contracts.tunable import Apply, Parameter
from devstack_tui.core.errors import DevstackError
from devstack_tui.tuning.ab_arms import Settings
from devstack_tui.tuning.auto import order_of, proof_blocks, proof_s
from devstack_tui.tuning.events import AutoCandidate, AutoRound
from devstack_tui.tuning.halving import Candidate, Rounds, best_half
from devstack_tui.tuning.search import Search, single_changes
from tests.unit.tuning_bed import RUN_S, Bed, parameter

SEARCH_S = 1200.0


def searching(
    bed: Bed,
    parameters: Sequence[Parameter],
    *,
    sets: Sequence[Candidate] = (),
    seconds: float = SEARCH_S,
    refused: str = "",
) -> Search:
    runner = bed.runner()
    restarts = frozenset(p.name for p in parameters if p.apply is Apply.RESTART)

    def admit(values: Settings) -> str:
        refuses = any(f"{name}={text}" == refused for name, text in values.items())
        return "it would not fit" if refuses else ""

    return Search(
        lambda left: Rounds(runner, restarts, left),
        {p.name: None for p in parameters},
        sets=sets,
        singles=single_changes(parameters, lambda p, text: True),
        admit=admit,
        time_left=lambda: seconds - bed.seconds_now,
        emit=bed.emit,
    )


async def test_it_finds_the_single_changes_that_help_and_puts_them_together() -> None:
    bed = Bed(gains={"a=1": 1.2, "b=1": 1.15, "c=1": 0.8}, spread=0.01)
    best = await searching(bed, [parameter(n, "1", "2") for n in "abcd"]).run()
    assert (best["a"], best["b"]) == ("1", "1")
    assert best["c"] is None


async def test_the_best_whole_set_is_where_it_goes_on_from() -> None:
    bed = Bed(gains={"a=1": 1.3, "b=1": 1.1, "c=1": 1.2}, spread=0.01)
    sets = [Candidate({"a": "1"}, "one"), Candidate({"b": "1"}, "another")]
    best = await searching(
        bed, [parameter("a"), parameter("b"), parameter("c", "1")], sets=sets
    ).run()
    assert (best["a"], best["b"], best["c"]) == ("1", None, "1")


async def test_what_does_not_carry_is_dropped() -> None:
    bed = Bed(gains={"a=1": 1.3, "b=1": 0.97})
    sets = [Candidate({"a": "1", "b": "1"}, "both")]
    best = await searching(bed, [parameter("a"), parameter("b")], sets=sets).run()
    assert best == {"a": "1", "b": None}


async def test_where_nothing_helps_the_baseline_stays() -> None:
    bed = Bed(gains={"a=1": 0.9, "b=1": 0.8})
    best = await searching(bed, [parameter("a", "1"), parameter("b", "1")]).run()
    assert best == {"a": None, "b": None}


async def test_what_is_not_admitted_is_never_put_into_effect() -> None:
    bed = Bed(gains={"a=1": 2.0, "b=1": 1.2})
    best = await searching(bed, [parameter("a", "1"), parameter("b", "1")], refused="a=1").run()
    assert best == {"a": None, "b": "1"}
    assert not [values for values, _ in bed.puts if values["a"] == "1"]
    told = [event for event in bed.emitted if isinstance(event, AutoCandidate)]
    assert any(event.reason == "it would not fit" and not event.kept for event in told)


async def test_a_candidate_that_cannot_be_put_into_effect_is_dropped_with_the_reason() -> None:
    bed = Bed(gains={"a=1": 2.0, "b=1": 1.2}, broken=frozenset({"a=1"}))
    best = await searching(bed, [parameter("a", "1"), parameter("b", "1")]).run()
    assert best["b"] == "1"
    told = [event for event in bed.emitted if isinstance(event, AutoCandidate)]
    assert any(event.reason == "a=1 did not take" for event in told)


@pytest.mark.parametrize("seconds", [60.0, 200.0, 400.0])
async def test_it_ends_within_its_time(seconds: float) -> None:
    bed = Bed(gains={"a=1": 1.2}, spread=0.02)
    many = [parameter(name, "1", "2", "3") for name in "abcdefghijkl"]
    await searching(bed, many, seconds=seconds).run()
    assert bed.seconds_now <= seconds + 3 * RUN_S


async def test_among_many_that_change_nothing_it_seldom_finds_anything() -> None:
    found = 0
    for seed in range(20):
        bed = Bed(spread=0.3, noise=random.Random(seed))
        sets = [Candidate({name: "1"}, name) for name in "abcd"]
        best = await searching(bed, [parameter(n) for n in "abcd"], sets=sets).run()
        found += any(best.values())
    assert found <= 14


async def test_live_changes_cost_no_restart() -> None:
    bed = Bed(gains={"a=1": 1.2})
    await searching(bed, [parameter("a", "1"), parameter("b", "1")]).run()
    assert not any(restart for _, restart in bed.puts)


async def test_beside_a_change_that_needs_a_restart_the_reference_is_restarted_too() -> None:
    bed = Bed(gains={"a=1": 1.2})
    rounds = Rounds(bed.runner(), frozenset({"a"}), lambda: SEARCH_S)
    await rounds.round({"a": None}, [Candidate({"a": "1"}, "")], 1, "", bed.emit)
    assert [restart for _, restart in bed.puts] == [True, True, True]
    assert [values["a"] for values, _ in bed.puts] == [None, "1", None]


async def test_a_drift_of_the_machine_favours_nobody() -> None:
    bed = Bed(drift=0.05)
    pool = [Candidate({name: "1"}, name) for name in "abcde"]
    rounds = Rounds(bed.runner(), frozenset(), lambda: SEARCH_S)
    await rounds.round(dict.fromkeys("abcde"), pool, 1, "", bed.emit)
    assert [one.ratio for one in pool] == pytest.approx([1.0] * 5)


async def test_a_reference_that_fails_ends_the_search() -> None:
    bed = Bed(failing={1: "it broke", 2: "it broke"})
    with pytest.raises(DevstackError, match="it broke"):
        await searching(bed, [parameter("a", "1")]).run()


async def test_every_round_is_told_with_how_many_meet() -> None:
    bed = Bed(gains={"a=1": 1.2, "b=1": 1.1})
    await searching(bed, [parameter("a", "1"), parameter("b", "1")]).run()
    told = [event for event in bed.emitted if isinstance(event, AutoRound)]
    assert [event.round for event in told] == list(range(1, len(told) + 1))
    assert told[0].candidates == 2


def test_the_first_value_of_every_parameter_comes_before_any_second() -> None:
    found = single_changes(
        [parameter("a", "1", "2"), parameter("b", "1", "2")],
        lambda p, text: (p.name, text) != ("a", "1"),
    )
    assert [one.changes for one in found] == [{"a": "2"}, {"b": "1"}, {"b": "2"}]


def test_only_what_beats_the_reference_is_in_the_better_half() -> None:
    pool = [
        Candidate({"a": "1"}, "", [1.2]),
        Candidate({"b": "1"}, "", [1.3]),
        Candidate({"c": "1"}, "", [0.9]),
        Candidate({"d": "1"}, "", [1.4], dropped="no"),
    ]
    assert [one.ratio for one in best_half(pool)] == [1.3, 1.2]


@pytest.mark.parametrize(
    ("budget_s", "seconds"),
    [(100.0, 108.0), (480.0, 192.0), (900.0, 360.0), (90_000.0, 432.0)],
)
def test_the_proof_has_its_share_of_the_budget(budget_s: float, seconds: float) -> None:
    assert proof_s(budget_s, 6.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("left_s", "blocks"), [(0.0, 6), (215.0, 6), (216.0, 12), (360.0, 18), (9_000.0, 24)]
)
def test_more_time_makes_a_longer_proof(left_s: float, blocks: int) -> None:
    assert proof_blocks(left_s, 6.0) == blocks


@pytest.mark.parametrize("orders", [2, 6])
def test_every_order_has_its_turn_in_every_six_blocks(orders: int) -> None:
    places = [order_of(number, orders) for number in range(1, 25)]
    for at in range(0, len(places), 6):
        six = places[at : at + 6]
        assert [six.count(place) for place in range(orders)] == [6 // orders] * orders
