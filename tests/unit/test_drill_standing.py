"""How a drill stands by its history, what was not measured, and what is not comparable."""

from __future__ import annotations

import msgspec
import pytest

from devstack_tui.cli.text.drill import compared_lines
from devstack_tui.console.drill.job import DrillJobs
from devstack_tui.console.drill.model import DrillChoice, DrillListing, RepeatTimeline, standing
from devstack_tui.console.drill.rows import CHOICES, HISTORY, Choice
from devstack_tui.console.drill.sheets import comparison_table
from devstack_tui.console.drill.view import DrillView
from devstack_tui.console.widgets.line_table import fit
from devstack_tui.contracts.drill import DrillResult
from devstack_tui.core.check import Status
from devstack_tui.drill.compare import compare
from devstack_tui.drill.events import DrillReport
from devstack_tui.drill.verdict import report
from devstack_tui.report.documents import _writes
from devstack_tui.report.shapes import DrillDoc
from tests.unit.drill_kit import result_of

FAILOVER = DrillChoice("redis.failover", "", "redis", ("sigkill",), core=True)
WORDS = {"PASS": "● PASS", "PASS, 1 FAIL": "▲ PASS, 1 FAIL", "not core": "? not core"}
RESTART = DrillChoice("vault.restart", "", "vault", ("sigkill",))


def past(
    verdict: str, victim: str = "first,second", fault: str = "sigkill", *, core: bool = False
) -> DrillReport:
    """A failover drill of the history."""
    made = report([result_of()], id=victim, victim=victim, seconds=1, fingerprint="f", command="")
    return msgspec.structs.replace(
        made, drill="redis.failover", fault=fault, verdict=verdict, core=core, steps=()
    )


@pytest.mark.parametrize(
    ("history", "outcome"),
    [
        ((), ""),
        ((past("PASS", "redis-6"), past("FAIL", core=True)), "FAIL"),
        ((past("PASS", fault="planned"), past("FAIL", core=True)), "FAIL"),
        ((past("PASS", core=True), past("FAIL", core=True)), "PASS"),
        ((past("FAIL", fault="partition"), past("PASS", core=True)), "PASS, 1 FAIL"),
        ((past("PASS", core=True), past("FAIL", fault="partition")), "PASS, 1 FAIL"),
        ((past("FAIL"), past("PASS", core=True)), "PASS, 1 FAIL"),
        ((past("PASS", core=True), past("FAIL")), "PASS"),
        ((past("PASS", "redis-6"),), "not core"),
        ((past("PASS", "redis-6"), past("FAIL", "redis-1")), "FAIL"),
        ((past("PASS", "redis-6"), past("INCONCLUSIVE", "redis-1")), "INCONCLUSIVE"),
    ],
)
def test_the_core_result_is_the_drills_and_none_other_covers_it(
    history: tuple[DrillReport, ...], outcome: str
) -> None:
    assert standing(FAILOVER, history)[0] == outcome


def test_a_pass_that_decides_no_core_check_does_not_look_like_one() -> None:
    last = next(column for column in CHOICES if column.key == "last")
    shown = {word: last.cell(Choice(FAILOVER, running=False, last=word)).text for word in WORDS}
    assert shown == WORDS
    assert all(len(text) <= last.width for text in shown.values())


def test_without_core_checks_the_worst_of_each_fault_and_victim_counts() -> None:
    def of(verdict: str, fault: str) -> DrillReport:
        return msgspec.structs.replace(past(verdict, "vault", fault), drill="vault.restart")

    assert standing(RESTART, (of("PASS", "sigterm"), of("FAIL", "sigkill")))[0] == "FAIL"
    mended = (of("PASS", "sigkill"), of("PASS", "sigterm"), of("FAIL", "sigkill"))
    assert standing(RESTART, mended)[0] == "PASS"


def test_the_history_shows_the_victim_on_80_columns() -> None:
    assert {"victim", "fault", "verdict", "write"} <= set(fit(HISTORY, 76))


def view_of(*history: DrillReport) -> DrillView:
    """The view over a history."""
    jobs = DrillJobs.__new__(DrillJobs)
    jobs.listing = DrillListing((FAILOVER,), history)
    return DrillView(jobs)


def test_the_lanes_say_that_there_are_earlier_drills() -> None:
    assert view_of().empty().startswith("Nothing was drilled yet")
    assert "h shows the earlier drill," in view_of(past("PASS")).empty()
    assert "h shows the 2 earlier drills," in view_of(past("PASS"), past("FAIL")).empty()


def unmeasured() -> DrillResult:
    """A repeat whose preconditions did not hold."""
    return msgspec.structs.replace(result_of(status=Status.FAIL), shards=(), begun=False)


def test_what_was_not_measured_is_null_and_no_0() -> None:
    made = report([unmeasured()], id="a", victim="one", seconds=1, fingerprint="f", command="")
    assert msgspec.to_builtins(made)["indeterminate"] is None
    timeline = RepeatTimeline.of(unmeasured())
    assert (timeline.acknowledged, timeline.failed, timeline.indeterminate) == (None, None, None)
    view = view_of()
    view.report = made
    shown = "\n".join(line.plain for line in view._figures(timeline))
    assert "not measured" in shown
    assert "0" not in shown


@pytest.mark.parametrize("unknown", [None, 0])
def test_the_report_counts_nothing_where_nothing_was_measured(unknown: int | None) -> None:
    found = DrillDoc("FAIL", None, None, None, resurrected=None, indeterminate=unknown)
    assert _writes(found) == "nothing was measured"
    partly = DrillDoc("FAIL", 1.0, None, None, resurrected=None, indeterminate=None)
    assert _writes(partly) == (
        "write window 1.000 s, read window not measured, not counted lost, "
        "not counted resurrected, not counted indeterminate"
    )


def compared(a: DrillResult, b: DrillResult) -> tuple[list[str], str, bool]:
    """The lines of the command line, the warning, and whether the two are comparable."""
    both = [
        report([one], id="a", victim=one.victim, seconds=1, fingerprint="f", command="")
        for one in (a, b)
    ]
    found = compare(*both)
    comparison_table(found, lambda _: "")
    return list(compared_lines(found)), found.warning, found.comparable


def test_a_master_and_a_replica_are_not_comparable_and_that_comes_first() -> None:
    master = msgspec.structs.replace(result_of(window=1.6), shard="shard 1", victim="first")
    replica = msgspec.structs.replace(
        result_of(window=0.0, status=Status.SKIPPED), victim="redis-6", expected=(0.0, 0.0)
    )
    step = replica.steps[0]
    replica = msgspec.structs.replace(
        replica, steps=(msgspec.structs.replace(step, title="another limit"),)
    )
    lines, warning, comparable = compared(master, replica)
    assert not comparable
    assert lines[0] == f"warning: {warning}"
    assert "the victims differ: first against redis-6" in warning
    assert "not comparable" in warning
    assert not any("-1.600" in line for line in lines)
    assert any(f"A PASS  {step.title}" in line for line in lines)
    assert any("B SKIPPED  another limit" in line for line in lines)


def test_two_masters_are_comparable() -> None:
    first = msgspec.structs.replace(result_of(window=1.0), shard="shard 1", victim="first")
    second = msgspec.structs.replace(result_of(window=1.5), shard="shard 2", victim="second")
    lines, warning, comparable = compared(first, second)
    assert comparable
    assert "victims differ" in warning
    assert any("+0.500" in line for line in lines)
