"""What the history keeps, read tolerantly: only the keys of the CLI's contract that are needed.

A kind that is not known here is read by the keys that every gate has (`verdict`, `checks`).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from devstack_tui.contracts import sizes
from devstack_tui.core import codec
from devstack_tui.core.check import Result, Status, verdict
from devstack_tui.core.errors import command, for_stack
from devstack_tui.core.history import Row
from devstack_tui.core.units import counted as how_many
from devstack_tui.core.units import measured
from devstack_tui.report.core_checks import checks
from devstack_tui.report.model import MEASURED, Interval, Item, Series
from devstack_tui.report.shapes import (
    AbDoc,
    AutoDoc,
    BenchDoc,
    CheckDoc,
    CostDoc,
    DrillDoc,
    GateDoc,
)
from devstack_tui.stack.basis import Basis

BENCH, REGRESS, DRILL, CHECK = "bench", "regress", "drill", "check"
AB, COST, AUTO = "ab", "cost", "auto"
SELF_TEST = "self-test"
BESIDE = "beside the core result, which is that of SIGKILL of two masters"
CORE = frozenset(check.id for check in checks())
USUAL = "first,second"
"""The victim of a drill that nobody chose: it is not named."""
UNHURT = (Status.PASS, Status.SKIPPED)
"""Nothing is to be mended then."""
KNOWN = (CHECK, REGRESS, DRILL, BENCH, AB, COST, AUTO)
"""In the order of the report."""
MEASURING = (BENCH, AB, COST, AUTO)
AGELESS = (AB, COST, AUTO)
"""They compare settings of their own, whatever is in force now."""


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one suite, whatever kind it is. `subject` is the suite's name."""

    kind: str
    subject: str
    id: str
    at: float
    verdict: str
    figures: str
    fingerprint: str
    command: str
    results: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()
    series: Series | None = None
    interval: Interval | None = None
    basis: Basis | None = None
    beside: str = ""
    """Why it decides no core check; empty where it does."""
    run: int = 1
    throughput: float = 0.0


def read(row: Row, stack: str) -> list[RunDocument]:
    """The runs of one document: one, of an audit one for each suite in it.

    Raises `ValueError` for a document that has not the keys of its kind.
    """
    return _READERS.get(row.kind, _gate)(row, stack)


def worst(statuses: Iterable[str]) -> str:
    """All together, as `core.check.verdict` decides it; a word that is no status is undecided."""
    known = set(Status)
    found = (Status(one) if one in known else Status.INCONCLUSIVE for one in statuses)
    return str(verdict(Result("", "", status, "") for status in found))


def counted(items: Iterable[Item]) -> dict[str, int]:
    """How many have which status."""
    return in_order(item.status for item in items)


def in_order(statuses: Iterable[str]) -> dict[str, int]:
    """How often each is there, in the order of `Status`; other words after them."""
    found = Counter(statuses)
    order = {str(status): place for place, status in enumerate(Status)}
    return {name: found[name] for name in sorted(found, key=lambda n: (order.get(n, 99), n))}


def counts_text(counts: dict[str, int]) -> str:
    """`21 PASS, 2 FAIL`."""
    return ", ".join(f"{count:,} {status}" for status, count in counts.items())


def _items(found: Sequence[CheckDoc], at: float, stack: str) -> tuple[Item, ...]:
    return tuple(
        Item(
            *(one.id, one.title, one.status, one.evidence),
            "" if one.status in UNHURT else for_stack(one.remedy, stack),
            *(one.severity, one.core, one.proven, one.at or at),
            service=one.service,
            declared=one.declared,
        )
        for one in found
        if one.status is not None
    )


def _sized(name: str, size: str) -> str:
    return name if size in ("", "full") else f"{name} ({size})"


def _ran(row: Row, subject: str, found: str, figures: str, again: str, **more: Any) -> RunDocument:
    return RunDocument(
        kind=row.kind,
        subject=subject,
        id=row.id,
        at=row.started,
        verdict=found,
        figures=figures,
        fingerprint=row.fingerprint,
        command=again,
        **more,
    )


def _gate(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, GateDoc)
    items = _items(found.checks, row.started, stack)
    figures = counts_text(counted(items))
    name = _sized(row.name or row.kind, row.size)
    again = found.command or command(stack, row.kind)
    return [
        _ran(
            row,
            name,
            found.verdict,
            figures,
            again,
            results=items,
            notes=found.notes,
            basis=found.basis,
        )
    ]


def _regress(row: Row, stack: str) -> list[RunDocument]:
    (made,) = _gate(row, stack)
    flag = ("--self-test",) if row.name == SELF_TEST else ()
    again = command(stack, "regress", *flag, *sizes.words(row.size))
    size = sizes.SIZES.get(row.size)
    decides = (size and size.core) or row.name == SELF_TEST
    beside = "" if decides else f"{row.size}: does not decide"
    return [replace(made, command=again, beside=beside)]


def _check(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, GateDoc)
    suites: dict[str, list[CheckDoc]] = {}
    for one in found.checks:
        suites.setdefault(one.suite or one.id.partition(".")[0], []).append(one)
    made = []
    for suite, listed in suites.items():
        items = _items(listed, row.started, stack)
        if items:
            summary = worst(item.status for item in items)
            again = command(stack, "check", "run", suite)
            figures, notes = counts_text(counted(items)), found.notes
            more = {"results": items, "notes": notes, "basis": found.basis}
            made.append(_ran(row, suite, summary, figures, again, **more))
    return made


