"""The report as one HTML page: nothing outside of it, no script, every text escaped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from devstack_tui.report import charts
from devstack_tui.report.documents import command
from devstack_tui.report.labels import (
    FIRST_STEPS,
    age,
    by_status,
    glyph,
    kind_title,
    loud,
    proven,
    summary,
    when,
)
from devstack_tui.report.model import Coverage, Item, Report, Suite
from devstack_tui.report.style import CSS

GOOD = ("PASS", "IMPROVED")
WARN = ("WARN", "INCONCLUSIVE")
BAD = ("FAIL", "ERROR", "REGRESSED")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page may load nothing and run nothing, whatever is in it."""


def html(report: Report, timelines: Mapping[str, str]) -> str:
    """The whole page. `timelines` are pictures of drills: SVG elements by the run's id, already
    escaped and free of secrets."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>devstack-tui report: {escape(report.stack)}</title>",
        f"<style>{CSS}</style>",
        "</head>",
        "<body>",
        *_head(report),
        *_last(report),
        *_coverage(report.coverage),
        *_charts(report, timelines),
        *_details(report),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield "<header>"
    yield f"<h1>Stack {escape(report.stack)}</h1>"
    version = f"devstack-tui {escape(report.version)}"
    yield f"<p>{_verdict(report.verdict)} · {when(report.at)} · {version}</p>"
    yield f"<p>{escape(summary(report))}</p>"
    for note in report.notes:
        yield f'<p class="note">{escape(note)}</p>'
    yield "</header>"


def _last(report: Report) -> Iterator[str]:
    yield '<section id="last"><h2>Last results</h2>'
    if not report.suites:
        yield "<p>Nothing was measured or checked on this stack yet. To begin:</p><ul>"
        for words, what in FIRST_STEPS:
            again = command(report.stack, *words.split())
            yield f"<li>{_code(again)}: {escape(what)}</li>"
        yield "</ul>"
    for kind, suites in itertools.groupby(report.suites, key=lambda suite: suite.kind):
        yield f"<h3>{escape(kind_title(kind))}</h3>"
        rows = [
            (
                escape(suite.name),
                _verdict(suite.verdict),
                f'<span title="{when(suite.at)}">{age(suite.age_s)}</span>',
                escape(suite.figures),
                _code(suite.fingerprint),
                _code(suite.command),
            )
            for suite in suites
        ]
        heads = ("Suite", "Verdict", "Age", "Figures", "Fingerprint", "Again")
        yield _table(heads, rows, short=(1, 2))
    yield "</section>"


def _coverage(found: Coverage) -> Iterator[str]:
    yield '<section id="coverage"><h2>Coverage</h2>'
    for title, counts in (
        ("The core checks", found.core_counts),
        ("Beyond the core checks", found.beyond),
    ):
        if not counts:
            continue
        yield f"<h3>{escape(title)}</h3><figure>{charts.status_chart(counts)}</figure>"
        grouped = [
            (
                escape(one.suite),
                f"{one.total:,}",
                f"{one.proven:,}",
                escape(by_status(one.by_status)),
            )
            for one in counts
        ]
        total = (
            "all",
            f"{sum(one.total for one in counts):,}",
            f"{sum(one.proven for one in counts):,}",
            "",
        )
        heads = ("Suite", "Checks", "Proven", "Last status")
        yield _table(heads, grouped, number=(1, 2), foot=total)
    yield "<h3>The core checks one by one</h3>"
    rows = [
        (
            escape(row.core),
            _code(row.id),
            escape(row.title),
            _verdict(row.status),
            proven(row.proven, row.seen_red),
            "" if row.status == "PASS" else escape(row.reason),
        )
        for row in found.core
    ]
    columns = ("Core", "Ours", "Title", "Status", "Proven", "Reason")
    yield _table(columns, rows, short=(0, 3, 4))
    yield "</section>"


def _charts(report: Report, timelines: Mapping[str, str]) -> Iterator[str]:
    drills = [suite for suite in report.suites if suite.id in timelines]
    compared = [
        (suite.name, suite.verdict, suite.interval)
        for suite in report.suites
        if suite.interval is not None
    ]
    measured = [(suite, suite.series) for suite in report.suites if suite.series is not None]
    if not (drills or compared or measured):
        return
    yield '<section id="charts"><h2>Charts</h2>'
    for suite in drills:
        yield _figure(f"{suite.name}, {when(suite.at)}", timelines[suite.id])
    if compared:
        yield _figure("B ÷ A, 95 % intervals; a tick is a pair", charts.interval_chart(compared))
    for suite, series in measured:
        yield _figure(f"{suite.name}: {suite.figures}", charts.series_chart(suite.name, series))
    yield "</section>"


def _details(report: Report) -> Iterator[str]:
    for suite in report.suites:
        yield "<section>"
        yield f"<h2>{escape(kind_title(suite.kind))}: {escape(suite.name)}</h2>"
        told = f"{_verdict(suite.verdict)} · {when(suite.at)} · run {_code(suite.id)}"
        yield f"<p>{told}</p>"
        for note in suite.notes:
            yield f'<p class="note">{escape(note)}</p>'
        quiet = [item for item in suite.results if item.status == "PASS"]
        if failed := loud(suite.results):
            yield _results(failed)
        if quiet:
            yield f"<details><summary>{len(quiet):,} passed</summary>{_results(quiet)}</details>"
        if len(suite.history) > 1:
            count = f"The last {len(suite.history)} runs"
            yield f"<details><summary>{count}</summary>{_past(suite)}</details>"
        yield "</section>"


def _results(items: Iterable[Item]) -> str:
    rows = [
        (
            _code(item.id),
            escape(item.title),
            _verdict(item.status),
            escape(item.evidence),
            escape(item.remedy),
        )
        for item in items
    ]
    return _table(("Check", "Title", "Status", "Evidence", "Remedy"), rows, short=(2,))


def _past(suite: Suite) -> str:
    rows = [
        (
            when(one.at),
            _code(one.id),
            _verdict(one.verdict),
            escape(one.figures),
            _code(one.fingerprint),
        )
        for one in suite.history
    ]
    return _table(("When", "Run", "Verdict", "Figures", "Fingerprint"), rows, short=(0, 2))


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    number: Sequence[int] = (),
    short: Sequence[int] = (),
    foot: Sequence[str] = (),
) -> str:
    """The cells are HTML already. `number` are columns of figures, `short` ones do not break."""

    def kind(place: int) -> str:
        if place in number:
            return ' class="number"'
        return ' class="short"' if place in short else ""

    def line(row: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<td{kind(n)}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>"

    top = "".join(f'<th scope="col"{kind(n)}>{escape(head)}</th>' for n, head in enumerate(heads))
    bottom = f"<tfoot>{line(foot)}</tfoot>" if foot else ""
    body = "".join(map(line, rows))
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
        f"{bottom}</table></div>"
    )


def _figure(caption: str, picture: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>"


def _verdict(verdict: str) -> str:
    look = "is-other"
    for name, words in (("is-good", GOOD), ("is-warn", WARN), ("is-bad", BAD)):
        if verdict in words:
            look = name
    return f'<span class="verdict {look}">{escape(glyph(verdict))}</span>'


def _code(value: str) -> str:
    return f"<code>{escape(value)}</code>" if value else ""
