"""Reports of the tuning: how one is made of its runs, and what earlier ones show for the next."""

from __future__ import annotations

import math
import statistics
import time
import uuid
from collections.abc import Iterable, Sequence

import msgspec

from devstack_tui.contracts import sizes
from devstack_tui.core import codec, stats
from devstack_tui.core.errors import command
from devstack_tui.core.history import History
from devstack_tui.tuning import verdicts
from devstack_tui.tuning.events import AbPair, AbPlanned, AbReport, AutoReport, CostReport
from devstack_tui.tuning.measure import Sample

AB, COST, AUTO = "ab", "cost", "auto"
BENCH = "bench"
LOOKED_AT = 20
FEWEST_RUNS = 4
"""Single runs of a workload, before their spread says anything."""

Pair = tuple[Sample, Sample]
"""The runs of A and of B."""


class EarlierRuns(msgspec.Struct, frozen=True):
    """What earlier runs of a workload on the same fingerprint showed: the spread of the ratio
    of two runs, and how long one of an A/B lasted (seconds) once its arm was in effect. How long
    that takes, `applying_s` by whether the service was restarted, earlier A/Bs of the service show,
    whatever they ran. None: nothing yet."""

    spread: float | None = None
    measuring_s: float | None = None
    applying_s: dict[bool, float] = {}


class _Run(msgspec.Struct, frozen=True):
    """What is needed of a benchmark's run."""

    throughput: float
    problem: str = ""


def past(history: History, workload: str, size: str, fingerprint: str) -> EarlierRuns:
    """Look at the A/Bs that were kept, and else at the benchmarks."""
    applying: dict[bool, float] = {}
    for row in history.list(AB, limit=LOOKED_AT):
        timing = codec.decode(row.document, AbReport).timing
        if timing is not None and _service(row.name) == _service(workload):
            applying.setdefault(timing.restart, timing.applying_s)
    reports = [
        codec.decode(row.document, AbReport)
        for row in history.list(AB, workload, LOOKED_AT)
        if row.size == size and row.fingerprint == fingerprint
    ]
    measuring = next((one.timing.measuring_s for one in reports if one.timing), None)
    if (spread := stats.pooled_spread(ratios_of(one.samples) for one in reports)) is not None:
        return EarlierRuns(spread, measuring, applying)
    runs = [
        found.throughput
        for row in history.list(BENCH, workload, LOOKED_AT)
        if row.size == size and row.fingerprint == fingerprint
        for found in [codec.decode(row.document, _Run)]
        if not found.problem and found.throughput > 0
    ]
    if len(runs) < FEWEST_RUNS:
        return EarlierRuns(None, measuring, applying)
    # A ratio has the noise of two runs.
    spread = statistics.stdev(map(math.log, runs)) * math.sqrt(2)
    return EarlierRuns(spread, measuring, applying)


def _service(workload: str) -> str:
    return workload.partition(".")[0]


def ratios_of(samples: Iterable[tuple[float, float]]) -> list[float]:
    """B ÷ A of each pair."""
    return [b / a for a, b in samples]


def ab_report(
    plan: AbPlanned, pairs: Sequence[Pair], *, order: str, seconds: float, fingerprint: str
) -> AbReport:
    """What the pairs of one A/B say; at least one of them."""
    samples = tuple((a.throughput, b.throughput) for a, b in pairs)
    ratios = ratios_of(samples)
    judged = verdicts.judge(ratios, plan.margin, too_short(plan.size, pairs))
    last_a, last_b = pairs[-1]
    return AbReport(
        id=uuid.uuid4().hex[:12],
        at=time.time(),
        workload=plan.workload,
        size=plan.size,
        unit=plan.unit,
        a=plan.a,
        b=plan.b,
        changes=plan.changes,
        verdict=judged.verdict,
        ratio=judged.estimate.ratio,
        interval=(judged.estimate.low, judged.estimate.high),
        pairs=len(pairs),
        margin=plan.margin,
        samples=samples,
        order=order,
        p99_ratio=_p99_ratio(pairs),
        detectable=verdicts.detectable(stats.spread(ratios), len(pairs), plan.margin),
        needed_pairs=judged.needed,
        sentence=verdicts.sentence(
            plan.a, plan.b, judged, len(pairs), f"{plan.workload} ({plan.size})"
        ),
        settings={"a": last_a.settings, "b": last_b.settings},
        fingerprint=fingerprint,
        command=plan.command,
        seconds=seconds,
        remarks=remarks(pairs),
    )


def remarks(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """What of the runs makes their ratio say less of the server than it seems to."""
    runs = [run for pair in pairs for run in pair]
    bound = sum(run.client_bound for run in runs)
    unsteady = sum(run.steady is False for run in runs)
    of = f"of {len(runs)} runs"
    found = []
    if bound:
        found.append(
            f"in {bound} {of} the client was the limit: what the server gains or loses shows less"
        )
    if unsteady:
        found.append(f"{unsteady} {of} reached no steady state: longer ones (--size full) would")
    return tuple(found)


def too_short(size: str, pairs: Iterable[Pair]) -> str:
    """Why runs like these carry no verdict on a server, if they do not."""
    lasted = [run.seconds for pair in pairs for run in pair if run.seconds is not None]
    return sizes.no_verdict(size, min(lasted, default=None))


def pair_done(pairs: Sequence[Pair], ends_at: float | None = None) -> AbPair:
    """The event of the last of `pairs`, with the estimate of all of them."""
    a, b = pairs[-1]
    ratios = ratios_of((one.throughput, other.throughput) for one, other in pairs)
    found = stats.paired(ratios)
    return AbPair(
        pair=len(pairs),
        a=a.throughput,
        b=b.throughput,
        ratio=ratios[-1],
        estimate=found.ratio,
        low=found.low,
        high=found.high,
        ends_at=ends_at,
    )


def _p99_ratio(pairs: Sequence[Pair]) -> float | None:
    ratios = [b.p99 / a.p99 for a, b in pairs if a.p99 and b.p99]
    return stats.paired(ratios).ratio if ratios else None


def keep(history: History, report: AbReport | CostReport | AutoReport, started: float) -> None:
    """Put a report into the stack's history."""
    document = msgspec.json.encode(report)
    match report:
        case AbReport(id=id, workload=workload, size=size, fingerprint=fingerprint):
            history.add(AB, id, workload, size, started, fingerprint, document)
        case CostReport(service=service, profile=profile):
            history.add(COST, uuid.uuid4().hex[:12], service, profile, started, "", document)
        case AutoReport():
            history.add(AUTO, uuid.uuid4().hex[:12], report.workload, "", started, "", document)


def costs(history: History, service: str) -> list[CostReport]:
    """What kills of a service cost, newest first."""
    rows = history.list(COST, service, LOOKED_AT)
    return [codec.decode(row.document, CostReport) for row in rows]


def last_cost(history: History, service: str, relaxed: Sequence[str]) -> CostReport | None:
    """What a kill cost last with exactly these relaxed values (`name=value`), if measured."""
    found = (one for one in costs(history, service) if set(one.relaxed) == set(relaxed))
    return next(found, None)


def ab_command(stack: str, plan: AbPlanned, *more: str) -> str:
    """The command line of an A/B."""
    words = ["tune", "ab", plan.a, plan.b, "--workload", plan.workload, *sizes.words(plan.size)]
    fixed = plan.most_pairs == plan.pairs
    return command(stack, *words, *(["--pairs", str(plan.pairs)] if fixed else []), *more)
