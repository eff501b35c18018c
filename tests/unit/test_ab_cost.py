"""What is made of a kill: counts, seconds, and the sentence."""

from __future__ import annotations

import pytest

from devstack_tui.loadgen.acknowledged_writes import INDETERMINATE
from devstack_tui.tuning.cost import KillResult, judged
from tests.unit.fake_acks import write


def killed(acknowledged: int, kept: int, *, unanswered: int = 0) -> KillResult:
    """Ten writes a second up to the kill at 100 s; the last ones are missing."""
    first = 100 - acknowledged / 10
    writes = [write(n + 1, first + n / 10, first + (n + 1) / 10) for n in range(acknowledged)]
    writes += [
        write(acknowledged + n + 1, 99.9, 100.5, INDETERMINATE, "reset") for n in range(unanswered)
    ]
    return KillResult(tuple(writes), 100.0, 103.0, set(range(1, kept + 1)))


def test_acknowledged_writes_that_are_missing_are_lost() -> None:
    report = judged("postgres", "optimized", [killed(20, 15, unanswered=3)])
    assert (report.acknowledged, report.lost, report.indeterminate) == (20, 5, 3)
    assert report.lost_s == pytest.approx(0.4)
    assert report.recovery_s == pytest.approx(3.0)
    assert report.rate == pytest.approx(10.0)
    assert report.sentence == "lost 5 acknowledged writes (0.4 s) on SIGKILL"


def test_nothing_lost_is_said_as_such() -> None:
    report = judged("postgres", "durable", [killed(2000, 2000)])
    assert (report.lost, report.lost_s) == (0, 0.0)
    assert report.sentence == "lost none of 2,000 acknowledged writes on SIGKILL"


def test_of_several_kills_the_sum_and_the_worst_are_told() -> None:
    report = judged("redis", "optimized", [killed(20, 15), killed(20, 20), killed(20, 8)])
    assert (report.kills, report.acknowledged, report.lost) == (3, 60, 17)
    assert report.lost_s == pytest.approx(1.1)
    assert report.sentence == (
        "lost 17 acknowledged writes (1.1 s) on SIGKILL of 3 kills, 12 at worst"
    )


def test_a_write_without_an_answer_is_not_lost() -> None:
    report = judged("redis", "baseline", [killed(5, 5, unanswered=4)])
    assert (report.lost, report.indeterminate) == (0, 4)
