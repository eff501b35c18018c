"""Health: the table of services above, and below it details, a log, or a running job."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import DataTable, Static

from devstack_tui.actions import by_id
from devstack_tui.console.health.change_job import ChangeJob
from devstack_tui.console.health.changes import Recent
from devstack_tui.console.health.detail import DetailPanel
from devstack_tui.console.health.log_buffer import Line
from devstack_tui.console.health.log_view import LogView
from devstack_tui.console.health.progress import ProgressList
from devstack_tui.console.health.table import HealthTable
from devstack_tui.console.keys import bindings
from devstack_tui.console.pane import Pane
from devstack_tui.console.widgets.status_line import STALE_S
from devstack_tui.contracts.model import LogLine, ServiceStatus, StackStatus
from devstack_tui.core import codec
from devstack_tui.present.text import ago


class HealthPane(Pane):
    """Decides what is shown; what has to be done it asks of the app."""

    BINDINGS = bindings("health")
    needs_health = True

    def __init__(self, id: str = "health") -> None:
        super().__init__(id=id)
        self._status: StackStatus | None = None
        self._recent = Recent()
        self._job: ChangeJob | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="needs-healing", markup=False)
        yield HealthTable()
        yield DetailPanel()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._age)

    @property
    def selected(self) -> ServiceStatus | None:
        """The service under the cursor, as of the last snapshot."""
        name = self.query_one(HealthTable).selected
        return self._status.get(name) if self._status is not None and name else None

    def show_status(self, status: StackStatus, recent: Recent) -> None:
        """Show a snapshot."""
        self._status, self._recent = status, recent
        notes = self.query_one("#needs-healing", Static)
        others = status.notes[1:]  # the first is below the status line, in every pane
        notes.update("\n".join(others))
        notes.display = bool(others)
        self.query_one(HealthTable).show_services(status.services)
        self._show_selected()
        self.has_loaded()
        self._age()

    def _age(self) -> None:
        """Grey, and with its age, is what is not of now."""
        age = self.app_now() - self._status.at if self._status is not None else 0.0
        old = age > STALE_S
        self.query_one(HealthTable).show_old(old)
        detail = self.query_one(DetailPanel)
        detail.set_class(old, "-old")
        detail.border_subtitle = ago(age) if old else ""

    def show_job(self, job: ChangeJob) -> None:
        """Show a job; a new one comes into view by itself."""
        new = self._job is not job
        self._job = job
        shown = self.query(ProgressList)
        if shown:
            shown.first().show(job)
        if new:
            self.call_next(self.action_show_progress)

    @property
    def shows_job(self) -> bool:
        """Whether the progress list is in view."""
        shown = self.query(ProgressList)
        return bool(shown) and shown.first().display

    def show_log_lines(self, lines: list[bytes]) -> None:
        """Add lines to the open log; what is no log line stands as it is."""
        made = []
        for raw in lines:
            try:
                line = codec.decode(raw, LogLine)
                made.append(Line(line.unit, line.line))
            except ValueError:
                made.append(Line("", raw.decode("utf-8", "replace")))
        view = self._log
        if view is not None and made:
            if len({line.unit for line in made} | {view.service}) == 1:
                made = [Line("", line.text) for line in made]
            view.add(made)

    def show_log_end(self, message: str) -> None:
        """Say in the log's frame why nothing more comes."""
        if self._log is not None:
            self._log.end(message)

    @on(DataTable.RowHighlighted)
    def _row_changed(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._show_selected()

    def action_stack_up(self) -> None:
        """Start everything."""
        self._change("stack_up", "up")

    def action_stack_down(self) -> None:
        """Stop everything."""
        self._change("stack_down", "down")

    def action_service_start(self) -> None:
        """Start the selected service."""
        self._change_selected("service_start", "up")

    def action_service_stop(self) -> None:
        """Stop the selected service."""
        self._change_selected("service_stop", "down")

    def action_service_restart(self) -> None:
        """Restart the selected service."""
        self._change_selected("service_restart", "restart")

    def action_service_rotate(self) -> None:
        """Give the selected service another certificate."""
        self._change_selected("service_rotate", "certs rotate")

    def action_copy_endpoint(self) -> None:
        """Copy host and port."""
        self._copy("endpoint", self.selected.endpoint if self.selected else "")

    def action_copy_connect(self) -> None:
        """Copy the command that connects."""
        self._copy("command", self.selected.connect if self.selected else "")

    async def action_show_logs(self) -> None:
        """Open the selected service's log, or close it if it is open."""
        service = self.selected
        if service is None:
            self._unknown()
            return
        view = self._log
        if view is not None and view.display and view.service == service.name:
            await self.action_show_details()
            return
        if view is None:
            view = LogView()
            view.open(service.name)
            await self.mount(view)
        else:
            view.open(service.name)
        self._bring(view)
        self.post_message(self.LogWanted(service.name))

    async def action_show_progress(self) -> None:
        """Show the job."""
        if self._job is None:
            self.notify("No up, down or restart was run from this console yet")
            return
        shown = self.query(ProgressList)
        if shown:
            progress = shown.first()
        else:
            progress = ProgressList(self.app_now)
            await self.mount(progress)
        progress.show(self._job)
        self._bring(progress)
        if not self.query_one(HealthTable).has_focus_within:
            self.query_one(HealthTable).focus()

    async def action_show_details(self) -> None:
        """Back to the details; an open log ends."""
        if self._log is not None and self._log.display:
            self.post_message(self.LogWanted(None))
        self._bring(self.query_one(DetailPanel))
        self.query_one(HealthTable).focus()

    @property
    def _log(self) -> LogView | None:
        found = self.query(LogView)
        return found.first() if found else None

    def app_now(self) -> float:
        """Unix time, from the app's clock."""
        now: float = getattr(self.app, "now", lambda: 0.0)()
        return now

    def _bring(self, wanted: Widget) -> None:
        for widget in self.query(".bottom"):
            widget.display = widget is wanted

    def _show_selected(self) -> None:
        service = self.selected
        if service is not None and self._status is not None:
            changes = self._recent.of(service.name)
            self.query_one(DetailPanel).show(service, self._status.at, changes)

    def _change(self, action: str, verb: str, *services: str) -> None:
        self.post_message(self.Change(by_id(action), verb, services))

    def _change_selected(self, action: str, verb: str) -> None:
        service = self.selected
        if service is None:
            self._unknown()
        else:
            self._change(action, verb, service.name)

    def _unknown(self) -> None:
        self.notify("The services are not known yet", title="Not now", severity="warning")

    def _copy(self, what: str, text: str) -> None:
        if not text:
            self.notify(f"This service has no {what}", severity="warning")
            return
        self.app.copy_to_clipboard(text)
        self.notify(text, title=f"Copied the {what}", markup=False)
