"""One line about the benchmark that runs, ran last, or would run."""

from __future__ import annotations

from textual.content import Content

from devstack_tui.console.bench.job import BenchJob
from devstack_tui.console.bench.rows import error_text
from devstack_tui.console.job_line import BAD, GOOD, QUIET, WARN, clock, failed, judged
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.text import plain

RECORDS = "B records one (s: the size)"


def bench_line(job: BenchJob | None, waiting: int, invitation: str, now: float) -> Content:
    """About `job` and how many wait after it; without a job, what a start would do."""
    if job is None:
        return Content.styled(f" {invitation}", QUIET)
    return _running(job, waiting, now) if job.running else _ended(job, now)


def _running(job: BenchJob, waiting: int, now: float) -> Content:
    current = job.current
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
    errors = error_text(job.errors)
    return Content.assemble(
        Content.styled(f" ▶ {what} ", "$text-accent"),
        clock(job.elapsed(now), job.planned.expected_s if job.planned else 0),
        Content.styled(f" · ✗ {errors}" if errors else "", BAD),
        Content.styled(f" · {waiting} waiting" if waiting else "", QUIET),
    )


def _ended(job: BenchJob, now: float) -> Content:
    elapsed, title = seconds_text(job.elapsed(now)), plain(job.request.title)
    if job.error is not None:
        return failed(title, job.error.message, job.error.remedy)
    if job.stopping:
        return Content.styled(f" ○ {title}: stopped after {elapsed}", WARN)
    if job.gate is not None and job.gate.message:
        return failed(title, job.gate.message, RECORDS)
    if job.gate is not None:
        text, style = judged(job.gate.verdict)
        return Content.styled(f" {text} · {title} · {elapsed} · k shows the checks", style)
    done = job.done
    if done is not None and done.exit_code:
        return failed(title, done.message or f"exit status {done.exit_code}", done.remedy)
    return Content.styled(f" ● {title}: done in {elapsed}", GOOD)
