"""All repeats of a drill judged together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from devstack_tui.contracts.drill import (
    ConcludingDrill,
    Drill,
    DrillResult,
    Thresholds,
    total,
    worst,
)
from devstack_tui.core.check import Result, Status, verdict
from devstack_tui.drill.events import DrillReport, Spread

# The worst first: what one repeat failed is not mended by the next one's success.
_WORST = (
    Status.ERROR,
    Status.FAIL,
    Status.INCONCLUSIVE,
    Status.WARN,
    Status.PASS,
    Status.SKIPPED,
)


def spread(values: Sequence[float]) -> Spread:
    """Median, extremes and the 95th percentile (nearest rank: a value that was measured)."""
    ordered = sorted(values)
    rank = max(1, math.ceil(0.95 * len(ordered)))
    return Spread(
        statistics.median(ordered), ordered[0], ordered[-1], ordered[rank - 1], len(ordered)
    )


def spreads(results: Sequence[DrillResult]) -> dict[str, Spread]:
    """Of the windows and of every timing; a void measurement counts for nothing."""
    found: dict[str, list[float]] = {}
    for result in results:
        if result.void:
            continue
        windows = (
            ("write_window_s", result.write_window_s),
            ("read_window_s", result.read_window_s),
        )
        for name, window in windows:
            if window is not None:
                found.setdefault(name, []).append(window)
        for name, seconds in result.timings.items():
            found.setdefault(name, []).append(seconds)
    return {name: spread(values) for name, values in found.items()}


def merge(results: Sequence[DrillResult]) -> tuple[Result, ...]:
    """Each step once, in order, with its worst status and what was found then."""
    found: dict[str, list[tuple[DrillResult, Result]]] = {}
    for result in results:
        for step in result.steps:
            found.setdefault(step.id, []).append((result, step))
    return tuple(_worst(found[id]) for id in sorted(found))


def _worst(made: list[tuple[DrillResult, Result]]) -> Result:
    result, step = min(made, key=lambda one: _WORST.index(one[1].status))
    alike = sum(other.status is step.status for _, other in made)
    if len(made) == 1:
        return step
    where = f"{alike} of {len(made)}; {result.victim} in repeat {result.repeat}"
    return Result(step.id, step.title, step.status, f"{where}: {step.evidence}", step.remedy)


def overall(results: Sequence[DrillResult], steps: Iterable[Result]) -> Status:
    """A void measurement proves nothing, but a failure that needs no clock still is one."""
    found = verdict(steps)
    if found is Status.PASS and any(result.void for result in results):
        return Status.INCONCLUSIVE
    return found


def report(
    results: Sequence[DrillResult],
    *,
    id: str,
    victim: str,
    seconds: float,
    fingerprint: str,
    command: str,
    drill: Drill | None = None,
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - it is frozen
) -> DrillReport:
    """What `drill run --json` prints. Needs at least one result. `drill` may have more to say of
    all of them together."""
    steps = merge(results)
    core = False
    if isinstance(drill, ConcludingDrill):
        steps = drill.conclude(steps, results, thresholds)
        core = drill.core(victim, results)
    first = results[0]
    return DrillReport(
        id=id,
        drill=first.drill,
        fault=first.fault,
        victim=victim,
        verdict=overall(results, steps),
        write_window_s=worst(result.write_window_s for result in results),
        read_window_s=worst(result.read_window_s for result in results),
        lost=_most(result.lost for result in results),
        resurrected=_most(total(s.resurrected for s in result.shards) for result in results),
        indeterminate=_most(total(s.indeterminate for s in result.shards) for result in results),
        split_brain=_most(result.split_brain for result in results),
        steps=steps,
        repeats=tuple(results),
        spread=spreads(results),
        seconds=seconds,
        started=first.started,
        fingerprint=fingerprint,
        command=command,
        core=core,
    )


def _most(counts: Iterable[int | None]) -> int | None:
    """The highest count of all repeats; None when none was counted."""
    return max((count for count in counts if count is not None), default=None)
