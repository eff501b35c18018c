"""How even the seconds of a run were, and whether it was steady: with seconds that are made up."""

from __future__ import annotations

import pytest

from devstack_tui.bench import durations
from devstack_tui.bench.catalogue import Catalogue
from devstack_tui.bench.durations import KeptRun
from devstack_tui.bench.steadiness import DRIFT, Steadiness, decide, of_runs, steadiness
from devstack_tui.core import stats


@pytest.mark.parametrize(
    ("interval", "steady"),
    [
        ((-DRIFT, DRIFT), True),
        ((-DRIFT - 0.001, DRIFT), None),
        ((-DRIFT, DRIFT + 0.001), None),
        ((DRIFT, 0.3), None),
        ((DRIFT + 0.001, 0.3), False),
        ((-0.3, -DRIFT), None),
        ((-0.3, -DRIFT - 0.001), False),
    ],
)
def test_a_drift_at_its_limits(interval: tuple[float, float], steady: bool | None) -> None:
    assert decide(interval) is steady


def test_an_even_run_is_steady_and_one_that_warms_up_is_not() -> None:
    even = steadiness([100.0, 101.0, 99.0, 100.0, 101.0, 99.0, 100.0, 100.0])
    assert even.steady is True
    assert even.dispersion == pytest.approx(0.0076, rel=0.01)
    rising = steadiness([100.0, 105.0, 110.0, 115.0, 120.0])
    assert rising.steady is False
    assert rising.drift == pytest.approx(20 / 110)


def test_a_single_stalled_second_is_dispersion_and_no_drift() -> None:
    stalled = steadiness([100.0] * 7 + [5.0] + [100.0] * 22)
    assert stalled.steady is True
    assert stalled.dispersion is not None
    assert stalled.dispersion > 0.15


@pytest.mark.parametrize("seconds", [[], [5.0], [0.0] * 9])
def test_what_has_no_seconds_says_nothing(seconds: list[float]) -> None:
    assert steadiness(seconds) == Steadiness()


def test_four_seconds_cannot_bound_a_drift_and_five_can() -> None:
    four = steadiness([100.0, 150.0, 200.0, 250.0])
    assert four.dispersion is not None
    assert (four.drift, four.steady) == (None, None)
    assert steadiness([100.0, 150.0, 200.0, 250.0, 300.0]).steady is False


def test_a_long_run_is_looked_at_in_sixty_parts() -> None:
    assert steadiness([100.0 + n / 100 for n in range(3601)]).drift == pytest.approx(0.3, rel=0.1)


def test_the_slope_is_that_of_most_pairs_with_kendalls_exact_interval() -> None:
    # Five values in order: both ends of all orders are 1 of 120 each, 1.7 % together.
    assert stats.slope([1.0, 2.0, 3.0, 4.0, 5.0]) == (1.0, 1.0, 1.0)
    found = stats.slope([1.0, 2.0, 30.0, 4.0, 5.0])
    assert found is not None
    assert found[0] == 1.0
    assert (found[1], found[2]) == (-26.0, 28.0)
    assert stats.slope([1.0, 2.0, 3.0, 4.0]) is None
    assert stats.slope([]) is None


@pytest.mark.parametrize(
    ("runs", "steady"),
    [
        ([False, False, True], False),
        ([False, True], None),
        ([True, True, None], True),
        ([True, None], None),
        ([], None),
    ],
)
def test_of_several_runs_most_decide(runs: list[bool | None], steady: bool | None) -> None:
    assert of_runs(runs) is steady


def test_a_plan_takes_its_time_from_what_ran_here_before() -> None:
    (entry,) = Catalogue().choose(["mongodb.bulk_insert"])
    known = [KeptRun(2.0, 7.0), KeptRun(1.0, 7.0), KeptRun(9.0, 7.0)]
    assert durations.workload_s(entry, "quick", 3, known) == pytest.approx(1.2 + 3 * 9)


def test_without_a_history_a_plan_has_setup_windows_and_emptying_in_it() -> None:
    (entry,) = Catalogue().choose(["mongodb.bulk_insert"])
    assert durations.run_s(entry, "quick", []) == pytest.approx(0.5 + 0.5 + 5)
    assert durations.run_s(entry, "full", []) == pytest.approx(0.5 + 0.5 + 60 + 2 * 1.0)
