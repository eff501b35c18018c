"""One drill of the history against another."""

from __future__ import annotations

import msgspec

from devstack_tui.core.errors import UsageError
from devstack_tui.drill.events import DrillReport, Spread


class Change(msgspec.Struct, frozen=True):
    """One figure: its spread in A and in B, and the difference of the medians (B - A)."""

    name: str
    a: Spread
    b: Spread
    difference: float


class StepChange(msgspec.Struct, frozen=True):
    """One step whose status differs."""

    id: str
    title: str
    a: str
    b: str


class Comparison(msgspec.Struct, frozen=True):
    """`drill compare --json`. `verdicts` with the warnings that they do not say; `warning` is why
    the two may not be comparable."""

    a: str
    b: str
    verdicts: tuple[str, str]
    lost: tuple[int | None, int | None]
    changes: tuple[Change, ...]
    steps: tuple[StepChange, ...]
    warning: str = ""


def compare(a: DrillReport, b: DrillReport) -> Comparison:
    """B against A. Raises `UsageError` for two different drills."""
    if a.drill != b.drill:
        raise UsageError(
            f"{a.id} is a {a.drill} and {b.id} a {b.drill}: they have nothing in common",
            f"`devstack-tui drill history {a.drill}` lists the runs of one",
        )
    warnings = []
    if a.fault != b.fault:
        warnings.append(f"the faults differ: {a.fault} against {b.fault}")
    if a.victim != b.victim:
        warnings.append(f"the victims differ: {a.victim} against {b.victim}")
    if a.fingerprint != b.fingerprint:
        warnings.append("machine, servers or settings differ")
    for name in sorted(set(a.spread) ^ set(b.spread)):
        warnings.append(f"{name} was measured only in {'A' if name in a.spread else 'B'}")
    statuses = {step.id: step.status for step in a.steps}
    return Comparison(
        a=a.id,
        b=b.id,
        verdicts=(a.outcome, b.outcome),
        lost=(a.lost, b.lost),
        changes=tuple(
            Change(name, a.spread[name], b.spread[name], b.spread[name].median - one.median)
            for name, one in a.spread.items()
            if name in b.spread
        ),
        steps=tuple(
            StepChange(step.id, step.title, statuses[step.id], step.status)
            for step in b.steps
            if step.id in statuses and statuses[step.id] != step.status
        ),
        warning="; ".join(warnings),
    )
