"""What the report says, block by block: its HTML and its Markdown are two renderings of this."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from devstack_tui.contracts.model import RelaxedSetting
from devstack_tui.core.check import worded
from devstack_tui.core.errors import command
from devstack_tui.core.units import age, moment
from devstack_tui.report import charts
from devstack_tui.report.labels import (
    COUNTED,
    FIRST_STEPS,
    MISSING,
    PROVEN,
    PUBLISHED,
    by_status,
    item_verdict,
    kind_title,
    loud,
    missing_text,
    proven,
    suite_figures,
    suite_verdict,
    summary,
)
from devstack_tui.report.model import Counts, Coverage, Item, Missing, Published, Report, Suite

TEXT, CODE, VERDICT = "text", "code", "verdict"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line or a cell of a table; `hint` is shown under the mouse, if there is one."""

    text: str
    kind: str = TEXT
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """Level 1 is the page's title."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Spans on one line."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A remark set apart."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of lines."""

    lines: tuple[tuple[Span, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`number` are columns of figures, `short` ones do not break; `foot` is a line of totals."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]
    number: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    foot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollapsedTable:
    """A table that is folded away until it is asked for."""

    title: str
    table: Table


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG element, which is escaped already."""

    caption: str
    svg: str


Block = Heading | Paragraph | Note | Bullets | Table | CollapsedTable | Figure


def page(report: Report, timelines: Mapping[str, str] | None) -> Iterator[Block]:
    """The whole report. `timelines` are the SVG pictures of drills by the run's id; without them
    there is no section of charts."""
    yield Heading(1, f"devstack-tui report: {report.stack}")
    yield _line(report.verdict, f"{moment(report.at)} · devstack-tui {report.version}")
    yield Paragraph((Span(summary(report)),))
    yield from map(Note, report.notes)
    yield from _missing(report.missing)
    yield from _development_only(report.development_only)
    yield Heading(2, "Last results")
    yield from _last(report) if report.suites else _first_steps(report.stack)
    yield from _coverage(report.coverage)
    yield from _published(report.published)
    yield from _not_audited(report.not_audited)
    if timelines is not None:
        yield from _charts(report.suites, timelines)
    for suite in report.suites:
        yield from _details(suite)


def _missing(found: Sequence[Missing]) -> Iterator[Block]:
    if not found:
        return
    yield Heading(2, "Missing")
    yield Paragraph((Span(MISSING),))
    yield Bullets(
        tuple(
            _row(missing_text(one), *((" → ", _code(one.command)) if one.command else ()))
            for one in found
        )
    )


def _development_only(settings: Sequence[RelaxedSetting]) -> Iterator[Block]:
    if settings:
        yield Heading(2, "For development only")
        rows = tuple(
            _row(
                _code(f"{one.service}.{one.name}"), _code(one.value), _code(one.production), one.why
            )
            for one in settings
        )
        yield Table(("Setting", "In force", "For production", "What a crash costs"), rows)


def _line(verdict: str, text: str, code: str = "") -> Paragraph:
    return Paragraph(_row(_verdict(verdict), f" · {text}", *([_code(code)] if code else [])))


def _code(text: str) -> Span:
    return Span(text, CODE)


def _verdict(text: str) -> Span:
    return Span(text, VERDICT)


def _row(*cells: str | Span) -> tuple[Span, ...]:
    return tuple(Span(cell) if isinstance(cell, str) else cell for cell in cells)


def _first_steps(stack: str) -> Iterator[Block]:
    yield Paragraph((Span("Nothing was measured or checked on this stack yet. To begin:"),))
    yield Bullets(
        tuple(
            _row(_code(command(stack, *words.split())), f": {what}") for words, what in FIRST_STEPS
        )
    )


def _last(report: Report) -> Iterator[Block]:
    heads = ("Suite", "Verdict", "Age", "Figures", "Fingerprint", "Again")
    for kind, suites in itertools.groupby(report.suites, key=lambda suite: suite.kind):
        yield Heading(3, kind_title(kind))
        rows = tuple(
            _row(
                *(one.name, _verdict(suite_verdict(one))),
                *(Span(age(one.age_s), hint=moment(one.at)), suite_figures(one)),
                *(_code(one.fingerprint), _code(one.command)),
            )
            for one in suites
        )
        yield Table(heads, rows, short=(1, 2))


def _coverage(found: Coverage) -> Iterator[Block]:
    yield Heading(2, "Coverage")
    yield from _counts("The core checks", found.core_counts)
    yield from _counts("Beyond the core checks", found.beyond)
    yield Paragraph((Span(COUNTED),))
    yield Heading(3, "The core checks one by one")
    rows = tuple(
        _row(
            *(row.core, _code(row.id), row.title, _verdict(worded(row))),
            *(proven(row), "" if row.status == "PASS" else row.reason),
        )
        for row in found.core
    )
    heads = ("Core", "Ours", "Title", "Status", "Proven", "Reason")
    yield Table(heads, rows, short=(0, 3, 4))
    yield Paragraph((Span(PROVEN),))
    reasons: dict[str, list[str]] = {}
    for one in found.core:
        if proven(one) == "explained":
            reasons.setdefault(one.explained, []).append(one.core)
    yield Bullets(tuple(_row(f"{', '.join(of)}: {why}.") for why, of in reasons.items()))


def _counts(title: str, counts: Sequence[Counts]) -> Iterator[Block]:
    if not counts:
        return
    yield Heading(3, title)
    yield Figure("", charts.status_chart(counts))
    rows = tuple(
        _row(one.suite, *(f"{number:,}" for number in _figures(one)), by_status(one.by_status))
        for one in counts
    )
    totals = map(sum, zip(*map(_figures, counts), strict=True))
    foot = ("all", *(f"{total:,}" for total in totals), "")
    heads = ("Suite", "Kinds", "Kinds proven", "Instances", "Broken themselves", "Last status")
    yield Table(heads, rows, number=(1, 2, 3, 4), foot=foot)


def _figures(one: Counts) -> tuple[int, ...]:
    return one.kinds, one.kinds_proven, one.total, one.proven


def _published(found: Sequence[Published]) -> Iterator[Block]:
    if not found:
        return
    yield Heading(2, "Published throughputs")
    yield Paragraph((Span(PUBLISHED),))
    rows = tuple(
        _row(
            _code(one.workload),
            f"{one.published:,.0f} {one.unit}",
            "none" if one.baseline is None else f"{one.baseline:,.0f} {one.unit}",
        )
        for one in found
    )
    yield Table(("Workload", "Published", "This host's baseline"), rows, number=(1, 2))


def _not_audited(found: Mapping[str, Sequence[str]]) -> Iterator[Block]:
    if not found:
        return
    yield Heading(2, "Not audited")
    yield Paragraph((Span("A green audit says nothing about what is listed here."),))
    yield Bullets(
        tuple(_row(f"{whose}: {one}") for whose, listed in found.items() for one in listed)
    )


def _charts(suites: Sequence[Suite], timelines: Mapping[str, str]) -> Iterator[Block]:
    compared = [(one.name, one.verdict, one.interval) for one in suites if one.interval]
    figures = [
        Figure(f"{one.name}, {moment(one.at)}", timelines[one.id])
        for one in suites
        if one.id in timelines
    ]
    if compared:
        chart = charts.interval_chart(compared)
        figures.append(Figure("B ÷ A, 95 % intervals; a tick is a pair", chart))
    figures += [
        Figure(
            f"{one.name}: {one.figures}" + (" (that run is drawn)" if one.runs > 1 else ""),
            charts.series_chart(one.name, one.series),
        )
        for one in suites
        if one.series is not None
    ]
    if figures:
        yield Heading(2, "Charts")
        yield from figures


def _details(suite: Suite) -> Iterator[Block]:
    if not (suite.results or suite.notes or len(suite.history) > 1):
        return
    yield Heading(2, f"{kind_title(suite.kind)}: {suite.name}")
    yield _line(suite.verdict, f"{moment(suite.at)} · run ", suite.id)
    yield from map(Note, suite.notes)
    if suite.stale:
        yield Note(f"stale: {suite.stale}")
    if suite.beside:
        yield Note(suite.beside)
    if failed := loud(suite.results):
        heads = ("Check", "Title", "Status", "Evidence", "Remedy")
        yield Table(heads, _rows(failed), short=(2,))
    for status, word in (("SKIPPED", "skipped"), ("PASS", "passed")):
        if quiet := [item for item in suite.results if item.status == status]:
            table = Table(("Check", "Title", "Status", "Evidence"), _rows(quiet, 4), short=(2,))
            yield CollapsedTable(f"{len(quiet):,} {word}", table)
    if len(suite.history) > 1:
        yield CollapsedTable(f"The last {len(suite.history)} runs", _past(suite))


def _rows(items: Iterable[Item], columns: int = 5) -> tuple[tuple[Span, ...], ...]:
    return tuple(
        _row(_code(one.id), one.title, _verdict(item_verdict(one)), one.evidence, one.remedy)[
            :columns
        ]
        for one in items
    )


def _past(suite: Suite) -> Table:
    rows = tuple(
        _row(
            *(moment(one.at), _code(one.id), _verdict(one.verdict)),
            *(one.figures, _code(one.fingerprint)),
        )
        for one in suite.history
    )
    return Table(("When", "Run", "Verdict", "Figures", "Fingerprint"), rows, short=(0, 2))
