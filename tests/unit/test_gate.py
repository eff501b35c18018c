"""The regression gate's judgement, on figures that are made up: no server can be made to give
exactly these."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.bench import baseline, compare, gate, regress, thresholds
from devstack_tui.bench.baseline import Baseline, BaselineWorkload
from devstack_tui.bench.canary import Canary
from devstack_tui.bench.events import LatencyMs, RunResult
from devstack_tui.bench.runner import summarise
from devstack_tui.contracts import sizes
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.core.check import Result, Status, exit_code, verdict
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.fingerprint import Fingerprint, host
from devstack_tui.core.histogram import Histogram

CANARY = Canary(100_000, 1_000)


def depends(name: str) -> Fingerprint:
    return host().of({"Server": "1"}, "engine 1", {"name": name})


def run(
    name: str, throughput: float, ms: float = 1.0, samples: int = 500, seconds: float = 5.0
) -> RunResult:
    latency = Histogram()
    latency.add(ms, samples)
    return RunResult(
        "id", name, "quick", 1, 0.0, seconds, 1, samples, throughput, "ops/s", 1,
        LatencyMs(ms, ms, ms, ms), latency.buckets(), {}, 0.1, 0.1, False, 1.0, "e", "1", {}, "f",
    )  # fmt: skip


@pytest.fixture
def rules() -> thresholds.Regress:
    return thresholds.load()


@pytest.fixture
def known(rules: thresholds.Regress) -> Baseline:
    recorded = {
        name: BaselineWorkload("quick", "ops/s", (98.0, 99.0, 100.0, 101.0, 102.0), depends(name))
        for name in rules.workloads
    }
    return Baseline(host(), 0.0, CANARY, recorded)


def judge(
    rules: thresholds.Regress,
    known: Baseline | None,
    *,
    factor: float = 1.0,
    ms: float = 1.0,
    canary: Canary = CANARY,
    size: str = "quick",
    seconds: float = 5.0,
    **changed: list[RunResult],
) -> dict[str, Result]:
    runs = {
        name: [run(name, factor * n, ms, seconds=seconds) for n in (98, 99, 100, 101, 102)]
        for name in rules.workloads
    }
    results = gate.judge(
        rules,
        runs={**runs, **{name.replace("__", "."): found for name, found in changed.items()}},
        prints={name: depends(name) for name in rules.workloads},
        known=known,
        canaries=(canary, canary),
        absent={},
        size=size,
    )
    return {result.id: result for result in results}


def test_the_same_again_passes_all_nine(rules: thresholds.Regress, known: Baseline) -> None:
    found = judge(rules, known)
    assert sorted(found) == [f"perf.0{n}" for n in range(1, 10)]
    assert {result.status for result in found.values()} == {Status.PASS}


def test_thirty_percent_slower_fails(rules: thresholds.Regress, known: Baseline) -> None:
    found = judge(rules, known, factor=0.7)
    assert found["perf.01"].status is Status.FAIL
    assert found["perf.09"].status is Status.FAIL


def test_at_the_tolerance_it_cannot_tell(rules: thresholds.Regress, known: Baseline) -> None:
    found = judge(rules, known, factor=0.8)
    assert found["perf.01"].status is Status.INCONCLUSIVE
    assert found["perf.09"].status is Status.INCONCLUSIVE


def test_a_machine_that_moved_voids_the_comparison(
    rules: thresholds.Regress, known: Baseline
) -> None:
    found = judge(rules, known, factor=0.7, canary=Canary(70_000, 1_000))
    assert found["perf.01"].status is Status.INCONCLUSIVE
    assert "CPU" in found["perf.01"].evidence
    assert found["perf.05"].status is Status.PASS


def test_limits_that_another_machine_kept_are_no_pass_of_all_together(
    rules: thresholds.Regress, known: Baseline
) -> None:
    def ninth(canary: Canary) -> Status:
        results = gate.judge(
            rules,
            runs={check.workload: [run(check.workload, 100.0)] for check in rules.latency},
            prints={},
            known=known,
            canaries=(CANARY, canary),
            absent={check.workload: "it is not there" for check in rules.throughput},
            size="quick",
        )
        return results[-1].status

    assert ninth(CANARY) is Status.PASS
    assert ninth(Canary(70_000, 1_000)) is Status.INCONCLUSIVE


def test_without_a_baseline_throughputs_are_not_judged(rules: thresholds.Regress) -> None:
    found = judge(rules, None)
    assert found["perf.01"].status is Status.INCONCLUSIVE
    assert "bench record" in found["perf.01"].remedy


def test_another_fingerprint_is_refused_saying_what_differs(
    rules: thresholds.Regress, known: Baseline
) -> None:
    recorded = dict(known.workloads)
    name = "postgres.tpcb"
    older = msgspec.structs.replace(recorded[name].fingerprint, servers={"Server": "0.9"})
    recorded[name] = msgspec.structs.replace(recorded[name], fingerprint=older)
    found = judge(rules, msgspec.structs.replace(known, workloads=recorded))
    assert found["perf.01"].status is Status.INCONCLUSIVE
    assert "0.9" in found["perf.01"].evidence


def test_a_slow_percentile_fails_its_limit(rules: thresholds.Regress, known: Baseline) -> None:
    found = judge(rules, known, ms=30.0)
    assert found["perf.07"].status is Status.FAIL
    assert found["perf.08"].status is Status.FAIL
    assert found["perf.05"].status is Status.PASS


def test_58_samples_are_too_few_for_a_p95(rules: thresholds.Regress, known: Baseline) -> None:
    few = [run("api.health", 1.0, 1.0, 58)]
    found = judge(rules, known, api__health=few)
    assert found["perf.05"].status is Status.INCONCLUSIVE
    assert "59" in found["perf.05"].evidence


def test_a_run_that_is_no_measurement_is_an_error(
    rules: thresholds.Regress, known: Baseline
) -> None:
    broken = [msgspec.structs.replace(run("redis.get", 1.0), problem="the server died")]
    found = judge(rules, known, redis__get=broken)
    assert found["perf.04"].status is Status.ERROR
    assert found["perf.09"].status is Status.FAIL


def test_the_bounds_of_a_quantile_enclose_it() -> None:
    values = Histogram.of(float(n) for n in range(1, 1001))
    bounds = gate.quantile_bounds(values, 0.95, 0.95)
    assert bounds is not None
    assert bounds[0] < 950 < bounds[1]
    assert bounds[0] > 930
    assert bounds[1] < 970


@pytest.mark.parametrize(
    ("statuses", "expected", "code"),
    [
        ([Status.PASS, Status.WARN], Status.PASS, 0),
        ([Status.PASS, Status.INCONCLUSIVE], Status.INCONCLUSIVE, 4),
        ([Status.INCONCLUSIVE, Status.FAIL], Status.FAIL, 1),
        ([Status.PASS, Status.ERROR], Status.FAIL, 1),
        ([Status.SKIPPED, Status.PASS], Status.PASS, 0),
        ([Status.SKIPPED], Status.INCONCLUSIVE, 4),
        ([], Status.INCONCLUSIVE, 4),
    ],
)
def test_the_verdict_over_all(statuses: list[Status], expected: Status, code: int) -> None:
    results = [Result("id", "title", status, "") for status in statuses]
    assert verdict(results) is expected
    assert exit_code(expected) == code


def test_an_edited_or_cut_baseline_is_refused(
    known: Baseline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "baseline.json"
    monkeypatch.setattr(baseline, "path_of", lambda machine: path)
    whole = msgspec.json.encode(known.sealed())
    path.write_bytes(whole)
    assert baseline.read(host()) is not None
    path.write_bytes(whole.replace(b"98.0", b"9.0"))
    with pytest.raises(DevstackError, match="was edited"):
        baseline.read(host())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DevstackError, match="is damaged"):
        baseline.read(host())


def test_what_a_damaged_baseline_asks_for_is_possible(
    known: Baseline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "devstack-tui" / "baselines" / f"{host().digest()}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{")
    assert baseline.write(known.canary, [], {}) == path
    assert baseline.read(host()) is not None
    assert path.with_suffix(".damaged").read_bytes() == b"{"


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["IMPROVED", "NO DIFFERENCE"], 0),
        (["IMPROVED", "INCONCLUSIVE"], 4),
        (["REGRESSED", "INCONCLUSIVE"], 1),
    ],
)
def test_a_comparison_that_decides_nothing_is_no_success(verdicts: list[str], code: int) -> None:
    rows = tuple(compare.Row("w", 1.0, 1.0, "u", 1.0, None, one) for one in verdicts)
    assert compare.exit_code(compare.Comparison("a", "b", rows)) == code


@pytest.mark.parametrize(
    ("size", "seconds", "said"),
    [
        ("smoke", 60.0, "smoke: too short for a verdict"),
        ("quick", 4.8, "quick: runs of 4.8 s are too short for a verdict (at least 5 s)"),
        ("quick", 4.9, ""),  # the clock of a client may end a run a little early
        ("full", 29.3, "full: runs of 29.3 s are too short for a verdict (at least 30 s)"),
        ("full", 29.4, ""),
        ("enormous", 60.0, "enormous: not a size that this version knows"),
    ],
)
def test_runs_that_are_too_short_give_no_verdict_at_all(
    rules: thresholds.Regress, known: Baseline, size: str, seconds: float, said: str
) -> None:
    found = judge(rules, known, factor=0.7, ms=500, size=size, seconds=seconds)
    if said:
        assert {found[f"perf.0{n}"].evidence for n in range(1, 9)} == {said}
        assert {result.status for result in found.values()} == {Status.INCONCLUSIVE}
    else:
        assert {result.status for result in found.values()} == {Status.FAIL}


def test_one_run_that_was_too_short_is_enough(rules: thresholds.Regress, known: Baseline) -> None:
    runs = [run("redis.get", 100.0), run("redis.get", 100.0, seconds=2.0)]
    found = judge(rules, known, redis__get=runs)
    assert found["perf.04"].status is Status.INCONCLUSIVE
    assert found["perf.03"].status is Status.PASS


@pytest.mark.parametrize("size", SIZES)
def test_a_command_line_says_its_size_and_says_it_back(size: str) -> None:
    assert sizes.of_words(("redis.get", *sizes.words(size))) == size


def test_a_gate_without_anything_to_compare_with_measures_nothing(
    rules: thresholds.Regress, known: Baseline
) -> None:
    prints = {name: depends(name) for name in rules.workloads}
    checked = {check.workload for check in rules.throughput}
    assert gate.uncompared(rules, prints, known) == {}
    assert gate.uncompared(rules, prints, None).keys() == checked
    one = next(iter(checked))
    only = msgspec.structs.replace(known, workloads={one: known.workloads[one]})
    assert gate.uncompared(rules, prints, only).keys() == checked - {one}
    other = {**prints, one: depends("another")}
    assert "cannot be compared" in gate.uncompared(rules, other, known)[one]
    # One that can be judged is worth the run; none is not.
    assert regress.lacks_baseline(rules, prints, only, "quick") is None
    assert regress.lacks_baseline(rules, prints, None, "smoke") is None
    for lacking, baselines in ((prints, None), (other, only)):
        why = regress.lacks_baseline(rules, lacking, baselines, "quick")
        assert why is not None
        assert "devstack-tui bench record --quick" in why[1]
        results = gate.unjudged(rules, *why, {"api.health": "reference_api is stopped"})
        assert [one.id for one in results] == [f"perf.0{n}" for n in range(1, 10)]
        skipped = [one for one in results if one.status is Status.SKIPPED]
        assert {one.evidence for one in skipped} == {"reference_api is stopped"}
        rest = [one for one in results if one not in skipped]
        assert {(one.status, one.evidence) for one in rest} == {(Status.INCONCLUSIVE, why[0])}
        assert verdict(results) is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("size", "status", "all_together"),
    [("smoke", "INCONCLUSIVE", "INCONCLUSIVE"), ("quick", "ERROR", "FAIL")],
)
def test_a_server_that_died_is_no_verdict_of_a_smoke_run(
    rules: thresholds.Regress, known: Baseline, size: str, status: str, all_together: str
) -> None:
    died = msgspec.structs.replace(run("redis.get", 0.0, seconds=0.0), problem="Redis is down")
    found = judge(rules, known, size=size, redis__get=[died])
    assert found["perf.04"].status == status
    assert "Redis is down" in found["perf.04"].evidence
    assert found["perf.09"].status == all_together


def test_a_service_that_was_stopped_is_left_out_and_one_that_died_is_not() -> None:
    entries: Any = [
        types.SimpleNamespace(name=name, service=types.SimpleNamespace(name=name))
        for name in ("mysql", "reference_api")
    ]
    units = {"mysql": [types.SimpleNamespace(running=False)], "reference_api": []}
    engine = types.SimpleNamespace(units=lambda service: units[service.name])
    stack: Any = types.SimpleNamespace(name="default", engine=lambda: engine)
    here, absent = regress.started_of(stack, entries)
    assert here == entries[:1]
    assert list(absent.values()) == [
        "reference_api is stopped: `devstack-tui up reference_api` starts it"
    ]


OLD = {
    "mysql.bulk_insert": {"rows_per_statement": 1000, "statements": 100},
    "mongodb.bulk_insert": {"documents": 10000, "batches": 3},
    "redis.get": {"seconds": 2},
}


def test_what_was_recorded_with_shorter_runs_opens_and_is_not_compared(
    rules: thresholds.Regress, known: Baseline
) -> None:
    recorded = dict(known.workloads)
    for name, numbers in OLD.items():
        before = host().of({"Server": "1"}, "engine 1", {"name": name, **numbers})
        samples = (100_000.0, 100_000.0, 90_000.0, 110_000.0, 100_000.0)
        recorded[name] = BaselineWorkload("quick", "rows/s", samples, before)
    found = judge(rules, msgspec.structs.replace(known, workloads=recorded))
    for id, lasted in (("perf.02", "1.0"), ("perf.03", "0.3"), ("perf.04", "2.0")):
        assert found[id].status is Status.INCONCLUSIVE
        assert found[id].evidence == f"recorded with runs of {lasted} s: not comparable"
        assert found[id].remedy.startswith("`devstack-tui bench record --quick ")
    assert found["perf.01"].status is Status.PASS


def test_a_baseline_of_an_earlier_release_keeps_its_seal(known: Baseline) -> None:
    """`seconds` is not in its file: it must not be in what the seal is made of."""
    assert b'"seconds"' not in msgspec.json.encode(known.sealed())


def recorded(size: str, seconds: float) -> Baseline:
    """A baseline of one workload."""
    one = BaselineWorkload(size, "ops/s", (98.0, 99.0), depends("redis.get"), seconds)
    return Baseline(host(), 0.0, CANARY, {"redis.get": one})


def test_the_figures_of_each_size_stand_beside_those_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    prints = {"redis.get": depends("redis.get")}

    def write(size: str, seconds: float) -> None:
        runs = [run("redis.get", 100.0, seconds=seconds)]
        summary = msgspec.structs.replace(summarise(runs), size=size)
        baseline.write(CANARY, [summary], prints)

    def kept() -> dict[str, tuple[str, float]]:
        found = baseline.read(host())
        assert found is not None
        return {name: (one.size, one.seconds) for name, one in found.workloads.items()}

    write("smoke", 1.0)
    assert kept() == {"redis.get": ("smoke", 1.0)}
    write("quick", 5.0)
    smoke, quick = {"redis.get@smoke": ("smoke", 1.0)}, {"redis.get": ("quick", 5.0)}
    assert kept() == smoke | quick
    with pytest.raises(DevstackError, match=r"runs of 2\.0 s are too short .* is of longer runs"):
        write("quick", 2.0)
    write("smoke", 1.0)
    assert kept() == smoke | quick
    write("full", 30.0)
    write("quick", 6.0)
    everything = {"redis.get": ("full", 30.0), "redis.get@quick": ("quick", 6.0)} | smoke
    assert kept() == everything
    found = baseline.read(host())
    assert found is not None
    for size in SIZES:
        one = found.of("redis.get", host().of({}, "", {"size": size}))
        assert one is not None
        assert one.size == size
        right = {"redis.get": compare.Side((1.0,), "ops/s", None, size)}
        left = compare.sides(None, "baseline")  # type: ignore[arg-type]
        assert compare._of_one_size(left, right)["redis.get"].size == size


@pytest.mark.parametrize("factor", [0.7, 1.0])
def test_what_others_published_is_shown_and_decides_nothing(
    rules: thresholds.Regress, known: Baseline, factor: float
) -> None:
    plain = judge(rules, known, factor=factor)
    minimum = baseline.published("minimum")
    beside = {
        result.id: result
        for result in gate.judge(
            rules,
            runs={
                name: [run(name, factor * n) for n in (98, 99, 100, 101, 102)]
                for name in rules.workloads
            },
            prints={name: depends(name) for name in rules.workloads},
            known=known,
            canaries=(CANARY, CANARY),
            absent={},
            size="quick",
            published=minimum,
        )
    }
    assert {id: one.status for id, one in beside.items()} == {
        id: one.status for id, one in plain.items()
    }
    for id, figure in (
        ("perf.01", "6,470 TPS"),
        ("perf.02", "122,000 rows/s"),
        ("perf.03", "83,978 docs/s"),
        ("perf.04", "41,600 ops/s"),
    ):
        shown = f"; published: at least {figure}, machine not published: decides nothing"
        assert beside[id].evidence.endswith(shown)


def test_every_published_figure_is_of_a_workload_whose_throughput_the_gate_measures(
    rules: thresholds.Regress,
) -> None:
    measured = {check.workload for check in rules.throughput}
    assert baseline.published("minimum").keys() == measured
    for which in baseline.PUBLISHED:
        assert baseline.published(which).keys() <= measured
    limits = {check.workload: check.p95_ms for check in rules.latency}
    assert limits == {
        "api.health": 100, "postgres.point_select": 50, "redis.mixed": 5, "vault.read_secret": 20
    }  # fmt: skip


# What decides, at its limit and a step to either side.


def ratio(rules: thresholds.Regress, after: list[float]) -> Status:
    """The status of four runs of 100 against four others."""
    check = rules.throughput[0]
    return gate.throughput(
        check,
        before=[100.0] * 4,
        after=after,
        unit="TPS",
        tolerance=rules.tolerance,
        confidence=rules.confidence,
    ).status


@pytest.mark.parametrize(
    ("after", "status"),
    [
        ([80.1] * 4, Status.PASS),
        ([80.0] * 4, Status.INCONCLUSIVE),
        ([79.9] * 4, Status.FAIL),
        ([79.9, 90, 90, 90], Status.INCONCLUSIVE),
        ([80.1, 70, 70, 70], Status.INCONCLUSIVE),
        ([80.1] * 3, Status.INCONCLUSIVE),  # three against four have no interval
    ],
)
def test_a_throughput_at_its_tolerance(
    rules: thresholds.Regress, after: list[float], status: Status
) -> None:
    assert ratio(rules, after) is status


@pytest.mark.parametrize(
    ("ms", "samples", "status"),
    [
        (4.9, 500, Status.PASS),
        (5.1, 500, Status.FAIL),
        (4.9, 59, Status.PASS),
        (4.9, 58, Status.INCONCLUSIVE),
        (5.1, 58, Status.INCONCLUSIVE),
    ],
)
def test_a_p95_at_its_limit(
    rules: thresholds.Regress, ms: float, samples: int, status: Status
) -> None:
    check = next(c for c in rules.latency if c.p95_ms == 5)
    found = gate.latency(check, [run(check.workload, 1.0, ms, samples)], rules.confidence)
    assert found.status is status


def test_a_p95_whose_bounds_lie_on_both_sides_of_its_limit_is_open(
    rules: thresholds.Regress,
) -> None:
    check = next(c for c in rules.latency if c.p95_ms == 5)
    runs = [run(check.workload, 1.0, 1.0, 950), run(check.workload, 1.0, 9.0, 50)]
    assert gate.latency(check, runs, rules.confidence).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("cpu", "fsync", "moved"),
    [
        (85_000, 1_000, ""),
        (84_999, 1_000, "CPU"),
        (117_647, 1_000, ""),
        (117_648, 1_000, "CPU"),
        (100_000, 400, ""),
        (100_000, 399, "disk"),
        (100_000, 2_500, ""),
        (100_000, 2_501, "disk"),
    ],
)
def test_a_canary_at_its_limits(
    rules: thresholds.Regress, cpu: float, fsync: float, moved: str
) -> None:
    said = Canary(cpu, fsync).moved(CANARY, rules.canary.cpu, rules.canary.fsync)
    assert (f"the machine's {moved} gives" in said) if moved else said == ""


@pytest.mark.parametrize(("unsteady", "status"), [(2, Status.PASS), (3, Status.INCONCLUSIVE)])
def test_the_gate_decides_nothing_where_most_runs_were_not_steady(
    rules: thresholds.Regress, known: Baseline, unsteady: int, status: Status
) -> None:
    runs = [
        msgspec.structs.replace(run("redis.get", n), steady=at >= unsteady, drift=-0.2)
        for at, n in enumerate((98, 99, 100, 101, 102))
    ]
    found = judge(rules, known, redis__get=runs)
    assert found["perf.04"].status is status
    if unsteady == 3:
        assert found["perf.04"].evidence.startswith("3 of 5 runs were not steady: ")
        assert "by -20%" in found["perf.04"].evidence


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (None, "INCONCLUSIVE"),
        ((1.05, 1.2), "INCONCLUSIVE"),
        ((1.051, 1.2), "IMPROVED"),
        ((0.8, 0.95), "INCONCLUSIVE"),
        ((0.8, 0.949), "REGRESSED"),
        ((0.95, 1.05), "NO DIFFERENCE"),
        ((0.949, 1.05), "INCONCLUSIVE"),
        ((0.95, 1.051), "INCONCLUSIVE"),
    ],
)
def test_a_comparison_at_its_margin(interval: tuple[float, float] | None, said: str) -> None:
    assert compare.verdict(interval) == said
