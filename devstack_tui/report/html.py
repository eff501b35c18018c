"""The report as one HTML page: nothing outside of it, no script, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from devstack_tui.report import page
from devstack_tui.report.labels import verdict_text
from devstack_tui.report.model import Report
from devstack_tui.report.page import Block, Span
from devstack_tui.report.style import CSS

LOOKS = {
    "is-good": ("PASS", "IMPROVED"),
    "is-warn": ("WARN", "INCONCLUSIVE", "INCOMPLETE", "STALE", "QUICK"),
    "is-bad": ("FAIL", "ERROR", "REGRESSED"),
}
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
        *map(_block, page.page(report, timelines)),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case page.Heading(level, text):
            made = f"<h{level}>{escape(text)}</h{level}>"
        case page.Paragraph(spans):
            made = f"<p>{_spans(spans)}</p>"
        case page.Note(text):
            made = f'<p class="note">{escape(text)}</p>'
        case page.Bullets(lines):
            made = "<ul>" + "".join(f"<li>{_spans(line)}</li>" for line in lines) + "</ul>"
        case page.Table():
            made = _table(block)
        case page.CollapsedTable(title, table):
            made = f"<details><summary>{escape(title)}</summary>{_table(table)}</details>"
        case page.Figure(caption, svg):
            above = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
            made = f"<figure>{above}{svg}</figure>"
    return made


def _table(table: page.Table) -> str:
    def kind(place: int) -> str:
        if place in table.number:
            return ' class="number"'
        return ' class="short"' if place in table.short else ""

    def line(cells: Iterable[str]) -> str:
        row = "".join(f"<td{kind(n)}>{cell}</td>" for n, cell in enumerate(cells))
        return f"<tr>{row}</tr>"

    top = "".join(
        f'<th scope="col"{kind(n)}>{escape(head)}</th>' for n, head in enumerate(table.heads)
    )
    bottom = f"<tfoot>{line(map(escape, table.foot))}</tfoot>" if table.foot else ""
    body = "".join(line(map(_span, row)) for row in table.rows)
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
        f"{bottom}</table></div>"
    )


def _look(word: str) -> str:
    return next((look for look, words in LOOKS.items() if word in words), "is-other")


def _spans(spans: Sequence[Span]) -> str:
    return "".join(map(_span, spans))


def _span(span: Span) -> str:
    if span.kind == page.VERDICT:
        word = span.text.partition(",")[0]
        look = "is-other" if word != span.text else _look(word)
        return f'<span class="verdict {look}">{escape(verdict_text(span.text))}</span>'
    if span.kind == page.CODE:
        return f"<code>{escape(span.text)}</code>" if span.text else ""
    text = escape(span.text)
    return f'<span title="{escape(span.hint)}">{text}</span>' if span.hint else text
