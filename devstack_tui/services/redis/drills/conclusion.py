"""What all repeats of a failover drill say together: the median, and whether it is the core result.
Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from devstack_tui.contracts.drill import DrillResult, Thresholds
from devstack_tui.core.check import Result, Status
from devstack_tui.services.redis.drills.limits import PLANNED
from devstack_tui.services.redis.drills.steps import PREFIX, TITLES

CORE_FAULT = "sigkill"


def switch_overs(
    steps: Sequence[Result], results: Sequence[DrillResult], thresholds: Thresholds
) -> tuple[Result, ...]:
    """The merged steps; of planned switch-overs step 6 as well by the median of all of them, where
    there are enough to have one."""
    windows = [
        window
        for one in results
        if one.fault == PLANNED and not one.void and (window := one.own_window_s) is not None
    ]
    if not windows:
        return tuple(steps)
    return tuple(
        _by_median(step, windows, thresholds) if step.id == f"{PREFIX}.06" else step
        for step in steps
    )


def _by_median(step: Result, windows: Sequence[float], thresholds: Thresholds) -> Result:
    limit, enough = thresholds.planned_median_s, thresholds.planned_repeats
    if len(windows) < enough:
        said = f"the median is not judged: {len(windows)} of {enough} switch-overs"
        return msgspec.structs.replace(step, evidence=f"{step.evidence}; {said}")
    median = statistics.median(windows)
    said = f"the median of {len(windows)} switch-overs is {median:.3f} s (at most {limit:g} s)"
    evidence = f"{said}; {step.evidence}"
    if median > limit and step.status is Status.PASS:
        return msgspec.structs.replace(step, status=Status.FAIL, evidence=f"too long: {evidence}")
    return msgspec.structs.replace(step, evidence=evidence)


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
