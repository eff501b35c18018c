"""One line about the tuning that runs, ran last, or could be done."""

from __future__ import annotations

from textual.content import Content

from devstack_tui.console.job_line import clock
from devstack_tui.console.tuning.job import TuningJob
from devstack_tui.console.tuning.job_log import moment
from devstack_tui.console.tuning.verdict import Styled, ending
from devstack_tui.present.text import plain


def tuning_line(job: TuningJob | None, invitation: Styled, now: float) -> Content:
    """About `job`, or without one what can be done."""
    if job is None or not job.running:
        text, style = invitation if job is None else ending(job, now)
        return Content.styled(f" {text}", style)
    what = "stopping: what it changed is given back" if job.stopping else moment(job, now)
    known = job.ab is not None and job.request.what == "ab"
    return Content.assemble(
        Content.styled(f" ▶ {plain(job.request.title)} · {what} ", "$text-accent"),
        clock(job.elapsed(now), job.ab.expected_s if known and job.ab else 0),
    )
