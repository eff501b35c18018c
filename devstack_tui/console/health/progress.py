"""How far a running up, down or restart is, service by service."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from devstack_tui.console.health.change_job import ChangeJob
from devstack_tui.console.ink import ink
from devstack_tui.core.events import Phase, Progress
from devstack_tui.present.looks import BAD, GOOD, LOOKS, QUIET, phase_look, phase_text
from devstack_tui.present.text import plain


class ProgressList(VerticalScroll):
    """Shows one job; the clock ticks once a second while it runs."""

    COMPONENT_CLASSES = LOOKS

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(id="progress", classes="bottom")
        self._now = now
        self._job: ChangeJob | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="progress-body")
        yield Static(id="progress-result")

    def on_mount(self) -> None:
        self._timer = self.set_interval(1.0, self._draw, pause=True)
        self._run_timer()
        self._draw()

    def show(self, job: ChangeJob) -> None:
        """Show `job` as it is now."""
        self._job = job
        if self.is_mounted:
            self._run_timer()
            self._draw()

    def _run_timer(self) -> None:
        if self._timer is None:
            return
        if self._job is not None and self._job.running:
            self._timer.resume()
        else:
            self._timer.pause()

    def _draw(self) -> None:
        job = self._job
        if job is None:
            return
        self.border_title = Content(self._title(job)).markup
        self.query_one("#progress-body", Static).update(self._table(job))
        self.query_one("#progress-result", Static).update(self._result(job))

    def _title(self, job: ChangeJob) -> str:
        what = " ".join([job.request.verb, *job.request.services])
        if job.done is not None:
            how = "done" if job.done.exit_code == 0 else "failed"
            return f"{what} · {how} in {job.done.seconds:.1f} s"
        return f"{what} · pid {job.pid} · {max(self._now() - job.started_at, 0):.0f} s"

    def _table(self, job: ChangeJob) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=11, no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(width=6, justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        began = job.planned.at if job.planned else job.started_at
        names = list(job.planned.services if job.planned else ())
        names += [name for name in job.progress if name not in names]
        for name in names:
            step = job.progress.get(name) or Progress(name, Phase.WAITING, since=began)
            since = began if step.phase.final else step.since
            until = step.at if step.phase.final else self._now()
            look = ink(self, phase_look(step.phase))
            detail = Text(
                plain(step.detail), ink(self, "" if step.phase is Phase.FAILED else QUIET)
            )
            if step.remedy:
                detail.append(f"\n→ {plain(step.remedy)}")
            table.add_row(
                Text(phase_text(step.phase), look),
                Text(plain(name)),
                Text(f"{max(until - since, 0):.0f} s" if job.progress.get(name) else "",
                     ink(self, QUIET)),
                detail,
            )  # fmt: skip
        return table

    def _result(self, job: ChangeJob) -> Text:
        text = Text()
        for note in job.notes:
            text.append(f"· {plain(note)}\n", ink(self, QUIET))
        if job.done is None:
            if not job.progress:
                text.append("beginning…", ink(self, QUIET))
            return text
        good = job.done.exit_code == 0
        message = job.done.message or ("done" if good else f"exit status {job.done.exit_code}")
        text.append(f"{'●' if good else '✗'} {plain(message)}", ink(self, GOOD if good else BAD))
        if job.done.remedy:
            text.append(f"\n→ {plain(job.done.remedy)}")
        return text
