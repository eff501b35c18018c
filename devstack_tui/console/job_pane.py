"""What every pane with jobs shares: lists, drawing, notices about ended jobs, saved files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from devstack_tui.console.pane import Pane
from devstack_tui.console.pane_jobs import Jobs, PaneJob
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.files import explain
from devstack_tui.present.text import plain

AGES_S = 30.0
"""How often the ages are written anew while nothing else happens."""


class JobPane(Pane):
    """A pane that starts jobs. It decides what is shown; drawn is only what somebody can see."""

    BEAT_S: ClassVar[float] = 1.0
    TITLE: ClassVar[str] = ""

    jobs: Jobs[Any, Any]
    view: Any

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._stale = True
        self._drawn_at = 0.0
        self._reported: PaneJob[Any] | None = None

    def setup(self) -> None:
        """Make `jobs` and what is shown of them; the widgets are there."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw everything."""
        raise NotImplementedError

    def job_ended(self, job: Any) -> tuple[str, bool] | None:
        """The notice about a job that ended unseen, and whether the job failed."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.setup()
        self.owner.job_lists.append(self.jobs)
        self.jobs.on_change = self._changed
        self.set_interval(self.BEAT_S, self.beat)
        self.jobs.adopt()
        self.look_again()
        self.redraw()

    def on_show(self) -> None:
        self._stale = True
        self.beat()

    @property
    def busy(self) -> bool:
        """A job is not disturbed; what it changes is read at its end."""
        return self.jobs.running is not None

    def forget(self) -> None:
        """Of the stack that is gone nothing is shown."""
        self.workers.cancel_group(self, f"{self.id}-list")
        self.jobs.forget()
        self.view.forget()
        self._stale = True
        self.beat()

    def look_again(self) -> None:
        """Read again what the pane lists."""
        self.run_worker(self._load(), group=f"{self.id}-list", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        try:
            await self.jobs.load()
            self.view.trouble = ""
        except DevstackError as error:
            self.view.trouble = " → ".join(filter(None, [error.message, error.remedy]))
        self._stale = True
        self.beat()
        self.has_loaded()

    def _changed(self, job: PaneJob[Any] | None, urgent: bool) -> None:
        self._stale = True
        if job is not None and not job.running and job is not self._reported:
            self._reported = job
            self._report(job)
        if urgent:
            self.beat()
        if job is None:
            self.follow()

    def _report(self, job: PaneJob[Any]) -> None:
        notice = self.job_ended(job)
        if notice is not None and not self.on_screen:
            self.notify(
                plain(notice[0]),
                title=self.TITLE,
                severity="error" if notice[1] else "information",
                timeout=10,
                markup=False,
            )

    def beat(self) -> None:
        """Draw what has changed; a running job's clock, and ages, move without news."""
        if (self._stale or self.jobs.running is not None or self.aged) and self.on_screen:
            self.redraw()

    @property
    def aged(self) -> bool:
        """Whether the ages that are shown may be others by now."""
        return self.owner.now() - self._drawn_at > AGES_S

    def redraw(self) -> None:
        """Draw now."""
        self._stale = False
        self._drawn_at = self.owner.now()
        self.draw()

    def refuse(self, text: str) -> None:
        """Say why something cannot be done now."""
        self.notify(plain(text), title="Not now", severity="warning", markup=False)

    def save(self, name: str, content: bytes) -> None:
        """Save a file in the current directory, and say where."""
        path = Path.cwd() / name.replace("/", "_")
        try:
            path.write_bytes(content)
        except OSError as error:
            text = str(explain(error, f"saving {path.name}"))
            self.notify(text, severity="error", markup=False)
        else:
            self.notify(str(path), title="Saved", markup=False)
