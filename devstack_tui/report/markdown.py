"""The report as Markdown (GitHub's tables)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

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
from devstack_tui.report.model import Item, Report, Suite

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def markdown(report: Report) -> str:
    """The whole report; ends with a newline."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# devstack-tui report: {text(report.stack)}"
    yield ""
    yield f"**{glyph(report.verdict)}** · {when(report.at)} · devstack-tui {text(report.version)}"
    yield ""
    yield summary(report)
    for note in report.notes:
        yield ""
        yield f"> {text(note)}"
    yield ""
    yield "## Last results"
    yield ""
    if report.suites:
        yield from _suites(report.suites)
    else:
        yield from _empty(report.stack)
    yield from _coverage(report)
    for suite in report.suites:
        if suite.results or suite.notes:
            yield from _details(suite)


def _empty(stack: str) -> Iterator[str]:
    yield "Nothing was measured or checked on this stack yet. To begin:"
    yield ""
    for words, what in FIRST_STEPS:
        yield f"- {code(command(stack, *words.split()))}: {what}"
    yield ""


def _suites(suites: Sequence[Suite]) -> Iterator[str]:
    for kind, found in itertools.groupby(suites, key=lambda suite: suite.kind):
        yield f"### {text(kind_title(kind))}"
        yield ""
        rows = [
            (
                text(suite.name),
                glyph(suite.verdict),
                age(suite.age_s),
                text(suite.figures),
                code(suite.fingerprint),
                code(suite.command),
            )
            for suite in found
        ]
        yield from table(("Suite", "Verdict", "Age", "Figures", "Fingerprint", "Again"), rows)


def _coverage(report: Report) -> Iterator[str]:
    found = report.coverage
    yield "## Coverage"
    yield ""
    heads = ("Suite", "Checks", "Proven", "Last status")
    for title, counts in (
        ("The core checks", found.core_counts),
        ("Beyond the core checks", found.beyond),
    ):
        if not counts:
            continue
        yield f"### {title}"
        yield ""
        grouped = [
            (text(one.suite), f"{one.total:,}", f"{one.proven:,}", text(by_status(one.by_status)))
            for one in counts
        ]
        total = sum(one.total for one in counts), sum(one.proven for one in counts)
        grouped.append(("**all**", f"**{total[0]:,}**", f"**{total[1]:,}**", ""))
        yield from table(heads, grouped, right=(1, 2))
    yield "### The core checks one by one"
    yield ""
    rows = [
        (
            text(row.core),
            code(row.id),
            text(row.title),
            glyph(row.status),
            proven(row.proven, row.seen_red),
            "" if row.status == "PASS" else text(row.reason),
        )
        for row in found.core
    ]
    yield from table(("Core", "Ours", "Title", "Status", "Proven", "Reason"), rows)


def _details(suite: Suite) -> Iterator[str]:
    yield f"## {text(kind_title(suite.kind))}: {text(suite.name)}"
    yield ""
    yield f"**{glyph(suite.verdict)}** · {when(suite.at)} · run {code(suite.id)}"
    yield ""
    for note in suite.notes:
        yield f"> {text(note)}"
        yield ""
    quiet = [item for item in suite.results if item.status == "PASS"]
    if failed := loud(suite.results):
        yield from table(("Check", "Title", "Status", "Evidence", "Remedy"), map(_item, failed))
    if quiet:
        yield f"<details><summary>{len(quiet):,} passed</summary>"
        yield ""
        rows = [(*_item(item)[:2], *_item(item)[3:4]) for item in quiet]
        yield from table(("Check", "Title", "Evidence"), rows)
        yield "</details>"
        yield ""


def _item(item: Item) -> tuple[str, ...]:
    return (
        code(item.id),
        text(item.title),
        glyph(item.status),
        text(item.evidence),
        text(item.remedy),
    )


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> Iterator[str]:
    """A table and the empty line after it; its cells are escaped already."""
    yield f"| {' | '.join(heads)} |"
    rule = ("---:" if place in right else "---" for place, _ in enumerate(heads))
    yield f"| {' | '.join(rule)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def text(value: str) -> str:
    """`value` on one line, as it is: no sign of it is Markdown, HTML, or steers a terminal."""
    return _SPECIAL.sub(r"\\\1", _UNSAFE.sub(" ", value))


def code(value: str) -> str:
    """`value` as code that stays inside its cell."""
    plain = _UNSAFE.sub(" ", value).replace("|", "\\|")
    if not plain.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
