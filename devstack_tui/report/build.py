"""The report of one stack, made of its history."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from devstack_tui import __version__
from devstack_tui.contracts.model import RelaxedSetting
from devstack_tui.core import codec
from devstack_tui.core.check import Headline, counts_text
from devstack_tui.core.errors import command
from devstack_tui.core.history import History
from devstack_tui.core.redact import redact
from devstack_tui.report import documents, verdict
from devstack_tui.report.coverage import CatalogueCheck, coverage
from devstack_tui.report.documents import CHECK, KNOWN, RunDocument
from devstack_tui.report.model import (
    NOT_APPLICABLE,
    CoverageRow,
    Item,
    Published,
    Report,
    Suite,
    SuiteRun,
)
from devstack_tui.report.staleness import Ages
from devstack_tui.report.verdict import Need
from devstack_tui.stack.basis import NOTHING_RUNS, RESTORED, Basis, Currency, restorations

LOOKED_AT = 30
"""Runs of one subject: the newest is shown, the others are its history."""
T = TypeVar("T")


def build(
    history: History,
    stack: str,
    *,
    known: Sequence[CatalogueCheck] = (),
    secrets: frozenset[str] = frozenset(),
    headline: Headline | None = None,
    not_audited: Mapping[str, tuple[str, ...]] = {},
    development_only: Sequence[RelaxedSetting] = (),
    unasked: Sequence[str] = (),
    rests: Basis | None = None,
    about: Mapping[str, frozenset[str]] = {},
    inapplicable: Mapping[str, str] = {},
    absent: Mapping[str, Need] = {},
    published: Sequence[Published] = (),
    now: Callable[[], float] = time.time,
) -> Report:
    """What the history of `stack` holds. `known` are the checks that exist, `secrets` are texts
    that must not appear, `headline` and `not_audited` what the checks are and what they leave out;
    `development_only` are settings in force, `unasked` services of which that is not known;
    `rests` is what results of now rest on, `about` the services of a check, `inapplicable` why
    checks do not apply here, `absent` what checks, or all of a service, need first.
    Raises `DevstackError` when the history cannot be read."""
    notes: list[str] = []
    runs: list[RunDocument] = []
    for kind, name in history.subjects():
        if kind == RESTORED:
            continue
        unread = 0
        for row in history.list(kind, name, LOOKED_AT):
            try:
                runs += documents.read(row, stack)
            except ValueError:
                unread += 1
        if unread:
            what = f"{kind} {name}".strip()
            notes.append(f"{unread} of the last runs of {what} cannot be read: left out")
    if unasked:
        one = len(unasked) == 1
        what = f"{'does' if one else 'do'} not answer: {'its' if one else 'their'} settings"
        notes.append(f"{', '.join(unasked)} {what} that are for development only are not known")
    runs.sort(key=lambda ran: ran.at, reverse=True)
    at = now()
    grouped: dict[tuple[str, str], list[RunDocument]] = {}
    for ran in runs:
        grouped.setdefault((ran.kind, ran.subject), []).append(ran)
    ages = Ages(Currency(rests, restorations(history)), about)
    suites = [_suite(found, at, ages) for found in grouped.values()]
    order = {kind: place for place, kind in enumerate(KNOWN)}
    suites.sort(key=lambda suite: (order.get(suite.kind, len(KNOWN)), suite.kind, suite.name))
    if rests is not None and not any(one.units for one in rests.services.values()):
        notes.append(f"{NOTHING_RUNS}: `{command(stack, 'up')}`")
    covered = coverage(runs, known, stack, ages, inapplicable=inapplicable, absent=absent)
    findings = tuple(verdict.beyond(suites, documents.CORE, absent))
    report = Report(
        stack=stack,
        at=at,
        version=__version__,
        verdict=verdict.verdict((row.status for row in covered.core), findings),
        suites=tuple(suites),
        coverage=covered,
        notes=(*history.notes, *notes),
        headline=headline,
        not_audited=dict(not_audited),
        development_only=tuple(development_only),
        missing=verdict.missing_list(covered.core, findings),
        inapplicable=_inapplicable(covered.core),
        published=tuple(published),
        warnings=verdict.warnings(covered.core, suites, documents.CORE),
    )
    return redacted(report, secrets)


def _inapplicable(rows: Sequence[CoverageRow]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if row.status == NOT_APPLICABLE:
            found[row.reason] = (*found.get(row.reason, ()), row.id)
    return found


def _suite(runs: Sequence[RunDocument], now: float, ages: Ages) -> Suite:
    """The last of `runs`, newest first; of an audit, every check's own last result."""
    last = runs[0]
    made = _audit(runs, ages) if last.kind == CHECK else _last(runs, ages)
    return Suite(
        key=f"{last.kind} {last.subject}",
        kind=last.kind,
        name=last.subject,
        at=last.at,
        age_s=max(now - last.at, 0.0),
        id=last.id,
        fingerprint=last.fingerprint,
        command=last.command,
        history=tuple(
            SuiteRun(ran.id, ran.at, ran.verdict, ran.figures, ran.fingerprint) for ran in runs
        ),
        interval=last.interval,
        beside=last.beside,
        **made,
    )


def _audit(runs: Sequence[RunDocument], ages: Ages) -> dict[str, Any]:
    """Every check by its own last result, whichever run made it."""
    found: dict[str, Item] = {}
    for ran in runs:
        for item in ran.results:
            if item.id not in found:
                found[item.id] = ages.aged(ran, item)
    notes, results = runs[0].notes, tuple(found[item.id] for item in runs[0].results)
    earlier = ""
    if older := len(found) - len(results):
        notes = (*notes, f"{older} of the results are of earlier runs")
        earlier = f"; {older:,} of them are of earlier runs"
        results = tuple(found[name] for name in sorted(found))
    aged = [one.stale for one in results if one.stale]
    stale = "; ".join(dict.fromkeys(reason for one in aged for reason in one.split("; ")))
    if stale and len(aged) < len(results):
        stale = f"{len(aged):,} of {len(results):,}: {stale}"
    return {
        "verdict": documents.worst(item.status for item in results),
        "figures": f"{len(results):,} checks: {counts_text(results)}{earlier}",
        "counts": documents.counted(results),
        "results": results,
        "notes": notes,
        "stale": stale,
    }


def _last(runs: Sequence[RunDocument], ages: Ages) -> dict[str, Any]:
    """The last run; of a benchmark, the median of the runs that were made with it."""
    last, together = runs[0], documents.made_together(runs)
    shown = documents.median(together)
    results = tuple(ages.aged(last, item) for item in last.results)
    return {
        "verdict": last.verdict,
        "figures": documents.median_figures(together),
        "counts": documents.counted(results),
        "results": results,
        "notes": last.notes,
        "series": shown.series,
        "runs": len(together),
        "stale": ages.of(last),
    }


def exit_status(report: Report, *, strict: bool = False) -> int:
    """0 PASS, 1 FAIL, 4 INCOMPLETE; with `strict` a WARN that nothing declares makes a 0 a 1."""
    return verdict.exit_status(report.verdict, report.warnings, strict=strict)


def redacted(document: T, secrets: frozenset[str]) -> T:
    """The document with every text of it free of secrets, before any face quotes or escapes it."""

    def walk(value: object) -> object:
        if isinstance(value, str):
            return redact(value, secrets)
        if isinstance(value, dict):
            return {walk(key): walk(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [walk(one) for one in value]
        return value

    return codec.convert(walk(msgspec.to_builtins(document)), type(document))
