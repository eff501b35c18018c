"""The lines of the Reports pane's tables."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.console.widgets.line_table import Column
from devstack_tui.present.cells import Cell, verdict
from devstack_tui.present.looks import GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, duration, plain
from devstack_tui.report.labels import suite_figures
from devstack_tui.report.model import CoverageRow, Suite


@dataclass(frozen=True, slots=True)
class SuiteStatus:
    """A suite with its last result, and how old that is (seconds)."""

    suite: Suite
    age_s: float


def proof(row: CoverageRow) -> tuple[str, str]:
    """Whether the check is known to be able to fail, and the look of that."""
    if row.proven:
        return "◆ yes", GOOD
    if row.kind_proven:
        return "◈ kind", GOOD
    if row.seen_red:
        return "◇ seen", ""
    if row.explained:
        return "◇ why", QUIET
    return (BLANK, QUIET) if row.proven is None else ("◇ no", WARN)


def _status(row: CoverageRow) -> Cell:
    cell = verdict(row.status)
    return Cell(cell.text, QUIET) if row.declared else cell


def _verdict(row: SuiteStatus) -> Cell:
    # That it is stale stands before its figures.
    cell = verdict(row.suite.verdict)
    return Cell(cell.text, QUIET) if row.suite.stale else cell


def _figures(row: SuiteStatus) -> Cell:
    return Cell(plain(suite_figures(row.suite)), QUIET if row.suite.stale else "")


SUITES = (
    Column("verdict", "VERDICT", 15, 0, _verdict),
    Column("kind", "KIND", 7, 1, lambda r: Cell(plain(r.suite.kind), QUIET)),
    Column("name", "SUITE", 23, 0, lambda r: Cell(plain(r.suite.name), KEY)),
    Column("age", "AGE", 6, 1, lambda r: Cell(duration(r.age_s), QUIET), right=True),
    Column(
        "figures",
        "FIGURES",
        14,
        0,
        _figures,
        wide=True,
    ),
)

COVERAGE = (
    Column("status", "STATUS", 14, 0, _status),
    Column("core", "CORE", 13, 1, lambda r: Cell(plain(r.core), KEY)),
    Column("id", "OURS", 17, 2, lambda r: Cell(plain(r.id), QUIET)),
    Column("title", "TITLE", 15, 0, lambda r: Cell(plain(r.title)), wide=True),
    Column("proven", "PROVEN", 6, 1, lambda r: Cell(*proof(r))),
)
