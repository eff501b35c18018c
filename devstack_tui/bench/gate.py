"""The regression gate: nine checks, each of which can fail, and can be inconclusive."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from devstack_tui.bench import steadiness
from devstack_tui.bench.baseline import Baseline, PublishedFigure
from devstack_tui.bench.canary import Canary
from devstack_tui.bench.events import RunResult
from devstack_tui.bench.thresholds import GateCheck, LatencyCheck, Regress
from devstack_tui.contracts import sizes
from devstack_tui.core import stats
from devstack_tui.core.check import Result, Status, verdict
from devstack_tui.core.fingerprint import Fingerprint
from devstack_tui.core.histogram import Histogram

P95 = 0.95
DIGITS = 9
ALL, ALL_TITLE = "perf.09", "all of them together"
NOTHING_PUBLISHED: Mapping[str, PublishedFigure] = MappingProxyType({})


def judge(
    rules: Regress,
    *,
    runs: Mapping[str, Sequence[RunResult]],
    prints: Mapping[str, Fingerprint],
    known: Baseline | None,
    canaries: tuple[Canary, Canary],
    absent: Mapping[str, str],
    size: str = "full",
    published: Mapping[str, PublishedFigure] = NOTHING_PUBLISHED,
) -> list[Result]:
    """Every check's result, the ninth over all of them. `absent` is why a workload cannot run;
    `size` is that of the runs. `published` are the minima of others: shown, never deciding."""
    moved = ""
    if known is not None:
        limits = rules.canary
        moved = next(
            filter(None, (c.moved(known.canary, limits.cpu, limits.fsync) for c in canaries)), ""
        )
    results = []
    for check in rules.checks:
        of = runs.get(check.workload, ())
        if check.workload in absent:
            results.append(Result(check.id, check.title, Status.SKIPPED, absent[check.workload]))
        elif found := _void(check, of, size):
            results.append(found)
        elif isinstance(check, LatencyCheck):
            results.append(latency(check, of, rules.confidence))
        elif steadiness.of_runs(run.steady for run in of) is False:
            results.append(_unsteady(check, of))
        else:
            record = _record(check.workload, size)
            found = _against(check, of, prints[check.workload], known, rules, record=record)
            if moved and found.status in (Status.PASS, Status.FAIL):
                found = Result(check.id, check.title, Status.INCONCLUSIVE, moved, record)
            results.append(_beside(found, published.get(check.workload)))
    overall = verdict(results)
    if moved and overall is Status.PASS:
        overall = Status.INCONCLUSIVE  # limits were kept, by another machine
    evidence = ", ".join(
        f"{sum(r.status is status for r in results)} {status}"
        for status in Status
        if any(r.status is status for r in results)
    )
    canary = moved or "the canary is unmoved" if known is not None else "no canary was recorded"
    results.append(Result(ALL, ALL_TITLE, overall, f"{evidence}; {canary}"))
    return results


def _void(check: GateCheck, runs: Sequence[RunResult], size: str) -> Result | None:
    """Why its runs are not judged, if so. A size that gives no verdict on a server gives none on
    one that is gone either."""
    reason = _not_measured(runs)
    if short := sizes.no_verdict(size):
        short = "; ".join(filter(None, [short, reason]))
    elif reason:
        return Result(check.id, check.title, Status.ERROR, reason)
    else:
        short = sizes.no_verdict(size, min(run.seconds for run in runs))
    if short:
        return Result(check.id, check.title, Status.INCONCLUSIVE, short, _longer(size))
    return None


def unjudged(
    rules: Regress, why: str, remedy: str = "", absent: Mapping[str, str] = MappingProxyType({})
) -> list[Result]:
    """Every check's result where nothing was measured to its end, with the reason."""
    results = [
        Result(check.id, check.title, Status.SKIPPED, absent[check.workload])
        if check.workload in absent
        else Result(check.id, check.title, Status.INCONCLUSIVE, why, remedy)
        for check in rules.checks
    ]
    return [*results, Result(ALL, ALL_TITLE, Status.INCONCLUSIVE, why, remedy)]


def uncompared(
    rules: Regress, prints: Mapping[str, Fingerprint], known: Baseline | None
) -> dict[str, str]:
    """Of the workloads that can run here, those whose throughput has no baseline to stand against,
    and why: their checks are INCONCLUSIVE whatever is measured."""
    checked = dict.fromkeys(check.workload for check in rules.throughput)
    whys = {name: _no_baseline(name, prints[name], known) for name in checked if name in prints}
    return {name: why for name, why in whys.items() if why}


def _no_baseline(workload: str, depends: Fingerprint, known: Baseline | None) -> str:
    recorded = known.of(workload, depends) if known is not None else None
    if recorded is None:
        return f"no baseline of {workload} is recorded for this host"
    return recorded.incomparable(depends)


def _beside(found: Result, published: PublishedFigure | None) -> Result:
    """A result with what DevStack Core's own gate asks for, which was measured elsewhere."""
    if published is None:
        return found
    shown = f"published: at least {published.throughput:,.0f} {published.unit}"
    evidence = f"{found.evidence}; {shown}, machine not published: decides nothing"
    return msgspec.structs.replace(found, evidence=evidence)


