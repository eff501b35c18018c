"""One drill of the history against another."""

from __future__ import annotations

import msgspec

from devstack_tui.core.errors import UsageError
from devstack_tui.drill.events import DrillReport, Spread


class Change(msgspec.Struct, frozen=True):
    """One figure: its spread in A and in B, and the difference of the medians (B - A); None
    where the two drills are not comparable."""

    name: str
    a: Spread
    b: Spread
    difference: float | None


class StepChange(msgspec.Struct, frozen=True):
    """One step whose status differs. Where the limits differ, so does the title: `title` is B's."""

    id: str
    title: str
    a: str
    b: str
    title_a: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """One for both, or one for each with its title."""
        if self.title_a in ("", self.title):
            return (f"{self.id:<20} {self.a} → {self.b}  {self.title}",)
        return (
            f"{self.id:<20} A {self.a}  {self.title_a}",
            f"{'':<20} B {self.b}  {self.title}",
        )


class Comparison(msgspec.Struct, frozen=True):
    """`drill compare --json`. `verdicts` with the warnings that they do not say; `warning` is how
    the two differ; `comparable` whether a difference of their figures means anything: the same
    fault, and either both hit the owner of a shard or neither did."""

    a: str
    b: str
    verdicts: tuple[str, str]
    lost: tuple[int | None, int | None]
    changes: tuple[Change, ...]
    steps: tuple[StepChange, ...]
    warning: str = ""
    comparable: bool = True


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
    steps = {step.id: step for step in a.steps}
    comparable = a.fault == b.fault and _owners(a) == _owners(b)
    if not comparable and a.fault == b.fault:
        warnings.append("one hit the owner of a shard, the other did not")
    if not comparable:
        warnings.append("the figures are not comparable")
    return Comparison(
        a=a.id,
        b=b.id,
        verdicts=(a.outcome, b.outcome),
        lost=(a.lost, b.lost),
        changes=tuple(
            Change(
                name,
                a.spread[name],
                b.spread[name],
                b.spread[name].median - one.median if comparable else None,
            )
            for name, one in a.spread.items()
            if name in b.spread
        ),
        steps=tuple(
            StepChange(
                step.id, step.title, steps[step.id].status, step.status, steps[step.id].title
            )
            for step in b.steps
            if step.id in steps and steps[step.id].status != step.status
        ),
        warning="; ".join(warnings),
        comparable=comparable,
    )


def _owners(report: DrillReport) -> set[bool]:
    """Whether what was hit owned a shard, in each repeat that was begun."""
    # Earlier releases did not name the shard, but nothing is expected to pause for another node.
    return {
        bool(result.shard or (result.expected and result.expected[1]))
        for result in report.repeats
        if result.begun
    }
