"""Benchmarks and gates as text and as JSON documents."""

from __future__ import annotations

import argparse

from devstack_tui.bench.events import (
    BenchDone,
    BenchEvent,
    BenchPlanned,
    RegressDone,
    RunEnded,
    RunResult,
    RunStarted,
    WorkloadSummary,
)
from devstack_tui.cli.output import narrate, say
from devstack_tui.contracts.sizes import SIZES, no_verdict
from devstack_tui.present.bench import evenness


def show_event(event: BenchEvent | RegressDone, options: argparse.Namespace) -> None:
    """Show one event: as narration, with the results on stdout unless they come as JSON."""
    match event:
        case BenchPlanned():
            names = ", ".join(event.workloads)
            runs = "1 run" if event.runs == 1 else f"{event.runs} runs"
            each = f"{runs} each" if len(event.workloads) > 1 else runs
            size = event.size if SIZES[event.size].verdict else no_verdict(event.size)
            narrate(f"{each}, {size}, about {event.expected_s:.0f} s: {names}")
        case RunStarted() if event.phase != "running":
            narrate(f"{event.workload} run {event.run} of {event.of}: {event.phase}")
        case RunEnded() if event.result.problem:
            narrate(f"{event.result.workload}: {event.result.problem}")
        case RunEnded():
            narrate(_line(event.result))
        case BenchDone() if not options.json:
            for summary in event.summaries:
                say(_summary(summary))
        case RegressDone() if not options.json:
            _print_checks(event, gate=not options.self_test)


def _print_checks(event: RegressDone, *, gate: bool) -> None:
    for check in event.checks:
        say(f"{check.status:<13} {check.id}  {check.title}: {check.evidence}")
        if check.remedy:
            say(f"{'':13} → {check.remedy}")
    # The self-test's verdict is on the gate: a size decides nothing else there.
    decides = f": {event.message or SIZES[event.size].decides}" if gate else ""
    say(f"{event.verdict} after {event.seconds:.0f} s, {event.size} runs{decides}")


def _line(result: RunResult) -> str:
    ms = result.latency_ms
    bound = "  client-bound" if result.client_bound else ""
    even = f"  {evenness(result)}" if result.dispersion is not None else ""
    errors = f"  {sum(result.errors.values())} errors" if result.errors else ""
    return (
        f"{result.id}  {result.workload:<22} {result.throughput:>12,.1f} {result.unit:<10} "
        f"p50 {ms.p50:.2f}  p95 {ms.p95:.2f}  p99 {ms.p99:.2f}  max {ms.max:.1f} ms"
        f"{even}{errors}{bound}"
    )


def run_line(result: RunResult) -> str:
    """One line for one run."""
    return f"{result.id}  {result.workload}: {result.problem}" if result.problem else _line(result)


def _summary(summary: WorkloadSummary) -> str:
    if summary.problem:
        return f"{summary.workload:<24} {summary.problem}"
    count = len(summary.samples)
    runs = "1 run" if summary.spread is None else f"spread {summary.spread:.1%} of {count} runs"
    return (
        f"{summary.workload:<24} {summary.throughput:>12,.1f} {summary.unit:<10} {runs}, "
        f"p95 {summary.latency_ms.p95:.2f} ms, {summary.engine}"
        + ("  not steady" if summary.steady is False else "")
        + ("  client-bound" if summary.client_bound else "")
    )


def document_of(done: BenchDone) -> dict[str, object]:
    """The document of `bench run --json`."""
    runs = [
        {
            "workload": s.workload,
            "size": s.size,
            "engine": s.engine,
            "throughput": {"median": s.throughput, "unit": s.unit, "samples": s.samples},
            "spread": s.spread,
            "latency_ms": s.latency_ms,
            "errors": s.errors,
            "client_bound": s.client_bound,
            "dispersion": s.dispersion,
            "steady": s.steady,
            "seconds": s.seconds,
            "fingerprint": s.fingerprint,
            "problem": s.problem,
        }
        for s in done.summaries
    ]
    return {"runs": runs, "exit_code": done.exit_code, "seconds": done.seconds}
