"""A/B on a simulated service: the order, the arms, what ends it early, and the report."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.core.history import History
from devstack_tui.tuning import reports
from devstack_tui.tuning.ab import CompletedPairs, ablate, compare, pairs_of
from devstack_tui.tuning.ab_arms import OVERHEAD_S, ArmRunner, FailedRunError
from devstack_tui.tuning.events import AbPair, AbRun, AbTick, CostReport, Note, RunTiming
from tests.unit.tuning_bed import RUN_S, Bed, plan_of, sides_of


async def ran(bed: Bed, pairs: int = 6, *, restart: bool = False) -> CompletedPairs:
    sides = sides_of({"x": "0"}, {"x": "1"}, restart=restart)
    return await compare(bed.runner(), sides, plan_of(sides, pairs), bed.emit)


async def test_the_pairs_are_interleaved_a_b_b_a() -> None:
    found = await ran(Bed(gains={"x=1": 1.4}))
    assert found.order == "ABBAABBAABBA"


async def test_before_every_run_its_arm_is_put_into_effect() -> None:
    bed = Bed(gains={"x=1": 1.4})
    await ran(bed, 2)
    assert [values["x"] for values, _ in bed.puts] == ["0", "1", "1", "0"]


@pytest.mark.parametrize("restart", [True, False])
async def test_either_every_run_begins_with_a_restart_or_none(restart: bool) -> None:
    bed = Bed(gains={"x=1": 1.4})
    await ran(bed, 3, restart=restart)
    assert {restarted for _, restarted in bed.puts} == {restart}


async def test_a_steady_drift_of_the_machine_is_no_difference() -> None:
    found = await ran(Bed(drift=0.01))
    report = report_of(found)
    assert report.verdict == "NO DIFFERENCE"
    assert report.ratio == pytest.approx(1.0, abs=0.01)


async def test_a_clear_gain_is_reported_with_its_interval() -> None:
    report = report_of(await ran(Bed(gains={"x=1": 1.4}, spread=0.02)))
    assert report.verdict == "IMPROVED"
    low, high = report.interval
    assert low is not None
    assert high is not None
    assert 1.3 < low < report.ratio < high < 1.5
    assert report.pairs == len(report.samples) == 6
    assert report.p99_ratio == pytest.approx(1.0)


async def test_a_loss_is_a_regression() -> None:
    report = report_of(await ran(Bed(gains={"x=1": 0.8}, spread=0.02)))
    assert report.verdict == "REGRESSED"


async def test_pairs_that_decide_nothing_are_all_run() -> None:
    found = await ran(Bed(spread=0.5), 6)
    assert (len(found.pairs), found.stopped) == (6, "")
    assert report_of(found).verdict == "INCONCLUSIVE"
    assert all(end is not None for end in report_of(found).interval)


async def test_what_the_first_pairs_do_not_decide_more_do_once() -> None:
    bed = Bed(spread=0.1)
    sides = sides_of({"x": "0"}, {"x": "1"})
    plan = msgspec.structs.replace(plan_of(sides, 6), most_pairs=18)
    found = await compare(bed.runner(), sides, plan, bed.emit)
    assert 6 < len(found.pairs) <= 18
    assert found.order == ("ABBA" * 9)[: 2 * len(found.pairs)]
    notes = [event.text for event in bed.emitted if isinstance(event, Note)]
    assert f"6 pairs do not decide: by their spread {len(found.pairs)} may" in notes


async def test_it_ends_once_no_pair_to_come_can_change_what_is_decided() -> None:
    found = await ran(Bed(gains={"x=1": 1.4}), 20)
    assert len(found.pairs) == 18
    assert found.stopped == "IMPROVED is settled: the last 2 pairs could not change it"


@pytest.mark.parametrize(
    ("asked", "size", "pairs"),
    [
        (None, "quick", (6, 18)),
        (1, "quick", (6, 6)),
        (5, "full", (6, 6)),
        (6, "quick", (6, 6)),
        (7, "quick", (7, 7)),
        (None, "smoke", (6, 6)),
        (1, "smoke", (1, 1)),
    ],
)
def test_a_comparison_has_at_least_the_pairs_of_an_interval(
    asked: int | None, size: str, pairs: tuple[int, int]
) -> None:
    assert pairs_of(asked, size) == pairs


async def test_runs_that_say_less_of_the_server_are_counted() -> None:
    found = await ran(Bed(gains={"x=1": 1.4}))
    assert report_of(found).remarks == ()
    (a, b), *rest = found.pairs
    odd = msgspec.structs.replace(b, client_bound=True, steady=False)
    told = reports.remarks([(a, odd), *rest])
    assert [one.partition(":")[0] for one in told] == [
        "in 1 of 12 runs the client was the limit",
        "1 of 12 runs reached no steady state",
    ]
    assert reports.remarks([(a, msgspec.structs.replace(b, steady=True))]) == ()


async def test_runs_that_are_too_short_give_no_verdict() -> None:
    found = await ran(Bed(gains={"x=1": 1.4}))
    plan = plan_of(sides_of({"x": "0"}, {"x": "1"}), 6)
    for size, seconds, verdict in (
        ("smoke", 60.0, "INCONCLUSIVE"),
        ("quick", 4.8, "INCONCLUSIVE"),
        ("quick", 5.0, "IMPROVED"),
        ("full", 29.0, "INCONCLUSIVE"),
        ("full", 30.0, "IMPROVED"),
    ):
        pairs = [
            (msgspec.structs.replace(a, seconds=60.0), msgspec.structs.replace(b, seconds=seconds))
            for a, b in found.pairs
        ]
        sized = msgspec.structs.replace(plan, size=size)
        report = reports.ab_report(sized, pairs, order="", seconds=1.0, fingerprint="")
        assert report.verdict == verdict, (size, seconds)


async def test_a_run_that_fails_once_is_repeated() -> None:
    bed = Bed(gains={"x=1": 1.4}, failing={2: "it broke"})
    found = await ran(bed)
    assert len(found.pairs) == 6
    assert bed.runs == 13
    assert any("it broke" in event.text for event in bed.emitted if isinstance(event, Note))


async def test_a_run_that_fails_twice_ends_it() -> None:
    bed = Bed(failing={3: "it broke", 4: "it broke again"})
    with pytest.raises(FailedRunError, match=r"two runs of after failed.*it broke again"):
        await ran(bed)


async def test_values_that_do_not_take_end_it() -> None:
    with pytest.raises(DevstackError, match="x=1 did not take"):
        await ran(Bed(broken=frozenset({"x=1"})))


async def test_the_events_tell_phases_seconds_and_pairs() -> None:
    bed = Bed(gains={"x=1": 1.4})
    await ran(bed, 1)
    runs = [(e.arm, e.phase) for e in bed.emitted if isinstance(e, AbRun)]
    assert runs == [("a", "applying"), ("a", "running"), ("b", "applying"), ("b", "running")]
    titles = {e.arm: e.title for e in bed.emitted if isinstance(e, AbRun)}
    assert titles == {"a": "before", "b": "after"}
    assert [e.arm for e in bed.emitted if isinstance(e, AbTick)] == ["a", "b"]
    pair = next(e for e in bed.emitted if isinstance(e, AbPair))
    assert pair.ratio == pytest.approx(1.4)
    assert (pair.low, pair.high) == (None, None)


async def test_what_can_be_detected_is_told_once_two_pairs_show_the_spread() -> None:
    bed = Bed(gains={"x=1": 1.4}, spread=0.01)
    await ran(bed)
    notes = [event.text for event in bed.emitted if isinstance(event, Note)]
    assert [note for note in notes if "can show a gain" in note]


async def test_the_ablation_finds_the_parameter_that_carries_the_gain() -> None:
    bed = Bed(gains={"x=1": 1.4, "y=1": 1.0}, spread=0.01)
    sides = sides_of({"x": "0", "y": "0"}, {"x": "1", "y": "1"})
    rows = await ablate(bed.runner(), sides, 6, bed.emit)
    assert [row.parameter for row in rows] == ["x", "y"]
    assert rows[0].ratio == pytest.approx(1 / 1.4, abs=0.02)
    assert rows[1].ratio == pytest.approx(1.0, abs=0.02)
    assert rows[0].pairs == 6


async def test_one_change_alone_needs_no_ablation() -> None:
    bed = Bed()
    assert await ablate(bed.runner(), sides_of({"x": "0"}, {"x": "1"}), 6, bed.emit) == ()
    assert bed.runs == 0


# -- reports ---------------------------------------------------------------------------------


def report_of(found: CompletedPairs) -> reports.AbReport:
    plan = plan_of(sides_of({"x": "0"}, {"x": "1"}), 6)
    return reports.ab_report(
        plan, found.pairs, order=found.order, seconds=120.0, fingerprint="print"
    )


async def test_earlier_reports_tell_the_spread_and_the_time_of_a_run(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    report = report_of(await ran(Bed(spread=0.03)))
    restarted, live = RunTiming(True, 6.0, RUN_S), RunTiming(False, 0.5, RUN_S)
    reports.keep(history, msgspec.structs.replace(report, timing=live), 1.0)
    other = msgspec.structs.replace(report, id="other", workload="sim.read", timing=restarted)
    reports.keep(history, other, 2.0)
    stranger = msgspec.structs.replace(other, id="stranger", workload="simple.load", timing=live)
    reports.keep(history, stranger, 3.0)
    found = reports.past(history, "sim.load", "quick", "print")
    assert found.spread is not None
    assert 0.01 < found.spread < 0.1
    assert found.measuring_s == pytest.approx(RUN_S)
    assert found.applying_s == {True: 6.0, False: 0.5}


async def test_how_long_a_run_takes_is_what_was_measured_else_what_is_usual() -> None:
    bed = Bed(apply_s=3.0)
    fresh, grown = (ArmRunner(bed, bed, "sim.load", "quick", units=n) for n in (1, 6))
    assert fresh.run_s(restart=True) == pytest.approx(RUN_S + OVERHEAD_S + 2.5)
    assert grown.run_s(restart=True) == pytest.approx(RUN_S + OVERHEAD_S + 8.5)
    assert grown.run_s(restart=False) == pytest.approx(RUN_S + OVERHEAD_S + 0.7)
    past = reports.EarlierRuns(None, 7.0, {True: 4.0})
    runner = ArmRunner(bed, bed, "sim.load", "quick", past=past, clock=lambda: bed.seconds_now)
    assert runner.run_s(restart=True) == pytest.approx(11.0)
    assert runner.run_s(restart=False) == pytest.approx(7.7)
    sides = sides_of({"x": "0"}, {"x": "1"}, restart=True)
    await compare(runner, sides, plan_of(sides, 6), bed.emit)
    assert runner.timing(restart=True) == RunTiming(True, 3.0, RUN_S)


async def test_reports_of_another_machine_or_size_tell_nothing(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    reports.keep(history, report_of(await ran(Bed(spread=0.03))), 1.0)
    assert reports.past(history, "sim.load", "quick", "another") == reports.EarlierRuns()
    assert reports.past(history, "sim.load", "full", "print") == reports.EarlierRuns()


def test_without_an_ab_the_benchmarks_tell_the_spread(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for number, throughput in enumerate((100.0, 110.0, 95.0, 105.0)):
        document = b'{"throughput": %d, "problem": ""}' % throughput
        history.add("bench", f"r{number}", "sim.load", "quick", number, "print", document)
    found = reports.past(history, "sim.load", "quick", "print")
    assert found.spread == pytest.approx(0.09, abs=0.02)
    assert found.measuring_s is None


def test_the_last_cost_of_the_same_relaxed_values_is_found(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for number, relaxed in enumerate((("x=1",), ("x=1", "y=1"))):
        cost = CostReport(
            service="sim",
            profile="p",
            at=0.0,
            acknowledged=10,
            lost=number,
            lost_s=0.1,
            indeterminate=0,
            rate=1.0,
            recovery_s=1.0,
            kills=1,
            relaxed=relaxed,
        )
        reports.keep(history, cost, float(number))
    found = reports.last_cost(history, "sim", ("y=1", "x=1"))
    assert found is not None
    assert found.lost == 1
    assert reports.last_cost(history, "sim", ("z=1",)) is None
