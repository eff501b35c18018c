"""What the tuning decides, at each limit and one step on either side of it. The verdicts of pairs
have theirs in test_verdicts.py, the values of parameters in test_tune_rules.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest

from devstack_tui.console.job_line import BAD, GOOD, WARN
from devstack_tui.console.tuning.verdict import _search_sentence
from devstack_tui.core.errors import UsageError
from devstack_tui.tuning import auto, cost, search
from devstack_tui.tuning.auto import AutoRequest
from devstack_tui.tuning.cost import APART_S, KILL_S, expected_s, judged
from devstack_tui.tuning.events import AbReport, AutoReport, CostReport
from devstack_tui.tuning.halving import Candidate, Rounds, best_half
from devstack_tui.tuning.verdicts import IMPROVED, INCONCLUSIVE, NO_DIFFERENCE, REGRESSED
from tests.unit.test_ab_cost import killed
from tests.unit.tuning_bed import RUN_S, Bed


def rounds(time_left: Callable[[], float]) -> Rounds:
    return Rounds(Bed().runner(), frozenset(), time_left)


@pytest.mark.parametrize(("beyond", "affords"), [(-0.01, False), (0.0, True), (0.01, True)])
def test_candidates_are_measured_while_the_time_suffices_for_all_of_them(
    beyond: float, affords: bool
) -> None:
    needed = rounds(lambda: 0.0).cost(3, restart=False)
    # Three candidates, and the reference before and after them.
    assert needed == pytest.approx(5 * Bed().runner().run_s(restart=False))
    assert rounds(lambda: needed + beyond).affords(3, restart=False) is affords


@pytest.mark.parametrize(("count", "runs"), [(1, 3), (3, 5), (4, 7), (6, 9), (7, 11)])
def test_every_three_candidates_take_one_more_run_of_the_reference(count: int, runs: int) -> None:
    each = Bed().runner().run_s(restart=False)
    assert rounds(lambda: 0.0).cost(count, restart=False) == pytest.approx(runs * each)


@pytest.mark.parametrize(
    ("ratios", "dropped", "ahead"),
    [
        ([0.999], "", False),
        ([1.0], "", False),
        ([1.001], "", True),
        ([1.001], "it did not start", False),
        ([], "", False),
        ([1.2, 1 / 1.2], "", False),
        ([1.2, 1 / 1.19], "", True),
    ],
)
def test_a_candidate_is_ahead_when_its_runs_are_on_average(
    ratios: Sequence[float], dropped: str, ahead: bool
) -> None:
    assert Candidate({"a": "1"}, "", list(ratios), dropped=dropped).ahead is ahead


@pytest.mark.parametrize(("met", "kept"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_half_of_those_that_met_go_on_rounded_up(met: int, kept: int) -> None:
    pool = [Candidate({"a": str(n)}, "", [1.1 + n / 100]) for n in range(met)]
    assert len(best_half(pool)) == kept


@pytest.mark.parametrize(("gain", "wins"), [(0.5, False), (0.999, False), (1.001, True)])
def test_the_best_wins_when_it_is_ahead_by_more_than_its_standard_error(
    gain: float, wins: bool
) -> None:
    # Two runs each, 10 % to either side: the spread within them is 0.1 times the root of two.
    error = 0.1 * math.sqrt(2) / math.sqrt(2)
    middle = gain * error
    one = Candidate({"a": "1"}, "", [math.exp(middle - 0.1), math.exp(middle + 0.1)])
    other = Candidate({"b": "1"}, "", [math.exp(-0.2), math.exp(0.0)])
    assert search._winner({"a": "0"}, [one, other]) == {"a": "1" if wins else "0"}


@pytest.mark.parametrize(
    ("proofs", "code"),
    [
        ([IMPROVED], 0),
        ([IMPROVED, NO_DIFFERENCE], 0),
        ([IMPROVED, INCONCLUSIVE], 0),
        ([IMPROVED, REGRESSED], 1),
        ([INCONCLUSIVE, IMPROVED], 4),
        ([INCONCLUSIVE, REGRESSED], 1),
        ([REGRESSED, IMPROVED], 1),
        ([NO_DIFFERENCE], 0),
    ],
)
def test_a_search_passes_by_its_proof(proofs: Sequence[str], code: int) -> None:
    assert auto.exit_of(proofs) == code


@pytest.mark.parametrize(("beyond", "refused"), [(-0.1, True), (0.0, False), (0.1, False)])
def test_a_budget_is_refused_below_the_proof_and_twelve_runs(beyond: float, refused: bool) -> None:
    runner = Bed().runner()
    least = auto.least_budget_s(runner.run_s(restart=True))
    assert least == pytest.approx(30 * runner.run_s(restart=True))
    order = AutoRequest(workload="sim.load", size="quick", budget_s=least + beyond)
    if refused:
        with pytest.raises(UsageError, match="the proof alone takes about"):
            auto._require_time(order, runner)
    else:
        auto._require_time(order, runner)


@pytest.mark.parametrize(
    ("left_s", "blocks"),
    [(36 * RUN_S - 1, 6), (36 * RUN_S, 12), (36 * RUN_S + 1, 12), (72 * RUN_S, 24), (1e6, 24)],
)
def test_the_proof_grows_by_whole_sets_of_orders(left_s: float, blocks: int) -> None:
    assert auto.proof_blocks(left_s, RUN_S) == blocks


@pytest.mark.parametrize(
    ("acknowledged", "kept", "words"),
    [
        (0, 0, "no write was acknowledged before the SIGKILL: nothing was measured"),
        (1, 1, "lost none of 1 acknowledged writes on SIGKILL"),
        (1, 0, "lost 1 acknowledged writes (0 s) on SIGKILL"),
        (20, 20, "lost none of 20 acknowledged writes on SIGKILL"),
        (20, 19, "lost 1 acknowledged writes (0 s) on SIGKILL"),
    ],
)
def test_a_cost_says_what_was_lost_of_what_was_acknowledged(
    acknowledged: int, kept: int, words: str
) -> None:
    assert judged("redis", "optimized", [killed(acknowledged, kept)]).sentence == words


def test_a_cost_takes_as_long_as_the_last_one_for_each_kill() -> None:
    last = judged("redis", "optimized", [killed(20, 20)] * 2)
    assert expected_s([], 3) == APART_S + 3 * KILL_S
    untimed: list[CostReport] = [last]
    assert expected_s(untimed, 1) == APART_S + KILL_S
    timed = msgspec.structs.replace(last, seconds=APART_S + 20.0)
    assert expected_s([timed, last], 2) == pytest.approx(APART_S + 20.0)
    assert expected_s([timed], 5) == pytest.approx(APART_S + 50.0)
    quick = msgspec.structs.replace(last, seconds=1.0)
    assert expected_s([quick], 2) == pytest.approx(APART_S + cost.WRITE_S)


def proof_of(verdict: str) -> AbReport:
    """An A/B of the proof, of which only its verdict counts here."""
    return AbReport(
        id="", at=0.0, workload="redis.get", size="quick", unit="ops/s", a="baseline", b="auto",
        changes=(), verdict=verdict, ratio=1.0, interval=(0.9, 1.1), pairs=6, margin=0.05,
        samples=(), order="", sentence=f"the sentence of {verdict}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("baseline", "optimized", "path", "said", "look"),
    [
        (IMPROVED, None, "a.toml", "profile auto is saved, 8 tried", GOOD),
        (IMPROVED, NO_DIFFERENCE, "a.toml", "profile auto is saved", GOOD),
        (INCONCLUSIVE, IMPROVED, "a.toml", "the sentence of INCONCLUSIVE", WARN),
        (IMPROVED, REGRESSED, "", "the sentence of REGRESSED · no profile is saved", BAD),
    ],
)
def test_the_end_of_a_search_says_what_its_proof_shows(
    baseline: str, optimized: str | None, path: str, said: str, look: str
) -> None:
    found = AutoReport(
        workload="redis.get", profile="auto", path=path, values={}, tried=8,
        against_baseline=proof_of(baseline),
        against_optimized=None if optimized is None else proof_of(optimized),
        seconds=1.0, durable=False,
    )  # fmt: skip
    assert found.against_baseline is not None
    text, style = _search_sentence(found, found.against_baseline)
    assert said in text
    assert style == look
