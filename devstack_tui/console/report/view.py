"""What the Reports pane shows: sentences and rows, of the report that was read last."""

from __future__ import annotations

from textual.content import Content

from devstack_tui.console.report.rows import SuiteStatus
from devstack_tui.present.cells import verdict
from devstack_tui.present.text import plain
from devstack_tui.report.model import CoverageRow, Report, Suite
from devstack_tui.report.verdict import FAILED

FILTERS = ("all", "missing", "failed", "not proven")


class ReportView:
    """The report and the user's filters."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self.trouble = ""
        self.search = ""
        self.status = FILTERS[0]

    @property
    def filtered(self) -> bool:
        """Whether anything may be hidden."""
        return bool(self.search) or self.status != FILTERS[0]

    def clear(self) -> None:
        """Show everything."""
        self.search, self.status = "", FILTERS[0]

    def next_status(self) -> None:
        """The next filter of the coverage."""
        self.status = FILTERS[(FILTERS.index(self.status) + 1) % len(FILTERS)]

    def suite(self, key: str | None) -> Suite | None:
        """A suite by its row."""
        found = self.report.suites if self.report else ()
        return next((suite for suite in found if suite.key == key), None)

    def check(self, id: str | None) -> CoverageRow | None:
        """One of the core checks by its row."""
        found = self.report.coverage.core if self.report else ()
        return next((row for row in found if row.id == id), None)

    def suites(self, now: float) -> dict[str, SuiteStatus]:
        """The last results that the words match."""
        found = self.report.suites if self.report else ()
        return {
            suite.key: SuiteStatus(suite, max(now - suite.at, 0.0))
            for suite in found
            if self._matches(suite.kind, suite.name, suite.verdict, suite.figures)
        }

    def coverage(self) -> dict[str, CoverageRow]:
        """The core checks that the filters let through."""
        found = self.report.coverage.core if self.report else ()
        return {
            row.id: row
            for row in found
            if self._wanted(row)
            and self._matches(row.core, row.id, row.title, row.status, row.reason)
        }

    def _wanted(self, row: CoverageRow) -> bool:
        match self.status:
            case "failed":
                return row.status in FAILED
            case "missing":
                return row.missing
            case "not proven":
                return not (row.proven or row.kind_proven)
        return True

    def _matches(self, *texts: str) -> bool:
        text = " ".join(texts).lower()
        return all(word in text for word in self.search.lower().split())

    def summary(self) -> Content:
        """One line about all of it."""
        if self.trouble:
            return Content.styled(f" ✗ {plain(self.trouble)}", "$text-error")
        if self.report is None:
            return Content.styled(" … reading the history", "$foreground 60%")
        report = self.report
        if not report.suites and report.notes:
            return Content.styled(f" ▲ {plain(report.notes[0])}", "$text-warning")
        if not report.suites:
            return Content.styled(
                " Nothing was measured or checked yet: the other tabs do that", "$foreground 60%"
            )
        rows = report.coverage.core
        styles = {"PASS": "$text-success", "FAIL": "$text-error"}
        left = sum(row.missing for row in rows)
        detail = f"   {sum(row.status == 'PASS' for row in rows)}/{len(rows)} core checks PASS"
        detail += f" · {left} missing: b says what" if left else ""
        detail += f" · {report.headline}" if report.headline and not report.missing else ""
        notes = f" · ▲ {plain(report.notes[0])}" if report.notes else ""
        return Content.assemble(
            Content.styled(
                f" {verdict(report.verdict).text}", styles.get(report.verdict, "$text-warning")
            ),
            Content(detail),
            Content.styled(notes, "$text-warning"),
        )

    def filters(self) -> str:
        """The filters in words."""
        parts = [] if self.status == FILTERS[0] else [self.status]
        parts += [f"/ {plain(self.search)}"] if self.search else []
        return " · ".join(parts)
