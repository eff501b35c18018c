"""All repeats of a drill judged together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from devstack_tui.contracts.drill import DrillResult
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
        found.setdefault("write_window_s", []).append(result.write_window_s)
        found.setdefault("read_window_s", []).append(result.read_window_s)
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
) -> DrillReport:
    """What `drill run --json` prints. Needs at least one result."""
    steps = merge(results)
    first = results[0]
    shards = [shard for result in results for shard in result.shards]
    per_repeat = [
        (
            sum(shard.lost for shard in result.shards),
            sum(shard.resurrected for shard in result.shards),
            sum(shard.indeterminate for shard in result.shards),
        )
        for result in results
    ]
    return DrillReport(
        id=id,
        drill=first.drill,
        fault=first.fault,
        victim=victim,
        verdict=overall(results, steps),
        write_window_s=max((shard.write_window_s for shard in shards), default=0.0),
        read_window_s=max((shard.read_window_s for shard in shards), default=0.0),
        lost=max(row[0] for row in per_repeat),
        resurrected=max(row[1] for row in per_repeat),
        indeterminate=max(row[2] for row in per_repeat),
        split_brain=max(result.split_brain for result in results),
        steps=steps,
        repeats=tuple(results),
        spread=spreads(results),
        seconds=seconds,
        started=first.started,
        fingerprint=fingerprint,
        command=command,
    )
