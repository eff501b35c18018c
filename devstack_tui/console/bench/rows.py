"""The lines of the Bench pane's tables."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.bench.events import RunResult
from devstack_tui.console.bench.model import Baseline, Group, Workload
from devstack_tui.console.widgets.line_table import Column
from devstack_tui.core.check import Result
from devstack_tui.core.plot import figure
from devstack_tui.present.cells import Cell, verdict
from devstack_tui.present.looks import BAD, BUSY, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, duration, millis, plain, when

_RANK = {"FAIL": 0, "ERROR": 0, "INCONCLUSIVE": 1, "WARN": 2, "SKIPPED": 4}


@dataclass(frozen=True, slots=True)
class Choice:
    """A workload in the list: whether it is chosen, runs now, waits; its last median."""

    workload: Workload
    chosen: bool
    state: str
    median: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last runs of a workload; without a group only a problem is known."""

    workload: str
    group: Group | None
    baseline: Baseline | None
    problem: str
    running: bool
    age_s: float | None = None
    """Seconds since the last of the runs began."""
    other_size: str = ""
    """Of the runs, where it is not the one that is chosen."""


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """A run of the history."""

    result: RunResult
    marked: bool
    baseline: Baseline | None


def error_text(errors: dict[str, int]) -> str:
    """`timeout 3, deadlock 1`."""
    return ", ".join(f"{plain(name)} {count}" for name, count in errors.items() if count)


def ratio_cell(value: float | None, baseline: Baseline | None) -> Cell:
    """The ratio to the baseline's median; its look shows where in the band it is."""
    if value is None or baseline is None or not baseline.median:
        return Cell(BLANK, QUIET)
    text = f"×{value / baseline.median:.2f}"
    if value < baseline.low:
        return Cell(f"▼{text}", WARN)
    return Cell(f"▲{text}", GOOD) if value > baseline.high else Cell(text)


def _choice(row: Choice) -> Cell:
    name = plain(row.workload.name)
    if row.state == "running":
        return Cell(f"▶ {name}", BUSY)
    if not row.workload.available:
        return Cell(f"– {name}", QUIET)
    if row.state == "waiting":
        return Cell(f"… {name}", BUSY)
    return Cell(f"{'■' if row.chosen else '□'} {name}", KEY if row.chosen else "")


def _outcome(row: Outcome) -> Cell:
    name = plain(row.workload)
    if row.running:
        return Cell(f"▶ {name}", BUSY)
    if row.problem:
        return Cell(f"✗ {name}", BAD)
    return Cell(f"● {name}", KEY)


def _note(row: Outcome) -> Cell:
    found = _remark(row)
    if not row.other_size:
        return found
    size = f"{plain(row.other_size)} runs"
    return Cell(f"{size} · {found.text}" if found.text else size, found.look)


def _remark(row: Outcome) -> Cell:
    if row.problem:
        return Cell(plain(row.problem), BAD)
    errors = error_text(row.group.errors) if row.group else ""
    if errors:
        return Cell(f"errors: {errors}", WARN)
    if row.group is not None and row.group.client_bound:
        return Cell("▲ client-bound", WARN)
    if row.group is not None and row.group.steady is False:
        return Cell("▲ not steady", WARN)
    return Cell("")


def _spread(row: Outcome) -> Cell:
    spread = row.group.spread if row.group else None
    return Cell(BLANK, QUIET) if spread is None else Cell(f"{spread * 100:.1f} %")


def _latency(row: Outcome, share: float) -> Cell:
    return Cell(millis(row.group.latency(share) if row.group else None))


def _past_note(row: HistoryRun) -> Cell:
    run = row.result
    notes = [plain(run.problem)] if run.problem else []
    notes += ["client-bound"] if run.client_bound else []
    notes += ["not steady"] if run.steady is False else []
    errors = error_text(run.errors)
    notes += [f"errors: {errors}"] if errors else []
    look = BAD if run.problem else WARN
    if row.marked:
        notes.insert(0, "◆ marked")
        look = look if len(notes) > 1 else BUSY
    return Cell(" · ".join(notes), look)


def _engine(row: HistoryRun) -> Cell:
    return Cell(plain(f"{row.result.engine} {row.result.engine_version}"), QUIET)


CHOICES = (
    Column("name", "WORKLOAD", 23, 0, _choice, wide=True),
    Column("median", "LAST", 6, 1, lambda r: Cell(figure(r.median), QUIET), right=True),
)

OUTCOMES = (
    Column("name", "WORKLOAD", 23, 0, _outcome),
    Column("size", "SIZE", 5, 5, lambda r: Cell(r.group.first.size if r.group else "", QUIET)),
    Column("runs", "RUNS", 4, 2, lambda r: Cell(str(len(r.group.good)) if r.group else BLANK),
           right=True),
    Column("median", "MEDIAN", 7, 0, lambda r: Cell(figure(r.group.median if r.group else None)),
           right=True),
    Column("unit", "UNIT", 8, 6, lambda r: Cell(plain(r.group.first.unit) if r.group else "",
                                                QUIET)),
    Column("spread", "SPREAD", 6, 1, _spread, right=True),
    Column("p50", "P50 MS", 6, 7, lambda r: _latency(r, 0.5), right=True),
    Column("p95", "P95 MS", 6, 1, lambda r: _latency(r, 0.95), right=True),
    Column("p99", "P99 MS", 6, 5, lambda r: _latency(r, 0.99), right=True),
    Column("base", "BASE", 6, 1,
           lambda r: ratio_cell(r.group.median if r.group else None, r.baseline), right=True),
    Column("age", "AGE", 6, 4, lambda r: Cell(duration(r.age_s), QUIET), right=True),
    Column("note", "NOTE", 14, 3, _note, wide=True),
)  # fmt: skip

HISTORY = (
    Column("when", "WHEN", 14, 0, lambda r: Cell(when(r.result.started))),
    Column("size", "SIZE", 5, 0, lambda r: Cell(plain(r.result.size), QUIET)),
    Column("run", "RUN", 3, 6, lambda r: Cell(str(r.result.run), QUIET), right=True),
    Column("throughput", "RATE", 7, 0, lambda r: Cell(figure(r.result.throughput)), right=True),
    Column("p50", "P50 MS", 6, 5, lambda r: Cell(millis(r.result.latency_ms.p50)), right=True),
    Column("p95", "P95 MS", 6, 1, lambda r: Cell(millis(r.result.latency_ms.p95)), right=True),
    Column("p99", "P99 MS", 6, 4, lambda r: Cell(millis(r.result.latency_ms.p99)), right=True),
    Column("base", "BASE", 6, 1, lambda r: ratio_cell(r.result.throughput, r.baseline), right=True),
    Column("engine", "ENGINE", 20, 7, _engine),
    Column("note", "NOTE", 12, 3, _past_note, wide=True),
)

CHECKS = (
    Column("status", "VERDICT", 14, 0, lambda c: verdict(c.status)),
    Column("id", "CHECK", 22, 1, lambda c: Cell(plain(c.id), KEY)),
    Column("title", "TITLE", 26, 0, lambda c: Cell(plain(c.title)), wide=True),
    Column("evidence", "EVIDENCE", 40, 2, lambda c: Cell(plain(c.evidence), QUIET)),
)


def checks(found: tuple[Result, ...]) -> dict[str, Result]:
    """The rows of the checks: what is not well first."""
    ordered = sorted(found, key=lambda c: _RANK.get(c.status.upper(), 3))
    return {f"{number}:{check.id}": check for number, check in enumerate(ordered)}
