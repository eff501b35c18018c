"""Tuning: all parameters above, below what is known of one, advice, history, or a job's story.

The paired chart of an A/B takes the place of the parameters when it is wanted.
"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import DataTable, Input

from devstack_tui.console.health.change_job import ChangeJob
from devstack_tui.console.job_line import JobLine
from devstack_tui.console.keys import bindings
from devstack_tui.console.tuning.commands import TuningCommands
from devstack_tui.console.tuning.detail import FactPanel
from devstack_tui.console.tuning.job import TuningJob, TuningJobs
from devstack_tui.console.tuning.memory_budget import BudgetLine
from devstack_tui.console.tuning.pairs_chart import PairChart
from devstack_tui.console.tuning.progress import tuning_line
from devstack_tui.console.tuning.rows import ADVICE, HISTORY, parameter_columns
from devstack_tui.console.tuning.verdict import Styled, ending
from devstack_tui.console.tuning.view import TuningView
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.console.widgets.time_chart import TimeChart
from devstack_tui.present.text import plain

FRESH_S = 10.0
"""Older values are read again when the pane comes into view."""
DETAIL, ADVISED, PAST, STORY = "detail", "advice", "history", "job"


class _Filter(Input):
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Show all")]

    def action_leave(self) -> None:
        """Close without a filter."""
        self.value = ""
        self.post_message(self.Submitted(self, ""))


class TuningPane(TuningCommands):
    """Decides what is shown of the parameters and the jobs."""

    BINDINGS = bindings("tuning")
    TITLE = "Tuning"

    def __init__(self, id: str = "tuning") -> None:
        super().__init__(id=id)
        self._below = DETAIL
        self._proving = False
        """Whether the paired chart is shown instead of the parameters."""
        self._read_at = 0.0

    def compose(self) -> ComposeResult:
        with Vertical(id="tuning-top"):
            yield LineTable("parameters")
            yield _Filter(id="tuning-filter", compact=True, placeholder="name, service or word")
        with Vertical(id="tuning-ab"):
            yield PairChart()
            yield TimeChart("tuning-seconds")
            yield FactPanel("tuning-report")
        yield BudgetLine()
        yield JobLine(id="tuning-progress")
        with Vertical(id="tuning-bottom", classes="bottom"):
            yield FactPanel("tuning-facts")
            yield LineTable("tuning-list")

    def setup(self) -> None:
        """Make the jobs and the view."""
        self.jobs = TuningJobs(self.owner.runner, self.owner.now)
        self.view = TuningView(self.jobs)

    def on_show(self) -> None:
        if self.owner.now() - self._read_at > FRESH_S and self.jobs.running is None:
            self.look_again()

    @property
    def table(self) -> LineTable:
        """The parameters."""
        return self.query_one("#parameters", LineTable)

    @property
    def list(self) -> LineTable:
        """The advice or the history."""
        return self.query_one("#tuning-list", LineTable)

    @property
    def mode(self) -> str:
        """Which table is in use."""
        listed = self._below in (ADVISED, PAST) and not self._proving
        return self._below if listed and self.list.has_focus else "parameters"

    @property
    def cursor(self) -> str:
        """The key of the row under the cursor, in the table that is in use."""
        table = self.table if self.mode == "parameters" else self.list
        return table.selected or ""

    def look_again(self) -> None:
        """Read the parameters again."""
        self._read_at = self.owner.now()
        self.run_worker(self._load(), group="tuning-load", exit_on_error=False)

    async def _load(self) -> None:
        await self.jobs.load()
        self.has_loaded()

    # --- news ----------------------------------------------------------------------------------

    def show_job(self, job: ChangeJob) -> None:
        """Whatever was started or stopped, the parameters are to be read again."""
        if job.done is not None:
            self._read_at = 0.0
            if self.on_screen:
                self.look_again()

    def job_ended(self, job: TuningJob) -> tuple[str, bool] | None:
        """The notice about a job that ended unseen."""
        return None if job.stopping else (ending(job, self.owner.now())[0], job.failed)

    def draw(self) -> None:
        """Draw everything."""
        view = self.view
        self.query_one("#tuning-top").display = not self._proving
        self.query_one("#tuning-ab").display = self._proving
        self.query_one("#tuning-bottom").display = not self._proving
        self._draw_progress()
        budget = self.query_one(BudgetLine)
        budget.display = not self._proving
        if self._proving:
            self._draw_ab()
            return
        show = view.show
        before = show.budget if show is not None else None
        budget.show(view.judged.budget or before, before if view.pending_count else None)
        self.table.show(view.lines(), parameter_columns(view.profiles))
        self._draw_below()

    def _draw_progress(self) -> None:
        line = tuning_line(self.view.job(), self._invitation(), self.owner.now())
        self.query_one(JobLine).show(line)

    def _invitation(self) -> Styled:
        suggestion = self.view.advice().get(self.cursor) if self.mode == ADVISED else None
        if suggestion is not None:
            return f"▸ {plain(suggestion.advice.reason)}", ""
        return self.view.invitation()

    def _draw_ab(self) -> None:
        report = self.view.report()
        self.query_one(PairChart).show(self.view.paired())
        seconds = self.query_one("#tuning-seconds", TimeChart)
        ended = self.query_one("#tuning-report", FactPanel)
        seconds.display, ended.display = not report, bool(report)
        seconds.show(self.view.seconds())
        ended.border_title = "Result"
        ended.show("report", report)

    def _draw_below(self) -> None:
        view = self.view
        facts, rows = self.query_one("#tuning-facts", FactPanel), self.list
        listed = self._below in (ADVISED, PAST)
        facts.display, rows.display = not listed, listed
        hint = "i advice  H history  v A/B"
        if self._below == ADVISED:
            title, hint = f"Advice · {len(view.advice())}", "enter into pending  esc close"
            rows.show(view.advice(), ADVICE)
        elif self._below == PAST:
            title, hint = "History", "enter its values  r back to it  u undo the last  esc close"
            rows.show(view.history(), HISTORY)
        elif self._below == STORY:
            title, lines = view.story()
            hint = "esc close"
            facts.show(title, lines, newest=True)
        else:
            title, lines = view.about(self.table.selected)
            facts.show(title, lines)
        bottom = self.query_one("#tuning-bottom", Vertical)
        bottom.border_title = Content(plain(title)).markup
        about = view.title()
        bottom.border_subtitle = Content(f"{about}  esc all" if about else hint).markup

    # --- looking -------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if not self._proving:
            self._draw_below()
            self._draw_progress()

    @on(DataTable.RowSelected)
    def _row_entered(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.action_tuning_edit()

    @on(Input.Changed, "#tuning-filter")
    def _filtered(self, event: Input.Changed) -> None:
        event.stop()
        self.view.filter = event.value.strip()
        self.redraw()

    @on(Input.Submitted, "#tuning-filter")
    def _filter_done(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#tuning-filter").display = False
        self.table.focus()

    def action_tuning_filter(self) -> None:
        """Ask for the filter."""
        self._bring(DETAIL)
        field = self.query_one("#tuning-filter", Input)
        field.display = True
        field.value = self.view.filter
        field.focus()

    def action_tuning_only(self) -> None:
        """Only what is changed or pending, or everything again."""
        self.view.only = not self.view.only
        self.redraw()

    def action_tuning_advice(self) -> None:
        """The advisor's list, or back."""
        if self.view.show is not None and not self.view.advice():
            self.notify("Nothing to advise: the values suit this machine and its workload")
            return
        self._bring(DETAIL if self._below == ADVISED else ADVISED)

    def action_tuning_history(self) -> None:
        """What was applied, or back."""
        if not self.view.history():
            self.notify("Nothing was applied yet")
            return
        self._bring(DETAIL if self._below == PAST else PAST)

    def action_tuning_view(self) -> None:
        """Parameters, or the paired chart of the last A/B."""
        if self._proving:
            self._bring(self._below)
        else:
            self.bring_chart()

    def action_tuning_story(self) -> None:
        """What the last job did."""
        self._bring(STORY)

    def action_tuning_back(self) -> None:
        """One step back: from the chart, from a list, from the filter, from an old result."""
        view = self.view
        if self._proving or self._below != DETAIL:
            self._bring(self._below if self._proving else DETAIL)
        elif view.filter or view.only:
            view.filter, view.only = "", False
            self.query_one("#tuning-filter", Input).value = ""
            self.redraw()
        elif self.jobs.running is None:
            view.quiet = self.jobs.current
            self.redraw()

    def bring_chart(self) -> None:
        """The paired chart comes into view."""
        self._proving = True
        self.redraw()
        self.query_one(PairChart).focus()

    def bring_story(self) -> None:
        """What the job does comes into view."""
        self._bring(STORY)

    def _bring(self, below: str) -> None:
        self._proving = False
        self._below = below
        self.redraw()
        (self.list if below in (ADVISED, PAST) else self.table).focus()
