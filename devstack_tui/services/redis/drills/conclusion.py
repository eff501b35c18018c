"""What all repeats of a failover drill say together: the median, and whether it is the core result.
Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from devstack_tui.contracts.drill import DrillResult, Thresholds
from devstack_tui.core.check import Result, Status
from devstack_tui.services.redis.drills.limits import PLANNED, judged_window
from devstack_tui.services.redis.drills.steps import PREFIX, TITLES

CORE_FAULT = "sigkill"


def switch_overs(
    steps: Sequence[Result], results: Sequence[DrillResult], thresholds: Thresholds
) -> tuple[Result, ...]:
    """The merged steps; of planned switch-overs step 6 as well by the median of all of them, where
    there are enough to have one."""
    measured = [
        one
        for one in results
        if one.fault == PLANNED and not one.void and one.own_window_s is not None
    ]
    if not measured:
        return tuple(steps)
    return tuple(
        _by_median(step, measured, thresholds) if step.id == f"{PREFIX}.06" else step
        for step in steps
    )


def _by_median(step: Result, measured: Sequence[DrillResult], thresholds: Thresholds) -> Result:
    limit, enough = thresholds.planned_median_s, thresholds.planned_repeats
    if len(measured) < enough:
        evidence = f"the median is not judged: {len(measured)} of {enough} switch-overs"
        return msgspec.structs.replace(step, evidence=f"{step.evidence}; {evidence}")
    median = statistics.median(one.own_window_s or 0.0 for one in measured)
    late_s = statistics.median(one.late_ms / 1000 for one in measured)
    evidence = f"the median of {len(measured)} switch-overs is {median:.3f} s (at most {limit:g} s)"
    found = judged_window(median, limit, late_s)
    if found is Status.FAIL and any(one.starved for one in measured):
        found, evidence = Status.INCONCLUSIVE, f"{evidence}, but the machine was out of CPU"
    elif found is Status.INCONCLUSIVE:
        evidence += f", but our own clock was late by {late_s:.3f} s"
    # What one of them failed alone is not mended by the others.
    status = found if step.status is Status.PASS else step.status
    return msgspec.structs.replace(step, status=status, evidence=f"{evidence}; {step.evidence}")


def core(victims: Sequence[str], results: Sequence[DrillResult]) -> bool:
    """Whether a run decides the core checks: SIGKILL of two masters, measured and judged to the
    end; or it would have, but the cluster was not well enough to begin. `victims` are the names
    that were asked for."""
    if not results or any(one.fault != CORE_FAULT or one.void for one in results):
        return False
    decided = {step.id.rpartition(".")[2] for one in results for step in one.steps}
    if decided != set(TITLES):
        return False
    if not all(one.begun for one in results):
        return len(set(victims)) >= 2 and not any(name.startswith("redis-") for name in victims)
    return all(one.shard for one in results) and len({one.victim for one in results}) >= 2
