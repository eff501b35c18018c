"""The report's verdict: what failed, what is missing, what is left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from devstack_tui.core.check import Status
from devstack_tui.report.documents import DRILL, MEASURING, REGRESS
from devstack_tui.report.model import (
    INCOMPLETE,
    NOT_APPLICABLE,
    STALE,
    CoverageRow,
    Item,
    Missing,
    Suite,
    Warnings,
)

FAILED = (Status.FAIL, Status.ERROR)
DECIDED = (Status.PASS, Status.WARN, *FAILED)
UNDECIDED = "decided nothing"
_EXITS = {str(Status.PASS): 0, str(Status.FAIL): 1, INCOMPLETE: 4}


class Need(NamedTuple):
    """What a check lacks here, and the command that brings it."""

    why: str
    command: str


def need(absent: Mapping[str, Need], id: str) -> Need | None:
    """What the check `id` needs first: its own need, or that of the service which begins its id."""
    return absent.get(id) or absent.get(id.partition(".")[0])


class Finding(NamedTuple):
    """What one check beyond the core ones says; `again` makes it once more."""

    name: str
    status: str
    stale: str
    again: str
    counts: bool
    """Whether it is missed while it decides nothing; not so what stands beside the core result."""


def verdict(core: Iterable[str], beyond: Iterable[Finding]) -> str:
    """Of the statuses of the core checks, and of what else was found."""
    core, beyond = tuple(core), tuple(beyond)
    if any(status in FAILED for status in core):
        return str(Status.FAIL)
    if any(one.status in FAILED and not one.stale for one in beyond):
        return str(Status.FAIL)
    if any(map(is_missing, core)) or any(map(is_open, beyond)):
        return INCOMPLETE
    return str(Status.PASS)


def is_missing(status: str) -> bool:
    """Whether a core check of this status has no current, full result that decides."""
    return status not in (*DECIDED, NOT_APPLICABLE)


def is_open(one: Finding) -> bool:
    """Whether it is still to be decided: it failed on what is no more, or decided nothing."""
    if one.status in FAILED:
        return bool(one.stale)
    return one.counts and one.status == Status.INCONCLUSIVE


def exit_status(verdict: str, warned: Warnings, *, strict: bool) -> int:
    """0 pass, 1 failed, 4 incomplete; a pass is 1 with `strict` and a WARN that nothing declares"""
    code = _EXITS.get(verdict, 4)
    return 1 if strict and code == 0 and warned.total > warned.declared else code


def beyond(
    suites: Iterable[Suite], core: frozenset[str], absent: Mapping[str, Need] = {}
) -> Iterator[Finding]:
    """What the suites say beside the checks `core`; `absent` is what is needed first."""

    def again(id: str, suite: Suite) -> str:
        first = need(absent, id)
        return first.command if first else suite.command

    for suite in suites:
        if suite.kind in MEASURING:
            continue
        for item in _counting(suite, core):
            counts = suite.kind != DRILL
            yield Finding(item.id, item.status, item.stale, again(item.id, suite), counts)
        # A drill may have failed by what no step of it says: it could not be healed.
        if suite.kind == DRILL or not (suite.results or suite.kind == REGRESS):
            redo = again(suite.name, suite)
            yield Finding(suite.name, suite.verdict, suite.stale, redo, False)


def _counting(suite: Suite, core: frozenset[str]) -> Iterator[Item]:
    for item in suite.results:
        if item.id not in core or (suite.kind == DRILL and suite.beside):
            yield item


def warnings(
    rows: Iterable[CoverageRow], suites: Iterable[Suite], core: frozenset[str]
) -> Warnings:
    """The WARNs that are current."""
    found = [row.declared for row in rows if row.status == Status.WARN]
    for suite in suites:
        if suite.kind not in MEASURING:
            listed = _counting(suite, core)
            found += [one.declared for one in listed if one.status == Status.WARN and not one.stale]
    return Warnings(len(found), sum(found))


# -- what is missing --------------------------------------------------------------------------


def missing_list(rows: Sequence[CoverageRow], findings: Iterable[Finding]) -> tuple[Missing, ...]:
    """What keeps the report from a verdict, by reason and by the command that brings it."""
    grouped: dict[tuple[str, str, str], list[CoverageRow]] = {}
    for row in rows:
        if row.missing:
            why = _why(row)
            grouped.setdefault((row.suite, why, row.command), []).append(row)
    found = [
        Missing(spans(row.core for row in members), tuple(row.id for row in members), why, command)
        for (_, why, command), members in grouped.items()
    ]
    opened: dict[tuple[str, str], list[str]] = {}
    for one in findings:
        if is_open(one):
            why = f"{one.status}, and stale: {one.stale}" if one.stale else f"it {UNDECIDED}"
            opened.setdefault((why, one.again), []).append(one.name)
    found += [
        Missing(_some(names), tuple(names), why, again) for (why, again), names in opened.items()
    ]
    return tuple(found)


def _why(row: CoverageRow) -> str:
    """The reason without what differs from check to check, where that can be."""
    if row.status == STALE:
        return f"stale: {row.stale}"
    if row.status in (Status.SKIPPED, Status.INCONCLUSIVE):
        return f"{row.status}: {row.reason}"
    return row.reason


def spans(numbers: Iterable[str]) -> str:
    """`Failover 1–16` of `Failover 1`, `Failover 2` …; they are of one suite, in order."""
    suite, found = "", list[list[int]]()
    for name in numbers:
        suite, _, number = name.rpartition(" ")
        at = int(number)
        if found and found[-1][1] == at - 1:
            found[-1][1] = at
        else:
            found.append([at, at])
    ranges = (str(low) if low == high else f"{low}–{high}" for low, high in found)
    return f"{suite} {', '.join(ranges)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
