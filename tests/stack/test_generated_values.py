"""What we say was applied is what the server reports, for generated values in every spelling."""

from __future__ import annotations

from tests.conftest import Cli
from tests.storm import values
from tests.storm.__main__ import new_seed, say

COUNT = 80


def test_what_we_say_was_applied_is_what_the_server_reports(live: Cli) -> None:
    seed = new_seed()
    say(f"generated values: seed {seed}")
    found = values.apply(live, COUNT, seed, say)
    assert not found.faults, "\n".join(found.faults)
    assert not found.refused, "\n".join(found.refused)
    assert found.applied == COUNT
