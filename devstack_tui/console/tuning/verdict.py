"""Verdicts of the tuning as a glyph, a word and a style: of memory, of an A/B, of a job's end."""

from __future__ import annotations

from devstack_tui.console.job_line import BAD, GOOD, WARN, with_remedy
from devstack_tui.console.tuning.job import Done, TuningJob
from devstack_tui.core.plot import seconds_text
from devstack_tui.present.cells import verdict
from devstack_tui.present.text import memory, plain
from devstack_tui.tuning.events import AbReport, AutoDone, AutoReport, Budget, CostDone, TuneDone

Styled = tuple[str, str]
"""A text and its style."""


def memory_verdict(budget: Budget) -> Styled:
    """Whether the stack fits."""
    if budget.sure > budget.limit:
        return f"✗ does not fit: {memory(budget.sure - budget.limit)} too much", BAD
    if budget.worst > budget.limit:
        return f"▲ {memory(budget.worst - budget.limit)} too much at its worst", WARN
    return "● fits", GOOD


def ab_sentence(report: AbReport) -> str:
    """`▲ IMPROVED ×1.41 (1.38 to 1.44)`, or the report's own sentence behind the verdict."""
    head = verdict(report.verdict).text
    if report.sentence:
        return f"{head}: {plain(report.sentence)}"
    low, high = report.interval
    known = low is not None and high is not None
    bounds = f" ({low:.2f} to {high:.2f})" if known else ""
    return f"{head} ×{report.ratio:.2f}{bounds} in {report.pairs} pairs"


def ab_style(report: AbReport) -> str:
    """Of an A/B's verdict."""
    styles = {"IMPROVED": GOOD, "REGRESSED": BAD, "INCONCLUSIVE": WARN}
    return styles.get(report.verdict, "")


def ending(job: TuningJob, now: float) -> Styled:
    """How a job has ended, in a sentence with its remedy."""
    title = plain(job.request.title)
    if job.error is not None:
        return f"✗ {title}: {with_remedy(job.error.message, job.error.remedy)}", BAD
    if job.request.what == "ab" and job.report is not None:
        return ab_sentence(job.report), ab_style(job.report)
    if isinstance(job.done, AutoDone) and job.done.report is not None:
        proof = job.done.report.against_baseline
        if proof is not None:
            return _search_sentence(job.done.report, proof)
    if job.stopping:
        elapsed = seconds_text(job.elapsed(now))
        return f"○ {title}: stopped after {elapsed}, what it changed is restored", WARN
    if job.done is None or job.done.exit_code:
        return f"✗ {title}: {_failure(job.done)}", BAD
    return _success(job.done, title, seconds_text(job.elapsed(now)))


def _search_sentence(found: AutoReport, proof: AbReport) -> Styled:
    """What the proof shows of what was found; against `optimized` where it is worse than that."""
    other = found.against_optimized
    if other is not None and other.verdict == "REGRESSED":
        proof = other
    saved = f"profile {plain(found.profile)} is saved" if found.path else "no profile is saved"
    return f"{ab_sentence(proof)} · {saved}, {found.tried} tried", ab_style(proof)


def _failure(done: Done | None) -> str:
    if done is None:
        return "ended without a result"
    text = with_remedy(done.message, done.remedy) or f"exit status {done.exit_code}"
    restored = isinstance(done, TuneDone) and done.restored
    return f"{text} · the last good configuration is back" if restored else text


def _success(done: Done, title: str, elapsed: str) -> Styled:
    if isinstance(done, CostDone) and done.reports:
        lost = any(report.lost for report in done.reports)
        mark = "▲" if lost else "●"
        return f"{mark} {' · '.join(cost_sentences(done))}", WARN if lost else GOOD
    if isinstance(done, AutoDone) and done.report is not None:
        found = done.report
        return f"● {title}: profile {plain(found.profile)} found, {found.tried} tried", GOOD
    if isinstance(done, TuneDone):
        elapsed = f"{done.seconds:.1f} s"
    return f"● {title}: done in {elapsed}", GOOD


def cost_sentences(done: CostDone) -> tuple[str, ...]:
    """One for each service."""
    return tuple(
        plain(f"{report.service} ({report.profile} values) {report.sentence}")
        for report in done.reports
    )
