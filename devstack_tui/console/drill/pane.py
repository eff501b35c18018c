"""Drill: what can be broken, the cluster while it is, the lanes, the steps and the history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable, Static

from devstack_tui.actions import by_id
from devstack_tui.console.drill.cluster_map import DrillMap
from devstack_tui.console.drill.jobs import DrillJobs
from devstack_tui.console.drill.lanes import DrillLanes
from devstack_tui.console.drill.model import DrillJob, DrillRequest
from devstack_tui.console.drill.rows import CHOICES, HISTORY, STEPS, steps
from devstack_tui.console.drill.sheets import comparison_table, plan_text
from devstack_tui.console.drill.view import DrillView
from devstack_tui.console.keys import bindings
from devstack_tui.console.pane import Pane
from devstack_tui.console.screens.confirm import ConfirmScreen, Question
from devstack_tui.console.screens.sheet import Ink, SheetScreen, check_text
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Planned
from devstack_tui.core.files import explain
from devstack_tui.present.text import plain

if TYPE_CHECKING:
    from devstack_tui.console.app import DevstackApp

BEAT_S = 0.2


class DrillPane(Pane):
    """Decides what is shown. The drill itself belongs to the app's `DrillJobs`."""

    BINDINGS = bindings("drill")

    def __init__(self, id: str = "drill") -> None:
        super().__init__(id=id)
        self._mode = "steps"
        self._whole = False
        self._stale = True
        self._told: DrillJob | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="drill-top"):
            yield LineTable("drills", CHOICES, header=False)
            yield DrillMap()
        yield DrillLanes()
        yield Static(id="drill-progress")
        with Vertical(id="drill-bottom", classes="bottom"):
            yield LineTable("drill-table", STEPS)

    def on_mount(self) -> None:
        self.jobs: DrillJobs = self._owner.drills
        self.view = DrillView(self.jobs)
        self.jobs.on_change = self._news
        self.set_interval(BEAT_S, self._draw_if_stale)
        self.look_again()
        self._draw()

    def on_show(self) -> None:
        self._stale = True
        self._draw_if_stale()

    @property
    def _owner(self) -> DevstackApp:
        return cast("DevstackApp", self.app)

    @property
    def choices(self) -> LineTable:
        """The list of drills."""
        return self.query_one("#drills", LineTable)

    @property
    def table(self) -> LineTable:
        """The table below."""
        return self.query_one("#drill-table", LineTable)

    @property
    def seen(self) -> bool:
        """Whether somebody can see the pane: it is drawn only then."""
        return self.display and self.screen is self.app.screen

    # --- news ----------------------------------------------------------------------------------

    def look_again(self) -> None:
        """Read the drills and their history again."""
        self.run_worker(self._load(), group="drill-list", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        try:
            await self.jobs.load()
            self.view.trouble = ""
        except DevstackError as error:
            self.view.trouble = " → ".join(filter(None, [error.message, error.remedy]))
        self._stale = True
        self._draw_if_stale()

    def _news(self, job: DrillJob | None, urgent: bool) -> None:
        self._stale = True
        if job is not None and not job.running and job is not self._told:
            self._told = job
            self._whole = True
            self._tell_end(job)
        if urgent:
            self._draw_if_stale()

    def _tell_end(self, job: DrillJob) -> None:
        if self.seen:
            return
        failed = job.error is not None or job.verdict != "PASS"
        message = str(job.error) if job.error else f"{job.request.title}: {job.verdict or 'ended'}"
        severity = "error" if failed and not job.stopping else "information"
        self.notify(plain(message), title="Drill", severity=severity, markup=False)  # type: ignore[arg-type]

    def _draw_if_stale(self) -> None:
        # A running drill's clock moves without news.
        if (self._stale or self.jobs.running is not None) and self.seen:
            self._draw()

    def _draw(self) -> None:
        self._stale = False
        view, name = self.view, self.choices.selected or ""
        self.choices.show(view.choices())
        self.choices.border_title = "Drills"
        self.choices.border_subtitle = Content(view.settings(name)).markup
        self._draw_map()
        empty = "Nothing was drilled yet: p shows what a drill would do, g starts it."
        self.query_one(DrillLanes).show(view.course(), self._whole, empty)
        self.query_one("#drill-progress", Static).update(view.progress(self._owner.now(), name))
        self._draw_table()

    def _draw_map(self) -> None:
        box = self.query_one(DrillMap)
        report, job = self.view.report, self.view.job
        title = "Nodes"
        if report is not None:
            title = f"{plain(report.drill)} · {plain(report.fault)} · {plain(report.verdict)}"
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
        if found is None:
            return

        async def evidence(ink: Ink) -> RenderableType:
            return check_text(found, ink)

        self.app.push_screen(SheetScreen(plain(found.id), evidence))

    def action_drill_fault(self) -> None:
        """The next fault."""
        self.view.next_fault(self.choices.selected or "")
        self._draw()

    def action_drill_victim(self) -> None:
        """The next victim."""
        self.view.next_victim(self.choices.selected or "")
        self._draw()

    def action_drill_more(self) -> None:
        """One repeat more."""
        self.view.repeat(1)
        self._draw()

    def action_drill_fewer(self) -> None:
        """One repeat less."""
        self.view.repeat(-1)
        self._draw()

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
            self.notify("a drill is running: x aborts it", title="Not now", severity="warning")
            return
        self.run_worker(self._start(request), group="drill-start", exclusive=True)

    def action_drill_abort(self) -> None:
        """End the drill and heal the stack at once."""
        if not self.jobs.abort():
            self.notify("No drill is running")

    def _request(self) -> DrillRequest | None:
        request = self.view.request(self.choices.selected or "")
        if isinstance(request, str):
            self.notify(plain(request), title="Not now", severity="warning", markup=False)
            return None
        return request

    async def _start(self, request: DrillRequest) -> None:
        stack = self._owner.stack

        async def planned() -> Planned:
            plan = await self.jobs.plan(request)
            return Planned("drill", stack, (*plan.actions, *plan.touches))

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
            self.notify(str(error), title="Not now", severity="warning", markup=False)
        self._draw()

    # --- views ---------------------------------------------------------------------------------

    def action_drill_zoom(self) -> None:
        """The whole course, or its end cell by cell."""
        self._whole = not self._whole
        self._draw()

    def action_drill_turn(self) -> None:
        """The next repeat of the drill in view."""
        self.view.turn()
        self._draw()

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
        self._draw()
        self.choices.focus()

    def _bring(self, mode: str) -> None:
        self._mode = mode
        self.add_class("-table")
        self._draw()
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
        self._draw()

    def action_drill_mark(self) -> None:
        """Mark the selected drill for a comparison, or take the mark away."""
        name = self.table.selected
        if self._mode == "history" and name is not None:
            self.view.marked = "" if self.view.marked == name else name
            self._draw()

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
        """The course of the drill in view as an SVG file."""
        self.run_worker(self._export("svg"), group="drill-export", exit_on_error=False)

    def action_drill_json(self) -> None:
        """The drill in view as JSON."""
        self.run_worker(self._export("json"), group="drill-export", exit_on_error=False)

    async def _export(self, form: str) -> None:
        report = self.view.report
        job = self.view.job
        if report is None and job is not None and job.done is not None:
            report = job.done.report
        if report is None:
            self.notify("No drill to export yet")
            return
        path = Path.cwd() / f"drill-{report.drill}-{report.id}.{form}"
        try:
            if form == "svg":
                from devstack_tui.drill.timeline import svg

                path.write_text(svg(report), encoding="utf-8")
            else:
                path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
        except OSError as error:
            text = str(explain(error, f"saving {path.name}"))
            self.notify(text, severity="error", markup=False)
        else:
            self.notify(str(path), title="Saved", markup=False)
