"""Reports: the last result of every suite, the core checks one by one, and the written report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from devstack_tui.console.keys import bindings
from devstack_tui.console.pane import Pane
from devstack_tui.console.pane_jobs import ask
from devstack_tui.console.report.rows import COVERAGE, SUITES
from devstack_tui.console.report.sheets import check_sheet, coverage_sheet, suite_sheet
from devstack_tui.console.report.view import ReportView
from devstack_tui.console.screens.save import SaveScreen
from devstack_tui.console.screens.sheet import Ink, SheetScreen
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain, shorten
from devstack_tui.report.model import Report

FORMS = {".html": "one HTML page, with the charts", ".md": "Markdown"}
"""What the ending of a file means."""
_OPTIONS = {".html": "--html", ".md": "--md"}
AGES_S = 30.0
"""How often the ages are written anew."""


class ReportPane(Pane):
    """Decides what is shown. The report itself is made by the verb, in a child process."""

    BINDINGS = bindings("report")

    def __init__(self, id: str = "report") -> None:
        super().__init__(id=id)
        self.view = ReportView()

    def compose(self) -> ComposeResult:
        yield Static(id="report-summary")
        with Vertical(id="report-top", classes="bottom"):
            yield LineTable("report-suites", SUITES)
        with Vertical(id="report-bottom", classes="bottom"):
            yield Input(id="report-filter", placeholder="search", compact=True)
            yield LineTable("report-coverage", COVERAGE)

    def on_mount(self) -> None:
        self.set_interval(AGES_S, self._age)
        self._draw()

    def on_show(self) -> None:
        # What the other panes did meanwhile is in the history: `Pane.on_show` comes after this.
        self._outdated = True

    def forget(self) -> None:
        """Of the stack that is gone nothing is shown."""
        self.workers.cancel_group(self, "report")
        self.view.report = None
        self._draw()

    @property
    def suites(self) -> LineTable:
        """The last results."""
        return self.query_one("#report-suites", LineTable)

    @property
    def coverage(self) -> LineTable:
        """The core checks."""
        return self.query_one("#report-coverage", LineTable)

    # --- what is shown -------------------------------------------------------------------------

    def look_again(self) -> None:
        """Read the report again."""
        self.run_worker(self._load(), group="report", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        try:
            self.view.report = await ask(self.owner.cli, Report, "report")
            self.view.trouble = ""
        except DevstackError as error:
            self.view.trouble = " → ".join(filter(None, [error.message, error.remedy]))
        self._draw()
        self.has_loaded()

    def _age(self) -> None:
        if self.on_screen:
            self._draw()

    def _draw(self) -> None:
        view = self.view
        self.query_one("#report-summary", Static).update(view.summary())
        self.suites.show(view.suites(self.owner.now()))
        rows = view.coverage()
        self.coverage.show(rows)
        total = len(view.report.coverage.core) if view.report else 0
        shown = f"{len(rows)} of {total}" if view.filtered else str(total)
        title = f"The core checks · {shown}"
        if filters := view.filters():
            title += f" · {filters}"
        self.query_one("#report-bottom", Vertical).border_title = Content(title).markup
        self.query_one("#report-top", Vertical).border_title = "Last results"
        self._draw_edges()

    def _draw_edges(self) -> None:
        """Of the rows under the cursors: how the suite is run again, what decided the check."""
        suite = self.view.suite(self.suites.selected if self.suites.row_count else None)
        self._edge("#report-top", f"y {suite.command}" if suite else "")
        check = self.view.check(self.coverage.selected if self.coverage.row_count else None)
        self._edge("#report-bottom", check.reason if check else "")

    def _edge(self, name: str, text: str) -> None:
        box = self.query_one(name, Vertical)
        room = max(box.size.width - 4, 0)
        box.border_subtitle = Content(shorten(plain(text), room)).markup

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._draw_edges()

    @on(DataTable.RowSelected)
    def _row_entered(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.action_report_open()

    # --- filters -------------------------------------------------------------------------------

    @on(Input.Changed, "#report-filter")
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self.view.search = event.value.strip()
        self._draw()

    @on(Input.Submitted, "#report-filter")
    def _search_done(self, event: Input.Submitted) -> None:
        event.stop()
        self._end_search()

    def action_report_search(self) -> None:
        """Ask for the words."""
        self.add_class("-coverage")
        field = self.query_one("#report-filter", Input)
        field.display = True
        field.focus()

    def _end_search(self) -> None:
        self.query_one("#report-filter").display = False
        self.coverage.focus()

    def action_report_status(self) -> None:
        """The next filter of the coverage."""
        self.view.next_status()
        self._bring_coverage()
        self._draw()

    def action_report_back(self) -> None:
        """Clear the filters; then from the coverage to the suites."""
        field = self.query_one("#report-filter", Input)
        if self.view.filtered or field.has_focus:
            self.view.clear()
            field.value = ""
            self._end_search()
            self._draw()
        else:
            self._bring_suites()

    def action_report_turn(self) -> None:
        """From the suites to the coverage, and back."""
        if self.suites.has_focus:
            self._bring_coverage()
        else:
            self._bring_suites()

    def _bring_coverage(self) -> None:
        self.add_class("-coverage")
        self.coverage.focus()

    def _bring_suites(self) -> None:
        self.remove_class("-coverage")
        self.suites.focus()

    # --- what is opened ------------------------------------------------------------------------

    def action_report_open(self) -> None:
        """The suite with its history, or the check with what decided it."""
        if self.coverage.has_focus:
            if (check := self.view.check(self.coverage.selected)) is not None:
                self._sheet(f"{check.core} · {check.id}", lambda ink: check_sheet(check, ink))
                return
        elif (suite := self.view.suite(self.suites.selected)) is not None:
            self._sheet(f"{suite.kind} · {suite.name}", lambda ink: suite_sheet(suite, ink))
            return
        self._unread()

    def action_report_beyond(self) -> None:
        """Every check by its suite."""
        if (report := self.view.report) is not None:
            self._sheet("Coverage", lambda ink: coverage_sheet(report, ink))
        else:
            self._unread()

    def _unread(self) -> None:
        self.notify(plain(self.view.trouble or "There is nothing here yet"), markup=False)

    def _sheet(self, title: str, make: Callable[[Ink], RenderableType]) -> None:
        self.app.push_screen(SheetScreen(plain(title), make))

    def action_report_copy(self) -> None:
        """Copy the command that runs the suite, or the check's suite, again."""
        if self.coverage.has_focus:
            check = self.view.check(self.coverage.selected)
            text = check.command if check else ""
        else:
            suite = self.view.suite(self.suites.selected)
            text = suite.command if suite else ""
        if not text:
            self.notify("Nothing runs this yet", severity="warning")
            return
        self.app.copy_to_clipboard(plain(text))
        self.notify(plain(text), title="Copied the command", markup=False)

    # --- writing -------------------------------------------------------------------------------

    def action_report_write(self) -> None:
        """Ask for a file, and write the report there."""
        about = "The last result of everything, what is covered, no secret"
        screen = SaveScreen(
            "Write report", FORMS, f"report-{self.owner.stack}", lambda path: None, about
        )
        self.app.push_screen(screen, self._write)

    def _write(self, path: Path | None) -> None:
        if path is not None:
            self.run_worker(self._write_file(path), group="report-write", exit_on_error=False)

    async def _write_file(self, path: Path) -> None:
        try:
            await self.owner.cli.ask("report", _OPTIONS[path.suffix], str(path), "--json")
        except DevstackError as error:
            self.notify(str(error), title="Not written", severity="error", markup=False)
        else:
            self.notify(str(path), title="Written", markup=False)
