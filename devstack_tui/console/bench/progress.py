"""One line about the benchmark that runs, ran last, or would run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.bench.job import BenchJob, BenchRequest
from devstack_tui.console.bench.rows import error_text
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.text import plain

_BAR = 10


class BenchProgress(Static):
    """Equal content is not drawn again."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(id="bench-progress")
        self._now = now
        self._line: Content | None = None

    def show(self, job: BenchJob | None, waiting: Sequence[BenchRequest], invitation: str) -> None:
        """Show `job`, how many wait after it, or what a start would do."""
        if job is None:
            line = Content.styled(f" {invitation}", "$foreground 60%")
        elif job.running:
            line = self._progress(job, waiting)
        else:
            line = self._ended(job)
        if self._line is None or not line.is_same(self._line):
            self._line = line
            self.update(line)

    def _progress(self, job: BenchJob, waiting: Sequence[BenchRequest]) -> Content:
        now, current = self._now(), job.current
        if job.stopping:
            what = "stopping, its data is removed"
        elif current is None:
            what = f"beginning: {job.request.title}"
        else:
            since = max(now - job.phase_since, 0)
            what = (
                f"{plain(current.workload)} {current.run}/{current.of}"
                f" {plain(current.phase)} {since:.0f} s"
            )
        parts = [Content.styled(f" ▶ {what} ", "$text-accent")]
        elapsed = job.elapsed(now)
        if job.planned is not None and job.planned.expected_s > 0:
            share = min(elapsed / job.planned.expected_s, 1.0)
            full = int(share * _BAR)
            parts.append(Content.styled(" " + "█" * full, "$text-primary"))
            parts.append(Content.styled("░" * (_BAR - full), "$foreground 40%"))
            total = seconds_text(job.planned.expected_s)
            parts.append(Content(f" {seconds_text(elapsed)} of ≈ {total}"))
        else:
            parts.append(Content.styled(f" {seconds_text(elapsed)}", "$foreground 60%"))
        errors = error_text(job.errors)
        if errors:
            parts.append(Content.styled(f" · ✗ {errors}", "$text-error"))
        if waiting:
            parts.append(Content.styled(f" · {len(waiting)} waiting", "$foreground 60%"))
        return Content.assemble(*parts)

    def _ended(self, job: BenchJob) -> Content:
        took = seconds_text(job.elapsed(self._now()))
        title = plain(job.request.title)
        if job.error is not None:
            remedy = f" → {plain(job.error.remedy)}" if job.error.remedy else ""
            text = f" ✗ {title}: {plain(job.error.message)}{remedy}"
            return Content.styled(text, "$text-error")
        if job.stopping:
            return Content.styled(f" ○ {title}: stopped after {took}", "$text-warning")
        if job.gate is not None:
            return Content(f" {plain(job.gate.verdict)} · {title} · {took} · k shows the checks")
        done = job.done
        if done is not None and done.exit_code:
            message = " → ".join(filter(None, [plain(done.message), plain(done.remedy)]))
            message = message or f"exit status {done.exit_code}"
            return Content.styled(f" ✗ {title}: {message}", "$text-error")
        return Content.styled(f" ● {title}: done in {took}", "$text-success")