def _drill(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, DrillDoc)
    items = _items(found.steps, row.started, stack)
    figures = f"{_writes(found)}; {counts_text(counted(items))}"
    words = ["drill", "run", row.name]
    words += ["--fault", found.fault] if found.fault else []
    words += ["--victim", found.victim] if found.victim else []
    # One victim's failure is not another's, nor is it mended by the core result.
    own = found.victim in (USUAL, row.name.partition(".")[0])
    subject = " ".join(filter(None, (row.name, found.fault, "" if own else found.victim)))
    beside = "" if found.core or not any(item.id in CORE for item in items) else BESIDE
    again = command(stack, *words)
    more = {"results": items, "basis": found.basis, "beside": beside}
    return [_ran(row, subject, found.verdict, figures, again, **more)]


def _writes(found: DrillDoc) -> str:
    """What became of writes and reads; not a count where nothing was written."""
    if found.write_window_s is found.lost is None:
        return "nothing was measured"
    return (
        f"write window {measured(found.write_window_s)}, read window "
        f"{measured(found.read_window_s)}, {how_many(found.lost)} lost, "
        f"{how_many(found.resurrected)} resurrected, "
        f"{how_many(found.indeterminate)} indeterminate"
    )


def _bench(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, BenchDoc)
    late = found.latency_ms
    figures = found.problem or (
        f"{found.throughput:,.0f} {found.unit}, p50 {late.p50:.2f}, p95 {late.p95:.2f}, "
        f"p99 {late.p99:.2f} ms"
    )
    notes = []
    if errors := ", ".join(f"{name} {count:,}" for name, count in found.errors.items() if count):
        notes.append(f"errors: {errors}")
    if found.client_bound:
        notes.append("the client was the limit")
    columns = zip(*((t.throughput, t.p50, t.p95, t.p99) for t in found.ticks), strict=True)
    series = Series(found.unit, *columns) if found.ticks else None
    summary = str(Status.ERROR) if found.problem else MEASURED
    again = command(stack, "bench", "run", row.name, *sizes.words(row.size))
    name = _sized(row.name, row.size)
    more = {"notes": tuple(notes), "series": series, "basis": found.basis, "run": found.run}
    sample = 0.0 if found.problem else found.throughput
    return [_ran(row, name, summary, figures, again, throughput=sample, **more)]


def made_together(runs: Sequence[RunDocument]) -> Sequence[RunDocument]:
    """The runs of a benchmark, newest first, that one command made: down to its first."""
    first = next((place for place, ran in enumerate(runs) if ran.run == 1), 0)
    alike = [ran for ran in runs[: first + 1] if ran.fingerprint == runs[0].fingerprint]
    return alike if runs[0].kind == BENCH else runs[:1]


def median(runs: Sequence[RunDocument]) -> RunDocument:
    """The run in the middle by its throughput, the slower one of two; of runs with problems, the
    last."""
    measured = sorted((ran for ran in runs if ran.throughput), key=lambda ran: ran.throughput)
    return measured[(len(measured) - 1) // 2] if measured else runs[0]


def median_figures(runs: Sequence[RunDocument]) -> str:
    """The median throughput of several runs with its range, and the latencies of that in the
    middle; of one run, its figures."""
    samples = [ran.throughput for ran in runs if ran.throughput]
    if len(samples) < 2:
        return median(runs).figures
    unit, late = median(runs).figures.partition(" ")[2].split(", ", 1)
    bounds = f"{min(samples):,.0f} to {max(samples):,.0f}"
    failed = f", {len(runs) - len(samples)} failed" if len(samples) < len(runs) else ""
    return (
        f"{statistics.median(samples):,.0f} {unit} (median of {len(samples)} runs, {bounds}"
        f"{failed}), {late}"
    )


def _ab(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, AbDoc)
    low, high = found.interval
    bounds = "not bounded" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    figures = f"B ÷ A {found.ratio:.3f} ({bounds} at 95 %), {found.pairs} pairs"
    again = found.command or command(
        stack, "tune", "ab", found.a, found.b, "--workload", row.name, *sizes.words(row.size)
    )
    ratios = tuple(b / a for a, b in found.samples if a)
    subject = f"{_sized(row.name, row.size)}: {found.b} against {found.a}"
    notes = tuple(filter(None, (found.sentence, found.stopped, *found.costs)))
    interval = Interval(found.ratio, low, high, found.margin, ratios)
    return [_ran(row, subject, found.verdict, figures, again, notes=notes, interval=interval)]


def _cost(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, CostDoc)
    figures = (
        f"{found.lost:,} of {found.acknowledged:,} acknowledged writes lost "
        f"(the last {found.lost_s:.3f} s), back after {found.recovery_s:.1f} s, "
        f"{found.kills} × SIGKILL"
    )
    again = command(stack, "tune", "cost", row.name, "--profile", row.size or "current")
    notes = (found.sentence,) if found.sentence else ()
    return [_ran(row, _sized(row.name, row.size), MEASURED, figures, again, notes=notes)]


def _auto(row: Row, stack: str) -> list[RunDocument]:
    found = codec.decode(row.document, AutoDoc)
    proofs = {"the baseline": found.against_baseline, "optimized": found.against_optimized}
    summary = [
        f"{one.verdict} against {name} (× {one.ratio:.3f})" for name, one in proofs.items() if one
    ]
    figures = ", ".join([f"profile {found.profile} of {found.tried} tried", *summary])
    judged = found.against_baseline.verdict if found.against_baseline else MEASURED
    if any(one is not None and one.verdict == "REGRESSED" for one in proofs.values()):
        judged = "REGRESSED"
    again = found.command or command(stack, "tune", "auto", row.name)
    return [_ran(row, row.name, judged, figures, again)]


_READERS = {
    CHECK: _check,
    REGRESS: _regress,
    DRILL: _drill,
    BENCH: _bench,
    AB: _ab,
    COST: _cost,
    AUTO: _auto,
}
