"""The real command line prints what the console's tests are made of: the same lines are decoded by
the same types, and no stub has a key that the real one has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Cli
from tests.console.contract import CALLS, Shapes, joined, shapes
from tests.console.test_contract import stub_shapes
from tests.stack.conftest import take_down

SELDOM = {"note", "regress_done"}
"""Events that a stack without a fault does not cause, and the last one of a slow call."""


@pytest.fixture(scope="module")
def contract(state_home) -> Iterator[Cli]:  # type: ignore[no-untyped-def]
    """A stack of its own: its parameters and its history change."""
    cli = Cli(state_home, "contract")
    try:
        started = cli.run("up", timeout=240)
        assert started.returncode == 0, started.stderr
        yield cli
    finally:
        take_down(cli)


def real_shapes(cli: Cli) -> Shapes:
    """All that the real command line prints, in the order of the calls."""
    found = []
    for call in CALLS:
        if call.slow:
            continue
        words = call.words
        if "{run}" in words:
            words = words.replace("{run}", cli.json("bench", "list")["runs"][0]["id"])
        if "{drill}" in words:
            newest, older = (one["id"] for one in cli.json("drill", "history")["drills"][:2])
            words = words.replace("{drill}", newest).replace("{other}", older)
        ended = cli.run(*words.split(), timeout=400)
        assert ended.stdout, (words, ended.stderr)
        found.append(shapes(ended.stdout, call))
    return joined(found)


def test_no_stub_has_a_key_that_the_real_command_line_has_not(
    contract: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    real = real_shapes(contract)
    stub = stub_shapes(tmp_path_factory.mktemp("stub") / "state")
    events = {place for place in stub if "." not in place}
    assert events - set(real) - SELDOM == set()
    more = {place: keys - real[place] for place, keys in stub.items() if place in real}
    assert {place: keys for place, keys in more.items() if keys} == {}
