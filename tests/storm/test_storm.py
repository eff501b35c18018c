"""Whatever happens to a stack, `up` ends healthy or says what helps, and nothing is left behind."""

from __future__ import annotations

from tests.storm.__main__ import new_seed, say, storm
from tests.storm.runner import QUICK

ROUNDS = 15


def test_after_every_round_of_a_storm_up_ends_healthy_and_nothing_is_left() -> None:
    seed = new_seed()
    say(f"storm: seed {seed}")
    with storm(QUICK, seed) as made:
        faults = [fault for number in range(1, ROUNDS + 1) for fault in made.round(number)]
    assert not faults, "\n".join(faults)
