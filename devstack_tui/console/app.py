"""The console: it shows what the command line reports, and runs what the user decides."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from devstack_tui.actions import Action, by_id
from devstack_tui.console import settings
from devstack_tui.console.health.change_job import ChangeJob, ChangeJobs, ChangeRequest
from devstack_tui.console.health.changes import Changed, Followed, Recent
from devstack_tui.console.health.feed import Feed, StatusFeed
from devstack_tui.console.keys import bindings
from devstack_tui.console.pane import Pane
from devstack_tui.console.pane_jobs import Jobs, PaneJob, ask
from devstack_tui.console.registry import CAPABILITIES
from devstack_tui.console.screens.main import MainScreen
from devstack_tui.console.screens.too_small import TooSmallScreen, is_too_small
from devstack_tui.console.theme import OKABE_ITO
from devstack_tui.console.widgets.inert import Inert
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli, Outage, refusal
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import explain
from devstack_tui.jobs.runner import Runner

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.filter import LineFilter

LOG_LINES = 500


def _commands() -> type[Provider]:
    from devstack_tui.console.palette import ActionCommands

    return ActionCommands


class DevstackApp(App[int]):
    """One console on one stack.

    `feed` is where the snapshots come from and `cli` what runs the verbs; by default both are
    children of ours. `now` is the clock, Unix time in seconds.
    """

    TITLE = "devstack"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("app"),
        *(
            Binding(str(number), f"show_pane('{c.id}')", c.title, show=False)
            for number, c in enumerate(CAPABILITIES, 1)
        ),
    ]
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        stack: str,
        feed: Feed | None = None,
        cli: Cli | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._inert = Inert()
        self.stack = stack
        self.now = now
        self.cli = cli or Cli(stack)
        self.feed: Feed = feed or StatusFeed(self.cli)
        self.runner = Runner(self.cli)
        self.jobs = ChangeJobs(self.runner, now)
        self.jobs.on_change = self._job_changed
        self.job_lists: list[Jobs[Any, Any]] = [self.jobs]
        """Of every pane that was ever shown: each is left when the console closes."""
        self.status: StackStatus | None = None
        self.left_running: PaneJob[Any] | None = None
        self._recent = Recent()
        self._followed = Followed()
        self._resting = False
        self._early: list[events.Key] = []
        """Keys of the pane in view that were typed before it had read what it lists."""
        self.register_theme(OKABE_ITO)
        saved = settings.load().theme
        self.theme = saved if saved in self.available_themes else settings.DEFAULT_THEME

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Those of Textual, and ours, for whatever a server, a file or a name says."""
        return [*super().get_line_filters(), self._inert]

    @property
    def main(self) -> MainScreen:
        """The screen below all dialogs."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    def get_default_screen(self) -> Screen[object]:
        """Textual asks for the screen to begin with."""
        return MainScreen(self.stack, self.now)  # type: ignore[return-value]

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            # Tests may run the app outside the main thread, where signals cannot be had.
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self._end_on, number)
        self.cli.report_crashes(
            lambda text: self.notify(text, severity="error", timeout=10, markup=False)
        )
        self.call_after_refresh(self._begin)

    async def on_unmount(self) -> None:
        self.workers.cancel_all()
        left = await asyncio.gather(*(jobs.leave() for jobs in self.job_lists))
        self.left_running = next(filter(None, left), None)
        await self.cli.close()

    # --- snapshots ---------------------------------------------------------------------------

    def _begin(self) -> None:
        self._fit(self.size)
        self.jobs.adopt()
        self.run_worker(self._read_feed(), group="feed", exclusive=True, exit_on_error=False)

    async def _read_feed(self) -> None:
        async with aclosing(self.feed.updates()) as source:
            async for update in source:
                if isinstance(update, Outage):
                    when = f", next try in {update.retry_in:.0f} s" if update.retry_in else ""
                    self.main.show_notice(f"{update.message}{when}", update.remedy)
                    for pane in self.main.panes:
                        if pane.needs_health:
                            pane.has_loaded()
                else:
                    if self.status is None:
                        # What the first picture needs is done: now for the first question.
                        self.run_worker(self.cli.warm_up(), group="warm-up")
                    self.status = update
                    self._observe(update)
                    self.main.show_status(update, self._recent)

    def _observe(self, status: StackStatus) -> None:
        """Have every pane follow what has changed."""
        changed = self._followed.observe(status)
        if changed is Changed.IDENTITY:
            self._recent = Recent()
            for pane in self.main.panes:
                pane.forget()
        self._recent.observe(status)
        if changed is not Changed.NOTHING:
            for pane in self.main.panes:
                pane.outdate()

    @on(MainScreen.VisibilityChanged)
    def _rest_or_resume(self, _event: MainScreen.VisibilityChanged | None = None) -> None:
        # Probes that nobody looks at would only disturb a benchmark. A running job is watched even
        # from behind a dialog.
        unseen = len(self.screen_stack) > 1 or not self.main.pane.needs_health
        rest = unseen and self.jobs.running is None
        if rest != self._resting:
            self._resting = rest
            self.main.show_resting(rest)
            if rest:
                self.feed.pause()
            else:
                self.feed.resume()
        if len(self.screen_stack) == 1:
            self.main.pane.follow()

    def action_refresh(self) -> None:
        """A snapshot now, and what the pane in view shows beside it."""
        self.feed.now()
        self.main.pane.look_again()

    # --- changes -----------------------------------------------------------------------------

    @on(Pane.Change)
    def _wanted(self, event: Pane.Change) -> None:
        self.run_worker(self._change(event.action, event.verb, event.services), group="change")

    async def _change(self, action: Action, verb: str, services: tuple[str, ...]) -> None:
        from devstack_tui.console.screens.confirm import ConfirmScreen, Question

        busy = self._busy()
        if busy:
            self.notify(busy, title="Not now", severity="warning", markup=False)
            return
        what = f"{action.title} {' '.join(services) or self.stack}"
        question = Question(what, action.help, self.stack, action.typed)
        screen = ConfirmScreen(question, lambda: self.cli.plan(verb, services))
        if not await self.push_screen_wait(screen):
            return
        try:
            self.jobs.start(ChangeRequest(verb, services, screen.force))
        except DevstackError as error:
            self.notify(str(error), title="Not now", severity="warning", markup=False)

    def _busy(self) -> str:
        job = self.jobs.running
        if job is not None:
            return f"{job.request.verb} is running (pid {job.pid}): wait for its end"
        status = self.status
        if status is not None and status.busy:
            return f"{status.busy} is running (pid {status.busy_pid}): wait for its end"
        return ""

    def _job_changed(self, job: ChangeJob | None, urgent: bool) -> None:  # noqa: ARG002
        if not self.is_running or job is None:
            return
        for pane in self.main.panes:
            pane.show_job(job)
        if job.done is not None:
            self.feed.now()
            if self.screen is self.main and self.main.pane.shows_job:
                pass
            elif job.done.exit_code:
                message = " → ".join(filter(None, [job.done.message, job.done.remedy]))
                title = f"{job.request.verb} failed"
                self.notify(message, title=title, severity="error", timeout=10, markup=False)
            else:
                self.notify(f"{job.request.verb} is done in {job.done.seconds:.1f} s", markup=False)
        self._rest_or_resume()

    # --- logs --------------------------------------------------------------------------------

    @on(Pane.LogWanted)
    def _log_wanted(self, event: Pane.LogWanted) -> None:
        self.workers.cancel_group(self, "log")
        if event.service is not None:
            work = self._read_log(event.service)
            self.run_worker(work, group="log", exclusive=True, exit_on_error=False)

    async def _read_log(self, service: str) -> None:
        pane = self.main.pane
        words = ("logs", service, "-f", "--lines", str(LOG_LINES), "--jsonl", "--controlled")
        try:
            child = await self.cli.start(*words)
        except DevstackError as error:
            pane.show_log_end(str(error))
            return
        try:
            async for batch in child.batches():
                pane.show_log_lines([line for line in batch if refusal(line) is None])
            pane.show_log_end(f"ended: {(await child.ended()).message}")
        finally:
            await child.close()

    # --- dialogs -----------------------------------------------------------------------------

    def action_help(self) -> None:
        """Every key."""
        from devstack_tui.console.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_show_doctor(self) -> None:
        """What is missing."""
        from devstack_tui.console.health.doctor_screen import DoctorScreen, Findings

        self.push_screen(DoctorScreen(lambda: ask(self.cli, Findings, "doctor")))

    def action_choose_theme(self) -> None:
        """Textual's own list of themes."""
        self.search_themes()

    def action_save_screenshot(self) -> None:
        """The screen as an SVG file in the current directory."""
        name = f"devstack-tui-{self.stack}-{time.strftime('%Y%m%d-%H%M%S')}.svg"
        try:
            path = self.save_screenshot(name, path=str(Path.cwd()))
        except OSError as error:
            text = str(explain(error, "saving the screenshot"))
            self.notify(text, severity="error", markup=False)
        else:
            self.notify(path, title="Saved the screen", markup=False)

    async def action_show_pane(self, name: str) -> None:
        """Bring a capability's pane into view; keys that still wait were meant for the last."""
        self._early.clear()
        await self.main.show_pane(name)
        self._rest_or_resume()

    async def action_run_listed(self, name: str) -> None:
        """Run an action of the registry wherever it belongs."""
        action = by_id(name)
        if action.scope == "app":
            await self.run_action(f"app.{name}")
            return
        pane = self.main.pane
        target = (
            pane if action.scope == pane.id else next(iter(pane.query(f"#{action.scope}")), None)
        )
        if target is None or not target.display:
            self.notify(f"{action.title} works in the {action.scope}: open it first")
            return
        await self.run_action(name, default_namespace=target)

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        shown = isinstance(self.screen, TooSmallScreen)
        if is_too_small(size) and not shown:
            self.push_screen(TooSmallScreen())
        elif shown and not is_too_small(size):
            self.pop_screen()

    def _keep_theme(self, theme: object) -> None:
        name = getattr(theme, "name", self.theme)
        try:
            settings.save(settings.Settings(theme=name))
        except OSError as error:
            text = str(explain(error, "keeping the theme"))
            self.notify(text, severity="warning", markup=False)

    # --- keys --------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A key that no widget took; Textual looks for its action unless it is kept."""
        if self._too_early(event.key):
            self._early.append(event)
            event.prevent_default()

    def _too_early(self, key: str) -> bool:
        if self.screen is not self.main or (self.main.pane.loaded and not self._early):
            return False
        found = self.main.active_bindings.get(key)
        return found is not None and self.main.pane in found.node.ancestors_with_self

    @on(Pane.Loaded)
    async def _act_on_early_keys(self) -> None:
        if not self._early or not self.main.pane.loaded:
            return
        key = self._early.pop(0)
        found = self.screen.active_bindings.get(key.key)
        if found is not None:
            await self.run_action(found.binding.action, found.node)
        elif self.focused is not None:
            self.focused.post_message(events.Key(key.key, key.character))
        self.call_after_refresh(self._next_early_key)

    def _next_early_key(self) -> None:
        # What the last key changed is laid out, and its widget has yet to hear of its new size.
        (self.focused or self.screen).call_later(self._act_on_early_keys)

    # --- ends --------------------------------------------------------------------------------

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            self.notify(f"{event.worker.error}", severity="error", markup=False)
            self.main.pane.has_loaded()

    def _end_on(self, number: signal.Signals) -> None:
        # A terminal that is gone may block our last writes: then leave without them.
        loop = asyncio.get_running_loop()
        loop.call_later(3.0, os._exit, 128 + number)
        self.exit(128 + number, return_code=128 + number)


def run_console(stack: str) -> int:
    """Open the console on `stack` until the user leaves. Returns the exit status."""
    app = DevstackApp(stack)
    app.run()
    job = app.left_running
    if job is not None and job.running:
        sys.stderr.write(f"{job.request.verb} goes on in the background (pid {job.pid})\n")
    return app.return_code or 0
