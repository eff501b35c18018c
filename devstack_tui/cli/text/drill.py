"""Drills as text."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.cli.output import Narration
from devstack_tui.contracts.drill import (
    DrillPhase,
    DrillResult,
    Marker,
    Plan,
    RepeatEnded,
    Step,
    total,
)
from devstack_tui.core.check import Result
from devstack_tui.core.units import counted, measured, moment
from devstack_tui.drill.compare import Comparison
from devstack_tui.drill.events import (
    AnyDrillEvent,
    DrillNote,
    DrillReport,
    Spread,
    SweepDone,
    SweepRow,
)

WRAP = 14


class Narrator(Narration):
    """What happens, on stderr."""

    def __call__(self, event: AnyDrillEvent) -> None:
        match event:
            case DrillPhase():
                self.say(f"repeat {event.repeat}: {event.phase}  {event.detail}".rstrip())
            case Marker():
                where = f"{event.kind} {event.node}".rstrip()
                self.say(f"  {event.ms / 1000:+7.3f} s  {where}  {event.text}".rstrip())
            case Step():
                self.say("  " + _step(event.result))
            case RepeatEnded():
                self.say("  " + _outcome(event.result))
            case DrillNote():
                self.say(event.text)
            case SweepRow():
                self.say(_row(event))


def plan_lines(stack: str, plan: Plan) -> Iterator[str]:
    """The plan, before anything is touched."""
    yield f"{plan.drill} on the stack {stack!r}: {plan.fault}, victim {plan.victim}"
    for number, action in enumerate(plan.actions, 1):
        yield f"  {number}. {action}"
    yield "touches:"
    for touched in plan.touches:
        yield f"  {touched}"
    yield "asserts:"
    for step in plan.steps:
        yield f"  {step.id}  {step.title}"
        if step.detail:
            yield f"{'':{WRAP}}{step.detail}"
    limits = ", ".join(f"{name} {value:g}" for name, value in plan.thresholds.items())
    yield f"thresholds: {limits}"
    yield f"takes about {plan.expected_s:.0f} s"
    for note in plan.notes:
        yield f"note: {note}"
    if plan.only_reports:
        yield f"nothing would be broken: {plan.refusal}"
        yield f"  → {plan.remedy}; a run only reports it"
    elif plan.refusal:
        yield f"refused: {plan.refusal}"
        yield f"  → {plan.remedy}"


def report_lines(report: DrillReport) -> Iterator[str]:
    """The steps, each repeat, the spread and the verdict."""
    for step in report.steps:
        yield _step(step)
        if step.remedy:
            yield f"{'':{WRAP}}→ {step.remedy}"
    for result in report.repeats:
        yield f"repeat {result.repeat}: {_outcome(result)}"
        if result.theory:
            yield f"{'':{WRAP}}{result.theory}"
        if result.instrument_cpu:
            yield (
                f"{'':{WRAP}}the instrument used {result.instrument_cpu:.0%} of a core, "
                f"its clock was late by {result.late_ms:.0f} ms at most"
            )
        for note in (*result.notes, *([result.void] if result.void else [])):
            yield f"{'':{WRAP}}{note}"
    if len(report.repeats) > 1:
        for name, spread in report.spread.items():
            yield f"{name:<16} {_spread(spread)}"
    core = ", the core result" if report.core else ""
    yield f"{report.outcome} after {report.seconds:.0f} s (drill {report.id}{core})"


def listed_line(report: DrillReport) -> str:
    """One drill of the history."""
    when = moment(report.started)
    return (
        f"{report.id}  {when}  {report.drill:<18} {report.fault:<10} {report.victim:<14} "
        f"{report.outcome:<13} window {measured(report.write_window_s)}  "
        f"lost {counted(report.lost)}"
    )


def compared_lines(found: Comparison) -> Iterator[str]:
    """B against A, after what makes the two differ anyhow."""
    if found.warning:
        yield f"warning: {found.warning}"
    yield f"{'verdict':<16} {found.verdicts[0]} → {found.verdicts[1]}"
    yield f"{'lost':<16} {counted(found.lost[0])} → {counted(found.lost[1])}"
    for change in found.changes:
        by = "" if change.difference is None else f"{change.difference:+.3f}; "
        yield (
            f"{change.name:<16} {change.a.median:8.3f} → {change.b.median:8.3f} s "
            f"({by}{change.a.count} and {change.b.count} measured)"
        )
    for step in found.steps:
        yield from step.lines


def sweep_lines(done: SweepDone) -> Iterator[str]:
    """A line for each value, and the advice."""
    yield f"{done.setting} against the write window, and false alarms under CPU load"
    yield f"{'value':>8}  {'window (s)':<20} {'expected (s)':<14} {'suspected':>9} failed failovers"
    for row in done.rows:
        yield _row(row)
    yield f"advice: {done.advice if done.advice is not None else 'none'} ({done.reason})"


def _row(row: SweepRow) -> str:
    windows = ", ".join(f"{seconds:.2f}" for seconds in row.write_window_s) or row.verdict
    expected = f"{row.expected[0]:.2f} to {row.expected[1]:.2f}" if row.expected else "none"
    return (
        f"{row.value:>8}  {windows:<20} {expected:<14} {row.suspected:>9} "
        f"{row.failed:>6} {row.failovers:>9}"
    )


def _step(step: Result) -> str:
    return f"{step.status:<13} {step.id}  {step.title}: {step.evidence}"


def _outcome(result: DrillResult) -> str:
    if not result.begun:
        return f"{result.verdict}: nothing was broken, and nothing measured"
    expected = (
        f", expected {result.expected[0]:.2f} to {result.expected[1]:.2f} s"
        if result.expected
        else ""
    )
    return (
        f"{result.verdict}: {result.victim}, write window {measured(result.write_window_s)}"
        f"{expected}, read window {measured(result.read_window_s)}, "
        f"{counted(result.lost)} of "
        f"{counted(total(shard.acknowledged for shard in result.shards))} acknowledged writes "
        f"lost, {counted(total(shard.indeterminate for shard in result.shards))} indeterminate"
    )


def _spread(spread: Spread) -> str:
    return (
        f"median {spread.median:.3f} s, {spread.low:.3f} to {spread.high:.3f}, "
        f"p95 {spread.p95:.3f} of {spread.count}"
    )
