"""The report as Markdown (GitHub's tables)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from devstack_tui.report import page
from devstack_tui.report.labels import verdict_text
from devstack_tui.report.model import Report
from devstack_tui.report.page import Block, Span

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def markdown(report: Report) -> str:
    """The whole report without its charts; ends with a newline."""
    lines = [line for block in page.page(report, None) for line in _block(block)]
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    """The lines of a block, and the empty one after it."""
    match block:
        case page.Heading(level, words):
            yield f"{'#' * level} {text(words)}"
        case page.Paragraph(spans):
            yield _spans(spans)
        case page.Note(words):
            yield f"> {text(words)}"
        case page.Bullets(lines):
            yield from (f"- {_spans(line)}" for line in lines)
        case page.Table():
            yield from _table(block)
        case page.CollapsedTable(title, table):
            yield f"<details><summary>{text(title)}</summary>"
            yield ""
            yield from _table(table)
            yield ""
            yield "</details>"
        case page.Figure():
            return
    yield ""


def _table(table: page.Table) -> Iterator[str]:
    yield _row(table.heads)
    yield _row("---:" if place in table.number else "---" for place, _ in enumerate(table.heads))
    yield from (_row(map(_span, row)) for row in table.rows)
    if table.foot:
        yield _row(f"**{text(cell)}**" if cell else "" for cell in table.foot)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spans(spans: Sequence[Span]) -> str:
    """One line; a verdict in it is bold."""
    return "".join(
        f"**{_span(span)}**" if span.kind == page.VERDICT else _span(span) for span in spans
    )


def _span(span: Span) -> str:
    if span.kind == page.VERDICT:
        return text(verdict_text(span.text))
    return code(span.text) if span.kind == page.CODE else text(span.text)


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
