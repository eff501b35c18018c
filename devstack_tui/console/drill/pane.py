"""Drill: what can be broken, the cluster while it is, the lanes, the steps and the history."""

from __future__ import annotations

from functools import partial

import msgspec
from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable

from devstack_tui.actions import by_id
from devstack_tui.console.drill.cluster_map import DrillMap
from devstack_tui.console.drill.job import DrillJob, DrillJobs, DrillRequest
from devstack_tui.console.drill.lanes import DrillLanes
from devstack_tui.console.drill.rows import CHOICES, HISTORY, STEPS, steps
from devstack_tui.console.drill.sheets import comparison_table, plan_text
from devstack_tui.console.drill.view import DrillView
from devstack_tui.console.job_line import JobLine, is_bad
from devstack_tui.console.job_pane import JobPane
from devstack_tui.console.keys import bindings
from devstack_tui.console.screens.confirm import ConfirmScreen, Question
from devstack_tui.console.screens.sheet import Ink, SheetScreen, check_text
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Planned
from devstack_tui.drill.events import DrillReport
from devstack_tui.present.text import plain


class DrillPane(JobPane):
    """Decides what is shown of the drills."""

    BINDINGS = bindings("drill")
    BEAT_S = 0.2
    TITLE = "Drill"
    jobs: DrillJobs
    view: DrillView

    def __init__(self, id: str = "drill") -> None:
        super().__init__(id=id)
        self._mode = "steps"
        self._whole = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="drill-top"):
            yield LineTable("drills", CHOICES, header=False)
            yield DrillMap()
        yield DrillLanes()
        yield JobLine(id="drill-progress")
        with Vertical(id="drill-bottom", classes="bottom"):
            yield LineTable("drill-table", STEPS)

    def setup(self) -> None:
        """Make the jobs and the view."""
        self.jobs = DrillJobs(self.owner.runner, self.owner.now)
        self.view = DrillView(self.jobs)

    @property
    def choices(self) -> LineTable:
        """The list of drills."""
        return self.query_one("#drills", LineTable)

    @property
    def table(self) -> LineTable:
        """The table below."""
        return self.query_one("#drill-table", LineTable)

    # --- news ----------------------------------------------------------------------------------

    def job_ended(self, job: DrillJob) -> tuple[str, bool] | None:
        """The notice about a drill that ended unseen; its lanes are shown whole."""
        self._whole = True
        failed = job.error is not None or is_bad(job.verdict)
        return job.outcome, failed and not job.stopping

    def forget(self) -> None:
        """Back to the steps: there are none."""
        self._mode = "steps"
        self.remove_class("-table")
        super().forget()

    def draw(self) -> None:
        """Draw everything."""
        view, name = self.view, self.choices.selected or ""
        self.choices.show(view.choices())
        self.choices.border_title = "Drills"
        self.choices.border_subtitle = Content(view.settings(name)).markup
        self._draw_map()
        self.query_one(DrillLanes).show(view.timeline(), self._whole, view.empty())
        self.query_one(JobLine).show(view.progress(self.owner.now(), name))
        self._draw_table()

    def _draw_map(self) -> None:
        box = self.query_one(DrillMap)
        report, job = self.view.report, self.view.job
        title = "Nodes"
        if report is not None:
            title = f"{plain(report.drill)} · {plain(report.fault)} · {plain(report.outcome)}"
        elif job is not None:
            title = plain(job.request.title)
        if (result := self.view.result()) is not None and len(self.view.results) > 1:
            title += f" · {result.repeat} of {len(self.view.results)}: {plain(result.victim)}"
        box.show(title, self.view.map_lines(box.content_size.width))

    def _draw_table(self) -> None:
        bottom = self.query_one("#drill-bottom", Vertical)
        if self._mode == "history":
            bottom.border_title = "History"
            bottom.border_subtitle = "enter open  m mark  c compare  esc close"
            self.table.show(self.view.history(), HISTORY)
            return
        bottom.border_title = "Steps"
        bottom.border_subtitle = "enter evidence  n repeat  h history  z zoom  w svg"
        self.table.show(steps(self.view.steps()), STEPS)

    # --- choosing ------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._stale = True

    @on(DataTable.RowSelected)
    def _row_entered(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.data_table is self.choices:
            self.action_drill_start()
        elif self._mode == "history":
            self.run_worker(self._open_report(), group="drill-report", exclusive=True)
        else:
            self._show_evidence()

    def _show_evidence(self) -> None:
        found = self.view.steps().get(self.table.selected or "")
        if found is not None:
            self.app.push_screen(SheetScreen(plain(found.id), partial(check_text, found)))

    def action_drill_fault(self) -> None:
        """The next fault."""
        self.view.next_fault(self.choices.selected or "")
        self.redraw()

    def action_drill_victim(self) -> None:
        """The next victim."""
        self.view.next_victim(self.choices.selected or "")
        self.redraw()

    def action_drill_more(self) -> None:
        """One repeat more."""
        self.view.repeat(1)
        self.redraw()

    def action_drill_fewer(self) -> None:
        """One repeat less."""
        self.view.repeat(-1)
        self.redraw()

    # --- running -------------------------------------------------------------------------------

    def action_drill_plan(self) -> None:
        """What the drill under the cursor would do."""
        if (request := self._request()) is None:
            return

        async def plan(ink: Ink) -> RenderableType:
            return plan_text(await self.jobs.plan(request), ink)

        self.app.push_screen(SheetScreen(f"Plan · {plain(request.title)}", plan))

    def action_drill_start(self) -> None:
        """Show the plan, ask for the stack's name, then run the drill."""
        if (request := self._request()) is None:
            return
        if self.jobs.running is not None:
            self.refuse("a drill is running: x aborts it")
            return
        self.run_worker(self._start(request), group="drill-start", exclusive=True)

    def action_drill_abort(self) -> None:
        """End the drill and heal the stack at once."""
        if self.jobs.running is None:
            self.notify("No drill is running")
        self.jobs.stop()

    def _request(self) -> DrillRequest | None:
        request = self.view.request(self.choices.selected or "")
        if isinstance(request, str):
            self.refuse(request)
            return None
        return request

    async def _start(self, request: DrillRequest) -> None:
        stack = self.owner.stack

        async def planned() -> Planned:
            plan = await self.jobs.plan(request)
            unmet = (f"nothing would be broken: {plan.refusal}",) if plan.only_reports else ()
            first = (*plan.notes, *unmet)
            return Planned("drill", stack, (*first, *plan.actions, *plan.touches))

        action = by_id("drill_start")
        question = Question(f"Drill {plain(request.title)}", action.help, stack, action.typed)
        if not await self.app.push_screen_wait(ConfirmScreen(question, planned)):
            return
        self.view.report = None
        self.view.follow()
        self._mode, self._whole = "steps", False
        self.remove_class("-table")
        try:
            self.jobs.start(request)
        except DevstackError as error:
            self.refuse(str(error))
        self.redraw()

    # --- views ---------------------------------------------------------------------------------

    def action_drill_zoom(self) -> None:
        """The whole timeline, or its end cell by cell."""
        if self.view.timeline() is None:
            self.notify("There are no lanes yet: g starts a drill, h opens an earlier one")
            return
        self._whole = not self._whole
        self.redraw()

    def action_drill_turn(self) -> None:
        """The next repeat of the drill in view."""
        if len(self.view.results) < 2:
            self.notify("There is no other repeat: + asks for more of the next drill")
            return
        self.view.turn()
        self.redraw()

    def action_drill_history(self) -> None:
        """Every drill of this stack."""
        self._bring("history")

    def action_drill_steps(self) -> None:
        """What was decided, and by what evidence."""
        self._bring("steps")

    def action_drill_back(self) -> None:
        """From the history, or from an opened drill, to the current one."""
        self._mode, self.view.report = "steps", None
        self.view.follow()
        self.remove_class("-table")
        self.redraw()
        self.choices.focus()

    def _bring(self, mode: str) -> None:
        self._mode = mode
        self.add_class("-table")
        self.redraw()
        self.table.focus()

    async def _open_report(self) -> None:
        name = self.table.selected
        if name is None:
            return
        try:
            self.view.report = await self.jobs.report(name)
            self.view.follow()
        except DevstackError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self._mode, self._whole = "steps", True
        self.remove_class("-table")
        self.redraw()

    def action_drill_mark(self) -> None:
        """Mark the selected drill for a comparison, or unmark it."""
        name = self.table.selected
        if self._mode != "history" or name is None:
            self.notify("In the history (h): select the drill to mark")
            return
        self.view.marked = "" if self.view.marked == name else name
        self.redraw()

    def action_drill_compare(self) -> None:
        """Compare the marked drill with the selected one."""
        name, marked = self.table.selected, self.view.marked
        if self._mode != "history" or name is None or marked in ("", name):
            self.notify("In the history (h): mark one drill with m, select another, then c")
            return

        async def load(ink: Ink) -> RenderableType:
            return comparison_table(await self.jobs.compare(marked, name), ink)

        self.app.push_screen(SheetScreen(f"A {marked} · B {name}", load))

    # --- exports -------------------------------------------------------------------------------

    def action_drill_svg(self) -> None:
        """The drill in view, drawn over time, as an SVG file."""
        if (report := self._exported()) is not None:
            from devstack_tui.drill.timeline import svg

            self.save(f"drill-{report.drill}-{report.id}.svg", svg(report).encode())

    def action_drill_json(self) -> None:
        """The drill in view as JSON."""
        if (report := self._exported()) is not None:
            text = msgspec.json.format(msgspec.json.encode(report))
            self.save(f"drill-{report.drill}-{report.id}.json", text)

    def _exported(self) -> DrillReport | None:
        job, report = self.view.job, self.view.report
        if report is None and job is not None and job.done is not None:
            report = job.done.report
        if report is None:
            self.notify("No drill to export yet")
        return report
