"""A/B, cost and search as text: narration on stderr, what was found on stdout."""

from __future__ import annotations

import time
from collections.abc import Sequence

from devstack_tui.cli.output import narrate, say
from devstack_tui.tuning.events import (
    AbPair,
    AbPlanned,
    AbReport,
    AbRun,
    AutoCandidate,
    AutoPlanned,
    AutoReport,
    AutoRound,
    Change,
    CostPhase,
    CostReport,
    Note,
    TuneEvent,
)

ARMS = {"a": "A", "b": "B", "c": "C"}


def narrate_event(event: TuneEvent) -> None:
    """One event on stderr, if there is anything to say of it."""
    for line in _lines(event):
        narrate(line)


def _lines(event: TuneEvent) -> list[str]:
    match event:
        case AbPlanned():
            return _plan(event)
        case AbRun():
            # A search counts rounds, of which it does not know how many there will be.
            place = f"{event.pair} of {event.pairs}" if event.pairs else f"round {event.pair}"
            arm = f"{ARMS.get(event.arm, event.arm)} {event.title}".rstrip()
            return [f"{place}  {arm}: {event.phase}"]
        case AbPair():
            return [_pair(event)]
        case CostPhase():
            return [f"{event.service}: {event.phase}" + (f" ({event.detail})" * bool(event.detail))]
        case Note():
            return [event.text]
    return _searching(event)


def _searching(event: TuneEvent) -> list[str]:
    match event:
        case AutoPlanned():
            durable = ", nothing that a crash could lose" if event.durable else ""
            return [
                f"{event.candidates} candidates for {event.workload} ({event.size}){durable}: "
                f"{_span(event.budget_s)}, of which {_span(event.confirm_s)} are for the proof"
            ]
        case AutoRound():
            return [f"round {event.round}: {event.candidates} × {event.detail}"]
        case AutoCandidate():
            values = ", ".join(f"{name}={text}" for name, text in event.values.items())
            ratio = "" if event.ratio is None else f" × {event.ratio:.3f} of {event.pairs} runs"
            mark = "+" if event.kept else "-"
            reason = "" if event.kept else f"  ({event.reason})"
            return [f"  {mark} {values}{ratio}{reason}"]
    return []


def _pair(event: AbPair) -> str:
    until = ""
    if event.ends_at is not None and event.ends_at > time.time() + 1:
        until = f", {_span(event.ends_at - time.time())} left"
    return (
        f"pair {event.pair}: A {event.a:,.1f}, B {event.b:,.1f}, × {event.ratio:.3f}; "
        f"all pairs × {event.estimate:.3f} {interval(event.low, event.high)}{until}"
    )


def _plan(plan: AbPlanned) -> list[str]:
    lines = [f"{plan.workload} ({plan.size}): A {plan.a}, B {plan.b}"]
    lines += [f"  {_change(change)}" for change in plan.changes]
    seen = (
        f"a gain of {plan.detectable:.0%} or more is seen four times out of five"
        if plan.detectable is not None
        else "no earlier run reports the spread yet"
    )
    more = f", up to {plan.most_pairs} if those do not decide" * (plan.most_pairs > plan.pairs)
    count = f"{plan.pairs} pair" + ("" if plan.pairs == 1 else "s")
    lines.append(f"{count}, about {_span(plan.expected_s)}{more}; {seen}")
    return lines


def _change(change: Change) -> str:
    before, after = change.before or "default", change.after or "default"
    return f"{change.parameter}: {before} → {after} ({change.apply})"


def print_report(report: AbReport) -> None:
    """The report of an A/B; it ends with its sentence, and what B can lose."""
    unit = report.unit
    for number, (a, b) in enumerate(report.samples, start=1):
        say(f"pair {number:>3}  A {a:>12,.1f}  B {b:>12,.1f} {unit}  × {b / a:.3f}")
    if report.p99_ratio is not None:
        say(f"p99 latency: × {report.p99_ratio:.2f}")
    for row in report.ablation:
        say(
            f"without {row.parameter}: B is × {row.ratio:.3f} "
            f"{interval(row.low, row.high)} of {row.pairs} pairs"
        )
    for remark in report.remarks:
        say(remark)
    if report.stopped:
        say(f"ended early: {report.stopped}")
    say(f"the stack has {_kept_configuration(report)}; again: {report.command}")
    say(report.sentence)
    for cost in report.costs:
        say(cost)


def _kept_configuration(report: AbReport) -> str:
    kept = {"a": report.a, "b": report.b}
    return kept.get(report.kept, "its previous values")


def print_costs(reports: Sequence[CostReport]) -> None:
    """One block a service."""
    for one in reports:
        say(f"{one.service} ({one.profile}): {one.sentence}")
        say(
            f"  {one.acknowledged:,} acknowledged at {one.rate:,.0f}/s, "
            f"{one.indeterminate} never answered, back after {one.recovery_s:.1f} s"
        )
        if one.relaxed:
            say(f"  relaxed: {', '.join(one.relaxed)}")


def print_auto(report: AutoReport) -> None:
    """What was found, and the proof."""
    for name, text in report.values.items():
        say(f"  {name} = {text}")
    for one in (report.against_optimized, report.against_baseline):
        if one is not None:
            say(one.sentence)
    saved = f"saved as {report.profile} ({report.path})" if report.path else "not saved"
    say(f"{report.tried} configurations in {_span(report.seconds)}; {saved}")


def interval(low: float | None, high: float | None) -> str:
    """`[1.38 … 1.46]`, or that there is none."""
    return f"[{low:.2f} … {high:.2f}]" if low is not None and high is not None else "[no interval]"


def _span(seconds: float) -> str:
    """As exact as an estimate is: `85 s`, `1 min 40 s`, `12 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds >= 600:
        return f"{seconds / 60:.0f} min"
    minutes, rest = divmod(round(seconds / 5) * 5, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
