"""One line about the checks that run, ran last, or are known."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.security.job import AuditJob
from devstack_tui.console.security.rows import KINDS, NEVER, SIGN, kind
from devstack_tui.core.check import Status
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.text import plain

_BAR = 16
_STYLE = {"pass": "$text-success", "fail": "$text-error", "warn": "$text-warning",
          "error": "$text-error"}  # fmt: skip
_QUIET = "$foreground 60%"


def counts_line(counts: Mapping[str, int]) -> Content:
    """`● 512 pass  ✗ 3 fail …`; what there is none of is left out."""
    parts = [
        Content.styled(f"{SIGN[what]} {counts[what]} {what}", _STYLE.get(what, _QUIET))
        for what in KINDS
        if counts.get(what)
    ]
    return Content("  ").join(parts)


class SecurityProgress(Static):
    """Equal content is not drawn again."""

    def __init__(self) -> None:
        super().__init__(id="security-progress")
        self._line: Content | None = None

    def show(
        self, job: AuditJob | None, counts: Mapping[str, int], now: float, trouble: str
    ) -> None:
        """Show `job`; without one the `counts` of all checks, or the `trouble` with their list."""
        if job is not None and job.running:
            line = _running(job, now)
        elif job is not None:
            line = _ended(job, now)
        elif trouble:
            line = Content.styled(f" ✗ {plain(trouble)}", "$text-error")
        elif counts.get(NEVER) == sum(counts.values()):
            line = Content.styled(
                " No check was made yet: a makes all, g those of the list, r the chosen", _QUIET
            )
        else:
            line = Content.assemble(" ", counts_line(counts))
        if self._line is None or not line.is_same(self._line):
            self._line = line
            self.update(line)


def _running(job: AuditJob, now: float) -> Content:
    made, total = len(job.results), max(job.total, 1)
    full = min(made * _BAR // total, _BAR)
    failed = job.count(Status.FAIL, Status.ERROR)
    warned = job.count(Status.WARN, Status.INCONCLUSIVE)
    if job.stopping:
        head = Content.styled(" ▶ cancelling: what was opened is revoked ", "$text-warning")
    else:
        head = Content.styled(f" ▶ {plain(job.request.title)} ", "$text-accent")
    return Content.assemble(
        head,
        Content.styled("█" * full, "$text-primary"),
        Content.styled("░" * (_BAR - full), "$foreground 40%"),
        Content(f" {made} of {job.total}"),
        Content.styled(f" · ✗ {failed} failed", "$text-error" if failed else _QUIET),
        Content.styled(f" · ▲ {warned}" if warned else "", "$text-warning"),
        Content.styled(f" · {seconds_text(job.elapsed(now))} · x cancels", _QUIET),
    )


def _ended(job: AuditJob, now: float) -> Content:
    took = seconds_text(job.elapsed(now))
    title = plain(job.request.title)
    message, remedy = "", ""
    if job.error is not None:
        message, remedy = job.error.message, job.error.remedy
    elif job.done is not None and job.done.report is None and not job.stopping:
        message, remedy = job.done.message or "ended without a result", job.done.remedy
    if message:
        advice = f" → {plain(remedy)}" if remedy else ""
        return Content.styled(f" ✗ {title}: {plain(message)}{advice}", "$text-error")
    if job.stopping:
        made = f"{len(job.results)} of {job.total} made"
        return Content.styled(f" ○ {title}: cancelled after {took}, {made}", "$text-warning")
    styles = {"PASS": ("●", "$text-success"), "FAIL": ("✗", "$text-error")}
    glyph, style = styles.get(job.verdict, ("?", "$text-warning"))
    made_counts: dict[str, int] = {}
    for row in job.results.values():
        made_counts[kind(row)] = made_counts.get(kind(row), 0) + 1
    return Content.assemble(
        Content.styled(f" {glyph} {plain(job.verdict)} · {title} · {took}  ", style),
        counts_line(made_counts),
    )