def _unsteady(check: GateCheck, runs: Sequence[RunResult]) -> Result:
    """Where most runs rise or fall, so does their median with the length of the runs."""
    drifts = [run.drift for run in runs if run.steady is False and run.drift is not None]
    evidence = (
        f"{len(drifts)} of {len(runs)} runs were not steady: their throughput changed by "
        f"{statistics.median(drifts):+.0%} over the run (allowed: ±{steadiness.DRIFT:.0%})"
    )
    remedy = "run it again when the server has warmed up, or make longer runs"
    return Result(check.id, check.title, Status.INCONCLUSIVE, evidence, remedy)


def _longer(size: str) -> str:
    known = sizes.SIZES.get(size)
    if known is None or not known.verdict:
        return (
            "`devstack-tui regress --quick` gives a verdict, `devstack-tui regress` a core check's"
        )
    return f"set its `seconds` to {known.least_s:g} or more in your workloads.toml"


def _record(workload: str, size: str) -> str:
    command = " ".join(["devstack-tui", "bench", "record", *sizes.words(size), workload])
    return f"`{command}` records what this host gives now"


def _not_measured(runs: Sequence[RunResult]) -> str:
    if not runs:
        return "it was not run"
    return next((run.problem for run in runs if run.problem), "")


def _against(
    check: GateCheck,
    runs: Sequence[RunResult],
    depends: Fingerprint,
    known: Baseline | None,
    rules: Regress,
    *,
    record: str,
) -> Result:
    """A throughput against the baseline: PASS, FAIL or INCONCLUSIVE, or refused saying why."""
    recorded = known.of(check.workload, depends) if known is not None else None
    evidence = _no_baseline(check.workload, depends, known)
    if recorded is None or evidence:
        return Result(check.id, check.title, Status.INCONCLUSIVE, evidence, record)
    return throughput(
        check,
        before=recorded.samples,
        after=[run.throughput for run in runs],
        unit=recorded.unit,
        tolerance=rules.tolerance,
        confidence=rules.confidence,
    )


def throughput(
    check: GateCheck,
    *,
    before: Sequence[float],
    after: Sequence[float],
    unit: str,
    tolerance: float,
    confidence: float,
) -> Result:
    """The interval of after ÷ before against the tolerance."""
    found = stats.compare(before, after, confidence)
    if found.low is None or found.high is None:
        evidence = f"{len(before)} runs against {len(after)} cannot bound a ratio"
        return Result(check.id, check.title, Status.INCONCLUSIVE, evidence, "make more runs")
    evidence = (
        f"{statistics.median(after):,.0f} {unit}, {found.ratio:.0%} of the baseline "
        f"({found.low:.0%} to {found.high:.0%} at {confidence:.0%}; at least {tolerance:.0%})"
    )
    # A ratio that is the limit is not beyond it by what logarithms round.
    low, high = round(found.low, DIGITS), round(found.high, DIGITS)
    if low > tolerance:
        return Result(check.id, check.title, Status.PASS, evidence)
    if high < tolerance:
        return Result(check.id, check.title, Status.FAIL, evidence, "find what made it slower")
    return Result(
        check.id, check.title, Status.INCONCLUSIVE, evidence, "more or longer runs would decide"
    )


def latency(check: LatencyCheck, runs: Sequence[RunResult], confidence: float) -> Result:
    """The bounds of the 95th percentile against its limit; too few samples cannot say."""
    merged = Histogram()
    for run in runs:
        merged.merge(Histogram.read(run.histogram))
    needed = stats.samples_for_upper_bound(P95, confidence)
    bounds = quantile_bounds(merged, P95, confidence)
    if bounds is None:
        evidence = f"{merged.count} samples: at least {needed} are needed to bound a p95"
        return Result(check.id, check.title, Status.INCONCLUSIVE, evidence, "make longer runs")
    low, high = bounds
    evidence = (
        f"p95 {merged.quantile(P95):.2f} ms (between {low:.2f} and {high:.2f} at "
        f"{confidence:.0%}, {merged.count:,} samples; below {check.p95_ms:g} ms)"
    )
    if high < check.p95_ms:
        return Result(check.id, check.title, Status.PASS, evidence)
    if low > check.p95_ms:
        return Result(check.id, check.title, Status.FAIL, evidence, "find what made it slower")
    return Result(check.id, check.title, Status.INCONCLUSIVE, evidence, "make longer runs")


def quantile_bounds(
    histogram: Histogram, share: float, confidence: float
) -> tuple[float, float] | None:
    """One-sided lower and upper bounds of a quantile; None with too few samples.

    By the ranks whose binomial tail is below 1 - confidence, in its normal approximation with
    continuity correction; exact at the edge, where the largest sample must do.
    """
    count = histogram.count
    if count < stats.samples_for_upper_bound(share, confidence):
        return None
    sigma = math.sqrt(count * share * (1 - share))
    z = statistics.NormalDist().inv_cdf(confidence)
    upper = min(count, math.ceil(count * share + z * sigma + 0.5))
    lower = max(1, math.floor(count * share - z * sigma - 0.5))
    return histogram.quantile(lower / count), histogram.quantile(upper / count)
