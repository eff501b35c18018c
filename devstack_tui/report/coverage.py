"""Coverage: the core checks by their last results, and what there is beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from devstack_tui.core.check import Status
from devstack_tui.core.errors import command
from devstack_tui.report import documents
from devstack_tui.report.core_checks import CoreCheck, CoreSuite, checks, suites
from devstack_tui.report.documents import RunDocument
from devstack_tui.report.model import NOT_BUILT, NOT_RUN, Counts, Coverage, CoverageRow, Item

RED = (str(Status.FAIL), str(Status.WARN))
PROOFS = {"selftest.caught": "perf.04"}
"""What the gate's self-test proves of the gate: a slowdown of this check's workload is caught."""


class CatalogueCheck(msgspec.Struct, frozen=True):
    """A check that exists, run or not; `proven` None where no sabotage is declared."""

    id: str
    title: str
    suite: str
    proven: bool | None = None
    kind: str = ""
    kind_proven: bool = False


class _CheckResults:
    """What the runs say of each check: its last result, and when it was red last."""

    def __init__(self, runs: Sequence[RunDocument]) -> None:
        self.last: dict[str, Item] = {}
        self.suites: dict[str, str] = {}
        self.red: dict[str, float] = {}
        for ran in runs:
            for item in ran.results:
                self.last.setdefault(item.id, item)
                audited = ran.kind == documents.CHECK
                self.suites.setdefault(item.id, ran.subject if audited else _family(item.id))
                if item.status in RED:
                    self.red.setdefault(item.id, item.at)

    def status(self, id: str) -> str:
        """The last status of a check."""
        return self.last[id].status if id in self.last else NOT_RUN

    def proven(self, id: str) -> bool | None:
        """What the runs say of whether it is proven."""
        for proof, proved in PROOFS.items():
            if proved == id and proof in self.last:
                return self.last[proof].status == Status.PASS
        return self.last[id].proven if id in self.last else None


def coverage(runs: Sequence[RunDocument], known: Iterable[CatalogueCheck], stack: str) -> Coverage:
    """Of `runs`, newest first. `known` are the checks of the catalogues."""
    seen = _CheckResults(runs)
    catalogue = {one.id: one for one in known}
    rows = tuple(
        _row(suite, check, seen, catalogue, command(stack, *suite.run))
        for suite in suites()
        for check in suite.checks
    )
    ours = {check.id for check in checks()}
    beyond = [
        _Counted(one.suite, one.proven is True, seen.status(one.id), one.kind, one.kind_proven)
        for one in catalogue.values()
        if one.id not in ours
    ]
    # The steps of a drill are in no catalogue. What is of a suite that has one, and is not in it,
    # is a check of another release.
    listed = {one.suite for one in catalogue.values()}
    beyond += [
        _Counted(seen.suites[id], item.proven is True, item.status)
        for id, item in seen.last.items()
        if id not in ours and seen.suites[id] not in listed
    ]
    theirs = [
        _Counted(
            *(row.suite, row.proven is True, row.status),
            *((one.kind, one.kind_proven) if (one := catalogue.get(row.id)) else ()),
        )
        for row in rows
    ]
    return Coverage(rows, _counts(theirs), _counts(beyond))


def _row(
    suite: CoreSuite,
    check: CoreCheck,
    seen: _CheckResults,
    catalogue: Mapping[str, CatalogueCheck],
    again: str,
) -> CoverageRow:
    found, listed = seen.last.get(check.id), catalogue.get(check.id)
    status, reason = _state(suite, check.id, found, catalogue, again)
    proven = listed.proven if listed is not None else None
    return CoverageRow(
        core=check.core,
        id=check.id,
        title=(listed and listed.title) or (found and found.title) or check.title,
        suite=check.suite,
        status=status,
        reason=reason,
        proven=seen.proven(check.id) if proven is None else proven,
        at=found.at if found else None,
        seen_red=seen.red.get(check.id),
        command="" if suite.missing else again,
        explained=check.explained,
        kind_proven=listed is not None and listed.kind_proven,
    )


def _state(
    suite: CoreSuite,
    id: str,
    found: Item | None,
    catalogue: Mapping[str, CatalogueCheck],
    again: str,
) -> tuple[str, str]:
    """The status of one of the core checks, and the reason for it."""
    if found is not None:
        return found.status, found.evidence
    if suite.missing:
        return NOT_BUILT, suite.missing
    # Without any check of its suite the catalogue could not be read: then it says nothing.
    if id not in catalogue and any(name.startswith(f"{suite.prefix}.") for name in catalogue):
        return NOT_BUILT, f"there is no check {id} yet"
    return NOT_RUN, f"not run on this stack yet: {again}"


def _family(id: str) -> str:
    """`redis.rolling` of `redis.rolling.03`."""
    return id.rpartition(".")[0] or id


class _Counted(NamedTuple):
    suite: str
    proven: bool
    status: str
    kind: str = ""
    kind_proven: bool = False


def _counts(rows: Iterable[_Counted]) -> tuple[Counts, ...]:
    """By suite, in the order in which they come."""
    grouped: dict[str, list[_Counted]] = {}
    for row in rows:
        grouped.setdefault(row.suite, []).append(row)
    return tuple(
        Counts(
            suite,
            len(found),
            sum(row.proven for row in found),
            documents.in_order(row.status for row in found),
            len({row.kind for row in found} - {""}),
            len({row.kind for row in found if row.kind_proven} - {""}),
        )
        for suite, found in grouped.items()
    )
