"""Security: suites with their counts, the checks with their results, and the evidence of one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import DataTable, Input

from devstack_tui.console.job_line import JobLine, is_bad
from devstack_tui.console.job_pane import JobPane
from devstack_tui.console.keys import bindings
from devstack_tui.console.screens.save import SaveScreen
from devstack_tui.console.screens.sheet import SheetScreen
from devstack_tui.console.security.export import FORMS, save
from devstack_tui.console.security.job import AuditJob, AuditJobs, AuditRequest
from devstack_tui.console.security.matrix_screen import AccessMatrixScreen
from devstack_tui.console.security.progress import audit_line
from devstack_tui.console.security.rows import BRANCHES, CHECKS
from devstack_tui.console.security.view import SecurityView
from devstack_tui.console.tuning.detail import FactPanel, fact_table
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain

SOON_S = 0.06
AMPLE = 160
"""From this width on the tree has all of its columns."""


class SecurityPane(JobPane):
    """Decides what is shown of the checks."""

    BINDINGS = bindings("security")
    BEAT_S = 0.2
    TITLE = "Security"
    jobs: AuditJobs
    view: SecurityView

    def __init__(self, id: str = "security") -> None:
        super().__init__(id=id)

    def compose(self) -> ComposeResult:
        yield JobLine(id="security-progress")
        with Container(id="security-grid"):
            with Vertical(id="security-tree", classes="bottom"):
                yield LineTable("suites", BRANCHES)
            with Vertical(id="security-list", classes="bottom"):
                yield Input(id="security-filter", placeholder="search", compact=True)
                yield LineTable("checks", CHECKS)
            with Vertical(id="security-detail", classes="bottom"):
                yield FactPanel("check-facts")

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= AMPLE, "-ample")

    def setup(self) -> None:
        """Make the jobs and the view."""
        self.jobs = AuditJobs(self.owner.runner, self.owner.now)
        self.view = SecurityView(self.jobs)
        self._soon = self.set_timer(SOON_S, self._draw_list)

    @property
    def suites(self) -> LineTable:
        """The tree."""
        return self.query_one("#suites", LineTable)

    @property
    def checks(self) -> LineTable:
        """The list."""
        return self.query_one("#checks", LineTable)

    # --- news ----------------------------------------------------------------------------------

    def job_ended(self, job: AuditJob) -> tuple[str, bool] | None:
        """The notice about an audit that ended unseen."""
        if job.stopping:
            return None
        return job.outcome, job.error is not None or is_bad(job.verdict)

    def beat(self) -> None:
        """Draw what has changed; of a running audit only its clock moves without news."""
        if not self.on_screen:
            return
        if self._stale or self.aged:
            self.redraw()
        elif self.jobs.running is not None:
            self._draw_progress()

    def draw(self) -> None:
        """Draw everything."""
        self._draw_progress()
        self.suites.show(self.view.branches())
        box = self.query_one("#security-tree", Vertical)
        box.border_title, box.border_subtitle = self.view.headline()
        self._draw_list()

    def _draw_progress(self) -> None:
        view = self.view
        now, current = self.owner.now(), self.jobs.current
        trouble = view.trouble or next(iter(self.jobs.notes), "")
        line = audit_line(current, view.counts(), now, trouble)
        self.query_one(JobLine).show(line)

    def _draw_list(self) -> None:
        lines = self.view.lines(self.owner.now())
        self.checks.show(lines)
        box = self.query_one("#security-list", Vertical)
        box.border_title = Content(self.view.title(len(lines))).markup
        box.border_subtitle = Content(self.view.filters()).markup
        self._draw_detail()

    def _draw_list_soon(self) -> None:
        # Who types a word, or goes down the tree, wants the last list and not those before it.
        self._soon.stop()
        self._soon = self.set_timer(SOON_S, self._draw_list)

    def _draw_detail(self) -> None:
        chosen = self.checks.selected
        title, facts = self.view.about(chosen, self.owner.now())
        box = self.query_one("#security-detail", Vertical)
        box.border_title = Content(title or "Evidence").markup
        box.border_subtitle = "enter all of it  c copy  r run" if facts else ""
        self.query_one("#check-facts", FactPanel).show(title, facts)

    # --- choosing ------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if event.data_table is not self.suites:
            self._draw_detail()
        elif (node := self.suites.selected) is not None and node != self.view.node:
            self.view.node = node
            self._draw_list_soon()

    @on(DataTable.RowSelected)
    def _row_entered(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.action_security_open()

    @on(Input.Changed, "#security-filter")
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self.view.search = event.value.strip()
        self._draw_list_soon()

    @on(Input.Submitted, "#security-filter")
    def _search_done(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_search()

    def action_security_open(self) -> None:
        """From the tree to the list; from the list to all of the evidence."""
        if self.suites.has_focus:
            self.checks.focus()
            return
        title, facts = self.view.about(self.checks.selected, self.owner.now())
        if facts:
            self.app.push_screen(SheetScreen(title, partial(fact_table, facts)))

    def action_security_fold(self) -> None:
        """Fold or unfold the suite."""
        suite = self.view.fold()
        if suite:
            self.view.node = suite
            self.redraw()
            self.suites.select(suite)
        else:
            self.notify("Only a suite can be folded: select one on the left")

    def action_security_status(self) -> None:
        """The next filter by status."""
        self.view.next_status()
        self._draw_list()

    def action_security_severity(self) -> None:
        """The next filter by severity."""
        self.view.next_severity()
        self._draw_list()

    def action_security_search(self) -> None:
        """Ask for the words."""
        field = self.query_one("#security-filter", Input)
        field.display = True
        field.focus()

    def action_security_back(self) -> None:
        """Clear the filters; then from the list to the tree."""
        if self.view.filtered or self.query_one("#security-filter").has_focus:
            self.view.clear()
            self.query_one("#security-filter", Input).value = ""
            self._end_search()
            self._draw_list()
        else:
            self.suites.focus()

    def _end_search(self) -> None:
        self.query_one("#security-filter").display = False
        self.checks.focus()

    # --- running -------------------------------------------------------------------------------

    def action_security_run(self) -> None:
        """The check under the cursor."""
        self._start(self.view.one(self.checks.selected))

    def action_security_shown(self) -> None:
        """Every check of the list."""
        self._start(self.view.listed_checks(list(self.view.lines(self.owner.now()))))

    def action_security_all(self) -> None:
        """Every check."""
        self._start(self.view.everything() if self.jobs.rows else None)

    def action_security_cancel(self) -> None:
        """End what runs."""
        if self.jobs.running is None:
            self.notify("No checks are running")
        self.jobs.stop()

    def _start(self, request: AuditRequest | None) -> None:
        if request is None:
            self.notify(plain(self.view.trouble or "no check is shown"), markup=False)
            return
        try:
            self.jobs.start(request)
        except DevstackError as error:
            self.refuse(str(error))

    # --- beside it -----------------------------------------------------------------------------

    def action_security_matrix(self) -> None:
        """Declared against real access."""
        self.app.push_screen(AccessMatrixScreen(self.jobs.matrix))

    def action_security_copy(self) -> None:
        """Copy the evidence."""
        line = self.view.line(self.checks.selected, self.owner.now())
        if line is None or line.row.status is None:
            self.notify("This check has no evidence yet: r makes it", severity="warning")
            return
        row = line.row
        evidence = "\n".join(plain(text) for text in row.evidence.splitlines())
        text = f"{plain(row.id)} {row.status}: {evidence}"
        self.app.copy_to_clipboard(text)
        self.notify(text, title="Copied the evidence", markup=False)

    def action_security_export(self) -> None:
        """Ask for a file, and save the last results there."""
        rows = tuple(self.jobs.rows.values())
        if all(row.status is None for row in rows):
            self.notify("No check was made yet: there is nothing to export")
            return
        stack = self.owner.stack

        def write(path: Path) -> None:
            save(path, stack, rows)

        self.app.push_screen(SaveScreen("Export", FORMS, f"checks-{stack}", write), self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            self.notify(str(path), title="Saved", markup=False)
