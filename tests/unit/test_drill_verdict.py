"""Repeats judged together, compared, drawn and swept."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from devstack_tui.cli.text.drill import compared_lines, listed_line, report_lines
from devstack_tui.contracts.drill import DrillResult
from devstack_tui.core import codec
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UsageError
from devstack_tui.drill import timeline
from devstack_tui.drill.compare import compare
from devstack_tui.drill.events import AnyDrillEvent, DrillReport, SweepRow
from devstack_tui.drill.sweep import advise
from devstack_tui.drill.verdict import merge, overall, report, spread, spreads
from tests.unit.drill_kit import result_of


def made(*results: DrillResult, id: str = "abc") -> DrillReport:
    return report(results, id=id, victim="one", seconds=3.0, fingerprint="f", command="drill run")


def test_the_spread_is_of_values_that_were_measured() -> None:
    found = spread([3.0, 1.0, 2.0, 10.0])
    assert (found.median, found.low, found.high, found.p95, found.count) == (
        2.5,
        1.0,
        10.0,
        10.0,
        4,
    )


def test_the_95th_percentile_of_twenty_is_the_nineteenth() -> None:
    assert spread([float(n) for n in range(1, 21)]).p95 == 19.0


def test_a_void_repeat_counts_for_no_figure() -> None:
    results = [result_of(1, window=0.5), result_of(2, window=9.0, void="starved")]
    assert spreads(results)["write_window_s"].high == 0.5
    assert spreads(results)["detect"].count == 1


def test_a_step_keeps_the_worst_status_of_all_repeats_and_says_which_it_was() -> None:
    results = [result_of(1), result_of(2, status=Status.FAIL, window=7.0), result_of(3)]
    (step,) = merge(results)
    assert step.status is Status.FAIL
    assert "1 of 3; one in repeat 2: after 7.0 s" in step.evidence


def test_a_skipped_step_does_not_hide_one_that_passed() -> None:
    results = [result_of(1, status=Status.SKIPPED), result_of(2)]
    assert merge(results)[0].status is Status.PASS


def test_steps_come_in_the_order_of_their_numbers() -> None:
    results = [result_of(1, step="a.12"), result_of(2, step="a.02"), result_of(3, step="a.13")]
    assert [step.id for step in merge(results)] == ["a.02", "a.12", "a.13"]


def test_a_void_repeat_makes_a_pass_inconclusive_but_mends_no_failure() -> None:
    good, void = result_of(1), result_of(2, void="starved")
    bad = result_of(3, status=Status.FAIL)
    assert overall([good, void], merge([good, void])) is Status.INCONCLUSIVE
    assert overall([void, bad], merge([void, bad])) is Status.FAIL


def test_the_report_tells_the_worst_of_all_repeats() -> None:
    found = made(result_of(1, window=0.5, lost=2), result_of(2, window=1.5, lost=1))
    assert (found.write_window_s, found.read_window_s, found.lost) == (1.5, 0.75, 2)


def test_the_document_has_the_keys_that_scripts_rely_on() -> None:
    document = msgspec.to_builtins(made(result_of()))
    keys = ("verdict", "write_window_s", "read_window_s", "lost", "resurrected", "indeterminate")
    assert all(key in document for key in keys)
    assert set(document["steps"][0]) >= {"id", "status", "evidence"}


def test_two_drills_are_compared_by_their_medians_and_their_steps() -> None:
    found = compare(
        made(result_of(window=1.0), id="a"),
        made(result_of(window=1.5, status=Status.FAIL), id="b"),
    )
    change = next(one for one in found.changes if one.name == "write_window_s")
    assert change.difference == pytest.approx(0.5)
    assert [(step.a, step.b) for step in found.steps] == [("PASS", "FAIL")]
    assert found.warning == ""
    assert any("+0.500" in line for line in compared_lines(found))


def test_a_comparison_warns_of_another_fault_and_another_machine() -> None:
    other = msgspec.structs.replace(made(result_of()), fault="sigkill", fingerprint="g")
    warning = compare(made(result_of()), other).warning
    assert "sigstop against sigkill" in warning
    assert "machine" in warning


def test_different_drills_are_not_compared() -> None:
    other = msgspec.structs.replace(made(result_of()), drill="redis.rolling")
    with pytest.raises(UsageError, match="nothing in common"):
        compare(made(result_of()), other)


def test_the_text_of_a_report_has_each_step_each_repeat_and_the_verdict() -> None:
    found = made(result_of(1), result_of(2, void="our process starved"))
    text = "\n".join(report_lines(found))
    for wanted in ("PASS          sleeper.idle.01", "repeat 2", "our process starved", "p95"):
        assert wanted in text
    assert text.splitlines()[-1].startswith("INCONCLUSIVE after")
    assert found.id in listed_line(found)


# -- the picture -----------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def test_the_timeline_is_an_svg_that_needs_nothing_else() -> None:
    text = timeline.svg(made(result_of(1), result_of(2)))
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    words = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert words.count("shard 1 write") == 2
    assert {"answered", "error", "silent"} <= set(words)
    assert any(word.startswith("back") for word in words)


def test_a_lane_is_drawn_by_its_cells() -> None:
    root = ElementTree.fromstring(timeline.svg(made(result_of())))
    fills = [element.get("fill") for element in root.iter(f"{SVG}rect")]
    # ooo xx . ooo, then ooooo xx oo, and one of each in the legend.
    assert fills.count(timeline.COLOURS["o"]) == 4 + 1
    assert fills.count(timeline.COLOURS["x"]) == 2 + 1
    assert fills.count(timeline.COLOURS["."]) == 1 + 1


def test_everything_drawn_is_inside_of_the_picture() -> None:
    root = ElementTree.fromstring(timeline.svg(made(result_of())))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for element in root.iter(f"{SVG}rect"):
        right = float(element.get("x", "0")) + float(element.get("width", "0"))
        bottom = float(element.get("y", "0")) + float(element.get("height", "0"))
        assert right <= width
        assert bottom <= height


def test_labels_of_markers_at_the_same_moment_have_rows_of_their_own() -> None:
    root = ElementTree.fromstring(timeline.svg(made(result_of())))
    rows = [
        element.get("y")
        for element in root.iter(f"{SVG}text")
        if (element.text or "").startswith(("fault", "back"))
    ]
    assert len(rows) == 2


def test_a_drill_without_lanes_is_drawn_as_well() -> None:
    empty = msgspec.structs.replace(result_of(), lanes={}, markers=())
    ElementTree.fromstring(timeline.svg(made(empty)))


# -- the sweep -------------------------------------------------------------------------------


def row(value: int, window: float, failovers: int = 0, verdict: Status = Status.PASS) -> SweepRow:
    return SweepRow(value, verdict, (window,), (0.0, 1.0), 10.0, 0, failovers, failovers)


def test_the_advice_is_the_smallest_value_that_is_quick_and_calm() -> None:
    value, reason = advise([row(500, 1.6, 1), row(1000, 2.4), row(2000, 2.9)], 3.0)
    assert value == 1000
    assert "2.40 s" in reason


def test_a_value_that_is_calm_but_slow_is_advised_with_a_warning() -> None:
    value, reason = advise([row(500, 1.6, 1), row(2000, 4.0)], 3.0)
    assert value == 2000
    assert "above 3 s" in reason


def test_without_a_calm_value_nothing_is_advised() -> None:
    assert advise([row(500, 1.6, 2)], 3.0)[0] is None
    assert advise([], 3.0)[0] is None


def test_a_value_that_could_not_be_measured_is_not_advised() -> None:
    assert advise([row(500, 1.6, verdict=Status.INCONCLUSIVE)], 3.0)[0] is None


def test_an_advice_names_the_smaller_values_that_were_not_measured() -> None:
    _, reason = advise([row(500, 1.6, verdict=Status.INCONCLUSIVE), row(1000, 2.4)], 5.0)
    assert "of 500 not every window could be measured" in reason


def test_a_comparison_warns_of_another_victim_and_of_what_only_one_measured() -> None:
    other = msgspec.structs.replace(made(result_of()), victim="redis-6")
    other = msgspec.structs.replace(other, spread={"write_window_s": other.spread["detect"]})
    warning = compare(made(result_of()), other).warning
    assert "the victims differ: one against redis-6" in warning
    assert "read_window_s was measured only in A" in warning


def test_a_pass_says_its_warnings_and_what_was_not_measured_is_no_zero() -> None:
    found = made(result_of(status=Status.WARN))
    assert (found.verdict, found.outcome) == ("PASS", "PASS, 1 WARN")
    assert "PASS, 1 WARN" in listed_line(found)
    assert compare(found, made(result_of())).verdicts == ("PASS, 1 WARN", "PASS")
    unread = msgspec.structs.replace(result_of().shards[0], read_window_s=None, lost=None)
    nothing = made(msgspec.structs.replace(result_of(), shards=(unread,)))
    assert (nothing.read_window_s, nothing.lost) == (None, None)
    assert "read_window_s" not in nothing.spread
    text = "\n".join(report_lines(nothing))
    assert "read window not measured" in text
    assert "not counted of 100 acknowledged writes lost" in text
    assert "read window not measured" in timeline.svg(nothing)


def test_a_row_of_a_sweep_goes_through_the_event_stream() -> None:
    told = row(500, 1.6)
    assert codec.decode(msgspec.json.encode(told), AnyDrillEvent) == told
