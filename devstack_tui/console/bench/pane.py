"""Bench: the workloads and their charts above, below them results, a history, or the checks."""

from __future__ import annotations

import time
from functools import partial

from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable, Static

from devstack_tui.actions import by_id
from devstack_tui.bench.events import RunResult
from devstack_tui.console.bench.charts import BenchCharts
from devstack_tui.console.bench.job import BenchJob, BenchJobs, BenchRequest
from devstack_tui.console.bench.model import RunSeries
from devstack_tui.console.bench.progress import bench_line
from devstack_tui.console.bench.rows import CHECKS, CHOICES, HISTORY, OUTCOMES, checks
from devstack_tui.console.bench.view import BenchView
from devstack_tui.console.job_line import JobLine, is_bad
from devstack_tui.console.job_pane import JobPane
from devstack_tui.console.keys import bindings
from devstack_tui.console.screens.confirm import ConfirmScreen, Question
from devstack_tui.console.screens.sheet import Ink, SheetScreen, check_text, comparison_table
from devstack_tui.console.widgets.line_table import LineTable
from devstack_tui.contracts.sizes import SIZES
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Planned
from devstack_tui.core.plot import SCALES
from devstack_tui.core.plot_svg import svg
from devstack_tui.present.text import plain


class BenchPane(JobPane):
    """Decides what is shown of the benchmarks."""

    BINDINGS = bindings("bench")
    TITLE = "Bench"
    jobs: BenchJobs
    view: BenchView

    def __init__(self, id: str = "bench") -> None:
        super().__init__(id=id)
        self._mode = "results"

    def compose(self) -> ComposeResult:
        with Horizontal(id="bench-top"):
            yield LineTable("workloads", CHOICES, header=False)
            yield BenchCharts()
        yield JobLine(id="bench-progress")
        with Vertical(id="bench-bottom", classes="bottom"):
            yield LineTable("bench-table", OUTCOMES)
            yield Static(id="bench-info")

    def setup(self) -> None:
        """Make the jobs and the view."""
        self.jobs = BenchJobs(self.owner.runner, self.owner.now)
        self.view = BenchView(self.jobs)

    @property
    def choices(self) -> LineTable:
        """The list of workloads."""
        return self.query_one("#workloads", LineTable)

    @property
    def table(self) -> LineTable:
        """The table below."""
        return self.query_one("#bench-table", LineTable)

    # --- news ----------------------------------------------------------------------------------

    def job_ended(self, job: BenchJob) -> tuple[str, bool] | None:
        """The notice about a benchmark that ended unseen; the checks of a gate are shown."""
        if job.gate is not None:
            self._mode = "checks"
        if job.stopping:
            return None
        verdict = str(job.error or (job.gate.verdict if job.gate else "done"))
        return f"{job.request.title}: {verdict}", job.error is not None or is_bad(verdict)

    def forget(self) -> None:
        """Back to the results: there are none."""
        self._mode = "results"
        super().forget()

    def draw(self) -> None:
        """Draw everything."""
        view, jobs = self.view, self.jobs
        self.choices.show(view.choices())
        self.choices.border_title = "Workloads"
        self.choices.border_subtitle = view.settings()
        line = bench_line(jobs.current, len(jobs.queue), view.invitation(), self.owner.now())
        self.query_one(JobLine).show(line)
        self._draw_table()
        self._draw_charts()

    def _draw_table(self) -> None:
        bottom = self.query_one("#bench-bottom", Vertical)
        if self._mode == "history":
            title = f"History of {plain(self.view.subject)}"
            hint = "enter its chart  m mark  c compare  e json  E csv  esc close"
            self.table.show(self.view.history(), HISTORY)
        elif self._mode == "checks":
            gate = self.view.gate
            title = f"Regression gate · {plain(gate.verdict)}" if gate else "Regression gate"
            hint = "enter evidence  esc close"
            self.table.show(checks(gate.checks if gate else ()), CHECKS)
        else:
            title, hint = "Results", "h history  c compare  k checks"
            self.table.show(self.view.outcomes(), OUTCOMES)
        bottom.border_title = Content(title).markup
        bottom.border_subtitle = Content(hint).markup
        self._draw_info()

    def _draw_info(self) -> None:
        info = self.query_one("#bench-info", Static)
        key = self.table.selected if self.table.has_focus else None
        text = self.view.about(self._mode, key, self.choices.selected or "")
        info.update(Content(text))
        info.display = bool(text)

    def _draw_charts(self) -> None:
        selected = self._selected_run() if self._mode == "history" else None
        subject = self._subject()
        self.query_one(BenchCharts).show(self.view.scene(self._mode, subject, selected))

    def _subject(self) -> str:
        """The workload that the cursor is on."""
        if self._mode == "history":
            return self.view.subject
        if self._mode == "results" and self.table.has_focus and self.table.selected:
            return self.table.selected
        return self.choices.selected or ""

    def _selected_run(self) -> RunResult | None:
        if self._mode == "history":
            return self.jobs.results.get(self.table.selected or "")
        return self.view.last_run(self._subject())

    # --- choosing ------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if self._mode == "history" and event.data_table is self.table:
            self.view.series = None
        self._draw_info()
        self._draw_charts()

    async def on_descendant_focus(self) -> None:
        self._draw_info()

    @on(DataTable.RowSelected)
    async def _row_entered(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.data_table is self.choices:
            self.action_bench_start()
        elif self._mode == "results":
            self.action_bench_history()
        elif self._mode == "history":
            self.run_worker(self._open_run(), group="bench-run", exclusive=True)
        elif (check := self.view.check(self.table.selected)) is not None:
            self.app.push_screen(SheetScreen(plain(check.id), partial(check_text, check)))

    def action_bench_choose(self) -> None:
        """Choose the workload under the cursor, or leave it out."""
        self.view.toggle(self.choices.selected or "")
        self.choices.action_cursor_down()
        self.redraw()

    def action_bench_all(self) -> None:
        """Everything, or nothing if everything is chosen."""
        self.view.toggle_all()
        self.redraw()

    def action_bench_size(self) -> None:
        """The next size."""
        names = tuple(SIZES)
        self.view.size = names[(names.index(self.view.size) + 1) % len(names)]
        self.redraw()

    def action_bench_more(self) -> None:
        """One run more."""
        self.view.runs = min(self.view.runs + 1, 20)
        self.redraw()

    def action_bench_fewer(self) -> None:
        """One run less."""
        self.view.runs = max(self.view.runs - 1, 1)
        self.redraw()

    # --- running -------------------------------------------------------------------------------

    def action_bench_start(self) -> None:
        """Run what is chosen; without a choice, what is under the cursor."""
        request = self.view.request(self.choices.selected or "")
        if isinstance(request, str):
            self.refuse(request)
            return
        self._mode = "results"
        self.view.chosen.clear()
        self._start(request)

    def action_bench_gate(self) -> None:
        """The regression gate; without a baseline it says so at once."""
        self.run_worker(self._gate(), group="bench-gate", exclusive=True)

    async def _gate(self) -> None:
        if self.view.no_gate():
            await self._load()  # it may have been recorded elsewhere since
        if why := self.view.no_gate():
            self.refuse(self.view.trouble or why)
        else:
            self._start(BenchRequest((), self.view.size))

    def action_bench_record(self) -> None:
        """Ask, then measure a baseline for the gate."""
        request = self.view.recording()
        if isinstance(request, str):
            self.refuse(request)
            return
        self.run_worker(self._record(request), group="bench-record", exclusive=True)

    async def _record(self, request: BenchRequest) -> None:
        stack, action = self.owner.stack, by_id("bench_record")
        steps = tuple(f"measure {name}, {request.size}" for name in request.workloads)
        last = "keep the figures; older ones of that size are replaced"

        async def plan() -> Planned:
            return Planned(request.verb, stack, (*steps, last))

        question = Question("Record a baseline", action.help, stack, action.typed)
        if await self.app.push_screen_wait(ConfirmScreen(question, plan)):
            self._start(request)

    def action_bench_stop(self) -> None:
        """Stop everything."""
        if self.jobs.running is None:
            self.notify("No benchmark is running")
        elif waiting := self.jobs.stop():
            self.notify(f"{waiting} that waited will not be run")

    def _start(self, request: BenchRequest) -> None:
        if self.jobs.start(request) is None:
            how = "the next" if len(self.jobs.queue) == 1 else f"number {len(self.jobs.queue)}"
            self.notify(f"{request.title}: {how} in the queue", title="Bench", markup=False)
        self.redraw()

    # --- views ---------------------------------------------------------------------------------

    def action_bench_chart(self) -> None:
        """The other chart."""
        self.query_one(BenchCharts).turn()

    def action_bench_scale(self) -> None:
        """The next scale of the charts."""
        self.view.scale = SCALES[(SCALES.index(self.view.scale) + 1) % len(SCALES)]
        self._draw_charts()

    def action_bench_results(self) -> None:
        """Back to the results and the live charts."""
        if self._mode == "results":
            self.notify("These are the results: h shows the runs of one workload")
        self._bring("results")

    def action_bench_history(self) -> None:
        """The runs of the workload under the cursor."""
        subject = self._subject()
        if not subject or self._mode == "history":
            self._bring("results")
            return
        self.view.subject = subject
        self.view.series = None
        self._bring("history")
        self.table.focus()

    def action_bench_checks(self) -> None:
        """The regression gate's last result."""
        if self.view.gate is None:
            never = "The regression gate was not run from this console yet: R runs it"
            self.notify(self.view.no_gate() or never)
            return
        self._bring("checks")
        self.table.focus()

    def action_bench_back(self) -> None:
        """From a run to its history, from there to the results."""
        if self._mode == "history" and self.view.series is not None:
            self.view.series = None
            self._draw_charts()
            return
        self._bring("results")
        self.choices.focus()

    def _bring(self, mode: str) -> None:
        self._mode = mode
        self.redraw()

    async def _open_run(self) -> None:
        run = self._selected_run()
        if run is None:
            return
        try:
            full = await self.jobs.show(run.id)
        except DevstackError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        self.view.series = RunSeries.of(full)
        self._draw_charts()

    # --- comparing and exporting ---------------------------------------------------------------

    def action_bench_mark(self) -> None:
        """Mark the selected run for a comparison, or unmark it."""
        run = self._selected_run()
        if run is None:
            self.notify("No run to mark yet")
            return
        self.view.marked = "" if self.view.marked == run.id else run.id
        self.redraw()

    def action_bench_compare(self) -> None:
        """Compare the selected run with the marked one, or with the baseline."""
        run = self._selected_run()
        if run is None:
            self.notify("No run to compare yet")
            return
        marked = self.view.marked
        other = marked if marked and marked != run.id else "baseline"

        async def load(ink: Ink, force: bool = False) -> RenderableType:
            return comparison_table(await self.jobs.compare(other, run.id, force), ink)

        known = self.jobs.results.get(other)
        title = f"A {self.view.name_of(known) if known else other} · B {self.view.name_of(run)}"
        self.app.push_screen(SheetScreen(title, load, partial(load, force=True)))

    def action_bench_json(self) -> None:
        """Export as JSON."""
        self.run_worker(self._export("json"), group="bench-export", exit_on_error=False)

    def action_bench_csv(self) -> None:
        """Export as CSV."""
        self.run_worker(self._export("csv"), group="bench-export", exit_on_error=False)

    def action_bench_svg(self) -> None:
        """The charts in view as one SVG file."""
        subject = self._subject() or "bench"
        name = f"bench-{subject}-{time.strftime('%Y%m%d-%H%M%S')}.svg"
        self.save(name, svg(self.query_one(BenchCharts).plots).encode())

    async def _export(self, form: str) -> None:
        run = self._selected_run()
        if run is None:
            self.notify("No run to export yet")
            return
        try:
            content = await self.jobs.export(run.id, form)
        except DevstackError as error:
            self.notify(str(error), title="No export", severity="error", markup=False)
            return
        self.save(f"bench-{run.workload}-{run.id}.{form}", content)
