"""Whatever happens to a stack, `up` ends healthy or says what helps, and nothing is left behind."""

from __future__ import annotations

import os

from tests.storm.__main__ import say, storm
from tests.storm.plan import KINDS, planned
from tests.storm.runner import FULL, QUICK

ROUNDS = 15
SEED = int(os.environ.get("SEED", "9"))
"""The same storm each time: what chance finds is for `make storm`."""


def test_after_every_round_of_a_storm_up_ends_healthy_and_nothing_is_left() -> None:
    say(f"storm: seed {SEED}")
    with storm(QUICK, SEED) as made:
        faults = [fault for number in range(1, ROUNDS + 1) for fault in made.round(number)]
    assert not faults, "\n".join(faults)


def test_a_seed_gives_the_same_plan_again_and_every_kind_of_round() -> None:
    rounds = range(1, len(KINDS) + 1)
    plan = [planned(7, number, FULL) for number in rounds]
    assert plan == [planned(7, number, FULL) for number in rounds]
    assert plan != [planned(8, number, FULL) for number in rounds]
    assert {type(step).__name__ for steps in plan for step in steps} == {
        *("Verb", "Hurt", "Damage", "SmallDisk", "UsedUp")
    }
