"""Coverage: the core checks by their last results, and what there is beyond them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from devstack_tui.core.check import Status
from devstack_tui.core.errors import command
from devstack_tui.core.units import moment
from devstack_tui.report import documents
from devstack_tui.report.core_checks import CoreCheck, CoreSuite, checks, suites
from devstack_tui.report.documents import RunDocument
from devstack_tui.report.model import (
    NOT_APPLICABLE,
    NOT_BUILT,
    NOT_RUN,
    QUICK,
    STALE,
    Counts,
    Coverage,
    CoverageRow,
    Item,
)
from devstack_tui.report.staleness import Ages
from devstack_tui.report.verdict import Need, is_missing, need

RED = (str(Status.FAIL), str(Status.WARN))
_COMMAND = re.compile(r"`(devstack-tui [^`]+)`")
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
    """What the runs say of each check: its last result, what decides it, and when it was red."""

    def __init__(self, runs: Sequence[RunDocument], ages: Ages) -> None:
        self.last: dict[str, Item] = {}
        self.deciding: dict[str, Item] = {}
        self.besides: dict[str, tuple[str, Item]] = {}
        """The last result that does not decide, and why, where none that does is newer."""
        self.suites: dict[str, str] = {}
        self.red: dict[str, float] = {}
        for ran in runs:
            for item in ran.results:
                self.last.setdefault(item.id, item)
                self._sort(ran, item, ages)
                audited = ran.kind == documents.CHECK
                self.suites.setdefault(item.id, ran.subject if audited else _family(item.id))
                if item.status in RED:
                    self.red.setdefault(item.id, item.at)

    def _sort(self, ran: RunDocument, item: Item, ages: Ages) -> None:
        if item.id in documents.CORE and item.id not in self.deciding:
            if not ran.beside:
                self.deciding[item.id] = ages.aged(ran, item)
            else:
                self.besides.setdefault(item.id, (ran.beside, item))

    def status(self, id: str) -> str:
        """The last status of a check."""
        return self.last[id].status if id in self.last else NOT_RUN

    def proven(self, id: str) -> bool | None:
        """What the runs say of whether it is proven."""
        for proof, proved in PROOFS.items():
            if proved == id and proof in self.last:
                return self.last[proof].status == Status.PASS
        return self.last[id].proven if id in self.last else None


def coverage(
    runs: Sequence[RunDocument],
    known: Iterable[CatalogueCheck],
    stack: str,
    ages: Ages,
    *,
    inapplicable: Mapping[str, str] = {},
    absent: Mapping[str, Need] = {},
) -> Coverage:
    """Of `runs`, newest first. `known` are the checks of the catalogues, `inapplicable` why some
    checks do not apply here, `absent` what brings a check's service into the stack."""
    seen = _CheckResults(runs, ages)
    catalogue = {one.id: one for one in known}
    rows = tuple(
        _row(
            suite,
            check,
            seen,
            catalogue,
            _Here(
                command(stack, *suite.run),
                inapplicable.get(check.id, ""),
                need(absent, check.id),
            ),
        )
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


class _Here(NamedTuple):
    """Of a check: the command that runs it, why it does not apply on this machine, and what it
    needs first."""

    again: str
    inapplicable: str
    absent: Need | None


def _row(
    suite: CoreSuite,
    check: CoreCheck,
    seen: _CheckResults,
    catalogue: Mapping[str, CatalogueCheck],
    here: _Here,
) -> CoverageRow:
    found, listed = seen.deciding.get(check.id), catalogue.get(check.id)
    beside = seen.besides.get(check.id)
    if found is not None:
        state = _decided(found, beside, here.inapplicable)
    elif here.inapplicable:
        state = _State(NOT_APPLICABLE, here.inapplicable)
    else:
        state = _undecided(suite, check.id, beside, catalogue)
    shown = found or (beside[1] if beside else None)
    proven = listed.proven if listed is not None else None
    again = here.again
    if here.absent and state.status == NOT_RUN and beside is None:
        state = state._replace(reason=f"{state.reason}: {here.absent.why}")
    if here.absent and is_missing(state.status):
        again = here.absent.command
    elif found is not None and state.status == Status.INCONCLUSIVE:
        # What decided nothing for want of a baseline decides nothing again before there is one.
        again = next(iter(_COMMAND.findall(found.remedy)), again)
    return CoverageRow(
        core=check.core,
        id=check.id,
        title=(listed and listed.title) or (shown and shown.title) or check.title,
        suite=check.suite,
        status=state.status,
        reason=state.reason,
        proven=seen.proven(check.id) if proven is None else proven,
        at=shown.at if shown else None,
        seen_red=seen.red.get(check.id),
        command="" if suite.missing else again,
        explained=check.explained,
        kind_proven=listed is not None and listed.kind_proven,
        was=state.was,
        stale=found.stale if found else "",
        missing=is_missing(state.status),
        declared=bool(found and found.declared and state.status == Status.WARN),
    )


class _State(NamedTuple):
    status: str
    reason: str
    was: str = ""


def _decided(found: Item, beside: tuple[str, Item] | None, inapplicable: str) -> _State:
    """By the last result that counts: what is stale does not, nor what does not apply here."""
    if found.stale:
        state = _State(STALE, f"{found.status} {moment(found.at)}; {found.stale}", found.status)
    else:
        state = _State(found.status, found.evidence)
    if inapplicable and is_missing(state.status):
        return _State(NOT_APPLICABLE, inapplicable)
    # What failed since is said, although it decides nothing.
    if beside is not None and beside[1].status in (Status.FAIL, Status.ERROR):
        why, item = beside
        later = f"since then {item.status} ({why}): {item.evidence}"
        return state._replace(reason=f"{state.reason}; {later}")
    return state


def _undecided(
    suite: CoreSuite,
    id: str,
    beside: tuple[str, Item] | None,
    catalogue: Mapping[str, CatalogueCheck],
) -> _State:
    """A check without a result that counts, and the reason for it."""
    if beside is not None:
        why, item = beside
        status = NOT_RUN if why == documents.BESIDE else QUICK
        return _State(status, f"only {why}", item.status)
    if suite.missing:
        return _State(NOT_BUILT, suite.missing)
    # Without any check of its suite the catalogue could not be read: then it says nothing.
    if id not in catalogue and any(name.startswith(f"{suite.prefix}.") for name in catalogue):
        return _State(NOT_BUILT, f"there is no check {id} yet")
    return _State(NOT_RUN, "not run on this stack yet")


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
