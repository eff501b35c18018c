"""The lines of the Reports pane's tables."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.console.widgets.line_table import Column
from devstack_tui.present.cells import Cell, verdict
from devstack_tui.present.looks import GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, duration, plain
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


SUITES = (
    Column("verdict", "VERDICT", 15, 0, lambda r: verdict(r.suite.verdict)),
    Column("kind", "KIND", 7, 1, lambda r: Cell(plain(r.suite.kind), QUIET)),
    Column("name", "SUITE", 23, 0, lambda r: Cell(plain(r.suite.name), KEY)),
    Column("age", "AGE", 6, 1, lambda r: Cell(duration(r.age_s), QUIET), right=True),
    Column("figures", "FIGURES", 14, 0, lambda r: Cell(plain(r.suite.figures)), wide=True),
)

COVERAGE = (
    Column("status", "STATUS", 14, 0, lambda r: verdict(r.status)),
    Column("core", "CORE", 13, 1, lambda r: Cell(plain(r.core), KEY)),
    Column("id", "OURS", 17, 2, lambda r: Cell(plain(r.id), QUIET)),
    Column("title", "TITLE", 15, 0, lambda r: Cell(plain(r.title)), wide=True),
    Column("proven", "PROVEN", 6, 1, lambda r: Cell(*proof(r))),
)
