"""What a job did so far, line by line: of an apply, an A/B, a cost, a search."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.tuning.job import TuningJob
from devstack_tui.present.cells import Fact, Span, verdict
from devstack_tui.present.looks import BAD, BUSY, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import plain
from devstack_tui.tuning.events import (
    AbReport,
    AutoCandidate,
    AutoDone,
    AutoPlanned,
    AutoRound,
    Change,
    CostDone,
    CostPhase,
    Note,
    Outcome,
    TuneDone,
    TunePlanned,
    TuneStep,
)

_PHASES = {
    "journal": "write the journal",
    "configure": "write the configuration",
    "live": "set at run time",
    "reload": "reload",
    "restart": "restart",
    "read": "read back",
    "restore": "bring the last good configuration back",
}


def moment(job: TuningJob, now: float) -> str:
    """What it does at this moment."""
    since = f" {max(now - job.phase_since, 0):.0f} s" if job.run is not None else ""
    match job.events[-1] if job.events else None:
        case TuneStep(service=service, phase=phase):
            return plain(f"{_PHASES.get(phase, phase)} {service}")
        case CostPhase(service=service, phase=phase):
            return plain(f"{phase} {service}")
        case AutoRound(round=number, candidates=candidates):
            return f"round {number}, {candidates} candidates"
    if job.run is not None:
        run = job.run
        # A search counts rounds, of which it does not know how many there will be.
        place = f"pair {run.pair}/{run.pairs}" if run.pairs else f"round {run.pair}"
        arm = f"{run.arm.upper()} {run.title}".rstrip()
        return plain(f"{place} {arm} {run.phase}{since}")
    return "beginning"


def change_text(change: Change) -> str:
    """`postgres.shared_buffers 128MB → 1GB, restart`; understood from another text: that too."""
    before, after = change.before or "default", change.after or "default"
    name = f"{change.service}.{change.parameter}"
    written = f" ({change.understood})" if change.understood else ""
    return plain(f"{name} {before} → {after}, {change.apply}{written}")


def story(job: TuningJob) -> Iterator[Fact]:
    """Every line, oldest first."""
    for event in job.events:
        match event:
            case TunePlanned():
                yield from (_line((f"◇ {change_text(one)}", "")) for one in event.changes)
                yield from (_line((f"▲ {plain(text)}", WARN)) for text in event.warnings)
            case TuneStep(service=service, phase=phase, detail=detail):
                look = WARN if phase == "restore" else BUSY
                what = plain(f"{service} {_PHASES.get(phase, phase)}")
                yield _line((f"▶ {what}", look), (_behind(detail), QUIET))
            case Note(text=text):
                yield _line((f"  {plain(text)}", QUIET))
            case TuneDone():
                yield from map(_outcome, event.outcomes)
                yield from _closing(event)
            case CostPhase() | CostDone():
                yield from _cost(event)
            case AutoPlanned() | AutoRound() | AutoCandidate() | AutoDone():
                yield from _search(event)


def _cost(event: CostPhase | CostDone) -> Iterator[Fact]:
    if isinstance(event, CostPhase):
        what = plain(f"{event.service} {event.phase}")
        yield _line((f"▶ {what}", BUSY), (_behind(event.detail), QUIET))
        return
    for report in event.reports:
        good = report.acknowledged and not report.lost
        yield _line((f"{'●' if good else '▲'} {plain(report.sentence)}", GOOD if good else WARN))


def report_story(report: AbReport) -> Iterator[Fact]:
    """The end of an A/B: the verdict, its price, and how to have it again."""
    cell = verdict(report.verdict)
    yield _line((cell.text, cell.look), (f" {plain(report.sentence)}", ""))
    if report.stopped:
        yield _line((f"○ ended before its last pair: {plain(report.stopped)}", WARN))
    for remark in report.remarks:
        yield _line((f"▲ {plain(remark)}", WARN))
    if report.needed_pairs:
        yield _line((f"? about {report.needed_pairs} pairs would decide", WARN))
    for cost in report.costs:
        yield _line((f"▲ {plain(cost)}", WARN))
    for part in report.ablation:
        known = part.low is not None and part.high is not None
        bounds = f" ({part.low:.2f} to {part.high:.2f})" if known else ""
        text = f"without {plain(part.parameter)} ×{part.ratio:.2f}{bounds}"
        yield _line((f"· {text}, {part.pairs} pairs", ""))
    kept = {"a": f"{report.a} (A)", "b": f"{report.b} (B)"}.get(
        report.kept, "the configuration from before"
    )
    yield _line((f"The stack has {plain(kept)}. ", ""), ("k keeps B", KEY if report.b else QUIET))
    for change in report.changes:
        yield _line((f"◇ {change_text(change)}", QUIET))
    if report.command:
        yield _line((f"$ {plain(report.command)}", QUIET))


def _search(event: AutoPlanned | AutoRound | AutoCandidate | AutoDone) -> Iterator[Fact]:
    match event:
        case AutoPlanned():
            text = f"{event.candidates} candidates for {plain(event.workload)}"
            yield _line((f"◇ {text}, {event.budget_s / 60:.0f} min", ""))
        case AutoRound():
            text = f"round {event.round}: {event.candidates} candidates {plain(event.detail)}"
            yield _line((f"▶ {text}", BUSY))
        case AutoCandidate():
            values = plain(" ".join(f"{name}={text}" for name, text in event.values.items()))
            ratio = f"×{event.ratio:.2f}" if event.ratio is not None else "–"
            mark: Span = ("● kept ", GOOD) if event.kept else ("○ out  ", QUIET)
            reason = f" · {plain(event.reason)}" if event.reason else ""
            yield _line(mark, (f"{ratio} in {event.pairs} pairs  {values}{reason}", ""))
        case AutoDone():
            found = event.report
            for name, report in (
                ("baseline", found.against_baseline if found else None),
                ("optimized", found.against_optimized if found else None),
            ):
                if report is not None:
                    cell = verdict(report.verdict)
                    against = f" against {name}: ×{report.ratio:.2f} {plain(report.sentence)}"
                    yield _line((cell.text, cell.look), (against, ""))
            if found is not None:
                yield _line((f"● saved as {plain(found.profile)}: {plain(found.path)}", GOOD))


def _outcome(outcome: Outcome) -> Fact:
    name = plain(f"{outcome.service}.{outcome.parameter}")
    value = f"{plain(outcome.effective)} from {plain(outcome.source)}"
    if outcome.ok:
        return _line((f"● {name} ", GOOD), (value, ""))
    wanted = plain(outcome.wanted or "default")
    reason = f": {plain(outcome.reason)}" if outcome.reason else ""
    return _line((f"✗ {name} ", BAD), (f"is {value}, not {wanted}{reason}", ""))


def _closing(done: TuneDone) -> Iterator[Fact]:
    if done.restored:
        yield _line(("▲ the last good configuration is back", WARN))
    if done.message:
        look = BAD if done.exit_code else GOOD
        mark = "✗" if done.exit_code else "●"
        remedy = f" → {plain(done.remedy)}" if done.remedy else ""
        yield _line((f"{mark} {plain(done.message)}{remedy}", look))
    elif not done.exit_code:
        yield _line((f"● done in {done.seconds:.1f} s", GOOD))


def _behind(detail: str) -> str:
    return f" · {plain(detail)}" if detail else ""


def _line(*spans: Span) -> Fact:
    return Fact("", spans)
