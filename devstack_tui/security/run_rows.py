"""The checks that a drill or the gate decides, with what proves them: for lists and reports."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from devstack_tui.contracts.proof import ProvenRun
from devstack_tui.security.proven import Record
from devstack_tui.security.standing import Standing


class RunCheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One such check: `run` is the verb that decides it, `sabotages` what must turn it red,
    `proof` how far it is proven, and `why` by what, or what is due."""

    id: str
    title: str
    suite: str
    run: tuple[str, ...]
    sabotages: dict[str, str]
    proven: bool
    proof: str
    why: str


def rows(runs: Iterable[ProvenRun], record: Record) -> tuple[RunCheckRow, ...]:
    """Every check of these runs, in their order."""
    found = []
    for run in runs:
        for check in run.checks:
            proof, why = _standing(check.id, record)
            found.append(
                RunCheckRow(
                    id=check.id,
                    title=check.title,
                    suite=check.suite,
                    run=check.run,
                    sabotages={
                        one.id: one.title
                        for one in run.sabotages
                        if check.id in (one.turns, *one.expects)
                    },
                    proven=proof is Standing.PROVEN,
                    proof=proof,
                    why=why,
                )
            )
    return tuple(found)


def _standing(check: str, record: Record) -> tuple[Standing, str]:
    if now := record.by(check):
        return Standing.PROVEN, f"turned red by {', '.join(now)}"
    once = [id for id, turned in record.turned.items() if check in turned]
    changed = sorted({file for id in once for file in record.changed[id]})
    if once:
        return Standing.CHANGED, f"not any more, until it is proven again: {_some(changed)} changed"
    return Standing.UNPROVEN, "no"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
