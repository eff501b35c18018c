"""The report of one stack, made of its history."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from devstack_tui import __version__
from devstack_tui.contracts.model import RelaxedSetting
from devstack_tui.core import codec
from devstack_tui.core.check import Headline, Status
from devstack_tui.core.history import History
from devstack_tui.core.redact import redact
from devstack_tui.report import documents
from devstack_tui.report.coverage import CatalogueCheck, coverage
from devstack_tui.report.documents import CHECK, KNOWN, MEASURING, RunDocument
from devstack_tui.report.model import Item, Report, Suite, SuiteRun
from devstack_tui.stack.basis import RESTORED

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
    now: Callable[[], float] = time.time,
) -> Report:
    """What the history of `stack` holds. `known` are the checks that exist, `secrets` are texts
    that must not appear, `headline` and `not_audited` what the checks are and what they leave out;
    `development_only` are settings in force, `unasked` services of which that is not known.
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
        what = "do not answer: their settings that are for development only are not known"
        notes.append(f"{', '.join(unasked)} {what}")
    runs.sort(key=lambda ran: ran.at, reverse=True)
    at = now()
    grouped: dict[tuple[str, str], list[RunDocument]] = {}
    for ran in runs:
        grouped.setdefault((ran.kind, ran.subject), []).append(ran)
    suites = [_suite(found, at) for found in grouped.values()]
    order = {kind: place for place, kind in enumerate(KNOWN)}
    suites.sort(key=lambda suite: (order.get(suite.kind, len(KNOWN)), suite.kind, suite.name))
    report = Report(
        stack=stack,
        at=at,
        version=__version__,
        verdict=documents.worst(s.verdict for s in suites if s.kind not in MEASURING),
        suites=tuple(suites),
        coverage=coverage(runs, known, stack),
        notes=(*notes, *history.notes),
        headline=headline,
        not_audited=dict(not_audited),
        development_only=tuple(development_only),
    )
    return redacted(report, secrets)


def _suite(runs: Sequence[RunDocument], now: float) -> Suite:
    """The last of `runs`, newest first; of an audit, every check's own last result."""
    last = runs[0]
    results, notes = last.results, last.notes
    verdict, figures, older = last.verdict, last.figures, 0
    if last.kind == CHECK:
        found: dict[str, Item] = {}
        for ran in runs:
            for item in ran.results:
                found.setdefault(item.id, item)
        if older := len(found) - len(results):
            notes = (*notes, f"{older} of the results are of earlier runs")
            results = tuple(found[name] for name in sorted(found))
            verdict = documents.worst(item.status for item in results)
    counts = documents.counted(results)
    if last.kind == CHECK:
        earlier = f"; {older:,} of them are of earlier runs" if older else ""
        figures = f"{len(results):,} checks: {documents.counts_text(counts)}{earlier}"
    return Suite(
        key=f"{last.kind} {last.subject}",
        kind=last.kind,
        name=last.subject,
        verdict=verdict,
        at=last.at,
        age_s=max(now - last.at, 0.0),
        id=last.id,
        fingerprint=last.fingerprint,
        command=last.command,
        figures=figures,
        counts=counts,
        results=results,
        notes=notes,
        history=tuple(
            SuiteRun(ran.id, ran.at, ran.verdict, ran.figures, ran.fingerprint) for ran in runs
        ),
        series=last.series,
        interval=last.interval,
    )


def strict_exit(report: Report) -> int:
    """The exit status of the last verdicts: 0 all passed, 1 one failed, 4 undecided or none."""
    return {str(Status.PASS): 0, str(Status.FAIL): 1}.get(report.verdict, 4)


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
