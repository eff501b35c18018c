"""One line about the checks that run, ran last, or are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from textual.content import Content

from devstack_tui.console.job_line import BAD, GOOD, QUIET, WARN, bar, failed, judged
from devstack_tui.console.security.job import AuditJob
from devstack_tui.console.security.rows import (
    ERROR,
    FAIL,
    KINDS,
    NEVER,
    OPEN,
    PASS,
    SIGN,
    WARNED,
    kind,
)
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.text import plain

_STYLE = {PASS: GOOD, FAIL: BAD, WARNED: WARN, OPEN: WARN, ERROR: BAD}


def counts_line(counts: Mapping[str, int]) -> Content:
    """`● 512 pass  ✗ 3 fail …`; what there is none of is left out."""
    parts = [
        Content.styled(f"{SIGN[what]} {counts[what]} {what}", _STYLE.get(what, QUIET))
        for what in KINDS
        if counts.get(what)
    ]
    return Content("  ").join(parts)


def audit_line(
    job: AuditJob | None, counts: Mapping[str, int], now: float, trouble: str
) -> Content:
    """About `job`; without one the `counts` of all checks, or the `trouble` with their list."""
    if job is not None:
        return _running(job, now) if job.running else _ended(job, now)
    if trouble:
        return Content.styled(f" ✗ {plain(trouble)}", BAD)
    if not counts:
        return Content.styled(" The checks are being listed …", QUIET)
    if counts.get(NEVER) == sum(counts.values()):
        return Content.styled(
            " No check was made yet: a makes all, g those of the list, r the chosen", QUIET
        )
    return Content.assemble(" ", counts_line(counts))


def _running(job: AuditJob, now: float) -> Content:
    made, total = len(job.results), max(job.total, 1)
    if job.stopping:
        head = Content.styled(" ▶ cancelling: what was opened is revoked ", WARN)
    else:
        head = Content.styled(f" ▶ {plain(job.request.title)} ", "$text-accent")
    return Content.assemble(
        head,
        bar(made / total, 16),
        Content(f" {made} of {job.total}"),
        Content(" · " if job.results else ""),
        counts_line(_counts(job)),
        Content.styled(f" · {seconds_text(job.elapsed(now))} · x cancels", QUIET),
    )


def _ended(job: AuditJob, now: float) -> Content:
    elapsed, title = seconds_text(job.elapsed(now)), plain(job.request.title)
    if job.error is not None:
        return failed(title, job.error.message, job.error.remedy)
    if job.done is not None and job.done.report is None and not job.stopping:
        return failed(title, job.done.message or "ended without a result", job.done.remedy)
    if job.stopping:
        made = f"{len(job.results)} of {job.total} made"
        return Content.styled(f" ○ {title}: cancelled after {elapsed}, {made}", WARN)
    text, style = judged(job.verdict)
    return Content.assemble(
        Content.styled(f" {text} · {title} · {elapsed}  ", style), counts_line(_counts(job))
    )


def _counts(job: AuditJob) -> dict[str, int]:
    return Counter(kind(row) for row in job.results.values())
