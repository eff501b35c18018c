"""What the Reports pane opens: a suite with its history, one check, the counts by suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from devstack_tui.console.report.rows import proof
from devstack_tui.console.screens.sheet import Ink
from devstack_tui.core.check import counts_text, worded
from devstack_tui.core.units import moment
from devstack_tui.present.cells import verdict
from devstack_tui.present.looks import QUIET, WARN
from devstack_tui.present.text import BLANK, plain, when
from devstack_tui.report.labels import MISSING, item_verdict, loud, missing_text, suite_verdict
from devstack_tui.report.model import Counts, CoverageRow, Item, Missing, Report, Suite


def suite_sheet(suite: Suite, ink: Ink) -> RenderableType:
    """The last result, every run that is kept, then what did not pass."""
    cell = verdict(suite_verdict(suite))
    head = Text.assemble(
        (cell.text, ink(cell.look)),
        f"  {plain(suite.figures)}\n",
        (f"run {plain(suite.id)}", ink(QUIET)),
    )
    if suite.fingerprint:
        head.append(f"  fingerprint {plain(suite.fingerprint)}", ink(QUIET))
    why = [f"stale: {suite.stale}"] if suite.stale else []
    for note in (*why, *filter(None, [suite.beside]), *suite.notes):
        head.append(f"\n▲ {plain(note)}", ink(WARN))
    head.append(f"\n→ {plain(suite.command)}", "bold")
    count = len(suite.history)
    runs = Text(f"\nthe last {count} runs" if count > 1 else "\nthe only run", ink(QUIET))
    parts: list[RenderableType] = [head, runs, _history(suite, ink)]
    if failed := loud(suite.results):
        parts += [Text(f"\n{counts_text(failed)}", ink(QUIET)), _items(failed, ink)]
    if skipped := [item for item in suite.results if item.status == "SKIPPED"]:
        parts += [Text(f"\n{len(skipped)} SKIPPED", ink(QUIET)), _items(skipped, ink)]
    return Group(*parts)


def check_sheet(row: CoverageRow, ink: Ink) -> RenderableType:
    """One of the core checks: what decided it, and whether it can fail."""
    cell, (proven, look) = verdict(worded(row)), proof(row)
    text = Text.assemble(
        (cell.text, ink(cell.look)), f"  {plain(row.title)}\n", (f"{plain(row.id)}\n", ink(QUIET))
    )
    text.append(f"\n{plain(row.reason)}\n")
    text.append(f"\nproven by sabotage: {proven}", ink(look))
    if row.explained and not row.proven:
        text.append(f"\n{plain(row.explained)}", ink(QUIET))
    if row.seen_red:
        text.append(f"\nseen to fail here: {moment(row.seen_red)}")
    if row.at:
        text.append(f"\nlast result: {moment(row.at)}", ink(QUIET))
    if row.command:
        text.append(f"\n\n→ {plain(row.command)}", "bold")
    return text


def coverage_sheet(report: Report, ink: Ink) -> RenderableType:
    """What is missing, then theirs and ours by suite."""
    coverage = report.coverage
    return Group(
        *_missing(report.missing, ink),
        Text("The core checks", "bold"),
        _counts(coverage.core_counts, ink),
        Text("\nBeyond the core checks", "bold"),
        _counts(coverage.beyond, ink)
        if coverage.beyond
        else Text("none is known on this stack", ink(QUIET)),
    )


def _missing(found: Sequence[Missing], ink: Ink) -> Iterator[RenderableType]:
    if found:
        yield Text("Missing", "bold")
        yield Text(MISSING, ink(QUIET))
    for one in found:
        text = Text(f"◐ {plain(missing_text(one))}")
        yield text.append(f"\n  → {plain(one.command)}" if one.command else "", ink(QUIET))
    if found:
        yield Text()


def _counts(rows: Sequence[Counts], ink: Ink) -> Table:
    table = _table(("SUITE", "KINDS", "PROVEN", "INSTANCES", "LAST STATUS"), ink, right=(1, 2, 3))
    for row in rows:
        summary = ", ".join(f"{count:,} {plain(name)}" for name, count in row.by_status.items())
        # What no catalogue has, such as a drill's steps, is of no kind.
        kinds = (f"{row.kinds:,}", f"{row.kinds_proven:,}") if row.kinds else (BLANK, BLANK)
        table.add_row(plain(row.suite), *kinds, f"{row.total:,}", summary or BLANK)
    each = [(row.kinds, row.kinds_proven, row.total) for row in rows]
    sums = (f"{sum(numbers):,}" for numbers in zip(*each, strict=True))
    table.add_row(Text("all", "bold"), *(Text(number, "bold") for number in sums), "")
    return table


def _items(items: Iterable[Item], ink: Ink) -> Table:
    table = _table(("VERDICT", "CHECK", "EVIDENCE"), ink)
    for item in items:
        cell = verdict(item_verdict(item))
        summary = Text(f"{plain(item.title)}: {plain(item.evidence)}")
        if item.remedy:
            summary.append(f"\n→ {plain(item.remedy)}", ink(QUIET))
        table.add_row(Text(cell.text, ink(cell.look)), Text(plain(item.id)), summary)
    return table


def _history(suite: Suite, ink: Ink) -> Table:
    table = _table(("WHEN", "VERDICT", "FIGURES"), ink)
    for past in suite.history:
        cell = verdict(past.verdict)
        table.add_row(when(past.at), Text(cell.text, ink(cell.look)), Text(plain(past.figures)))
    return table


def _table(heads: Sequence[str], ink: Ink, right: Sequence[int] = ()) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    last = len(heads) - 1
    for place, _ in enumerate(heads):
        justify = "right" if place in right else "left"
        table.add_column(
            justify=justify,  # type: ignore[arg-type]
            no_wrap=place < last,
            ratio=1 if place == last else None,
            overflow="fold",
        )
    table.add_row(*(Text(head, ink(QUIET)) for head in heads))
    return table
