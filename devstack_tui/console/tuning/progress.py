"""One line about the tuning that runs, ran last, or could be done."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.tuning.job import TuningJob
from devstack_tui.console.tuning.job_log import moment
from devstack_tui.console.tuning.verdict import Styled, ending
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.text import plain

_BAR = 10


class TuningProgress(Static):
    """Equal content is not drawn again."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(id="tuning-progress")
        self._now = now
        self._line: Content | None = None

    def show(self, job: TuningJob | None, invitation: Styled) -> None:
        """Show `job`, or without one what can be done."""
        if job is None:
            text, style = invitation
            line = Content.styled(f" {text}", style)
        elif job.running:
            line = self._progress(job)
        else:
            text, style = ending(job, self._now())
            line = Content.styled(f" {text}", style)
        if self._line is None or not line.is_same(self._line):
            self._line = line
            self.update(line)

    def _progress(self, job: TuningJob) -> Content:
        now = self._now()
        what = moment(job, now)
        if job.stopping:
            what = "stopping: what it changed is given back"
        parts = [Content.styled(f" ▶ {plain(job.order.title)} · {what} ", "$text-accent")]
        elapsed, expected = job.elapsed(now), job.ab.expected_s if job.ab is not None else 0.0
        if expected > 0 and job.order.what == "ab":
            share = min(elapsed / expected, 1.0)
            full = int(share * _BAR)
            parts.append(Content.styled(" " + "█" * full, "$text-primary"))
            parts.append(Content.styled("░" * (_BAR - full), "$foreground 40%"))
            parts.append(Content(f" {seconds_text(elapsed)} of ≈ {seconds_text(expected)}"))
        else:
            parts.append(Content.styled(f" {seconds_text(elapsed)}", "$foreground 60%"))
        return Content.assemble(*parts)
