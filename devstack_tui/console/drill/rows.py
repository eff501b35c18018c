"""The lines of the Drill pane's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devstack_tui.console.drill.model import NOT_CORE, DrillChoice
from devstack_tui.console.widgets.line_table import Column
from devstack_tui.core.check import Result, Status, glyph
from devstack_tui.drill.events import DrillReport
from devstack_tui.present.cells import Cell, verdict
from devstack_tui.present.looks import BUSY, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, duration, plain, when


@dataclass(frozen=True, slots=True)
class Choice:
    """A drill in the list: whether it runs now, and how it ended last."""

    drill: DrillChoice
    running: bool
    last: str
    age_s: float | None = None
    """Seconds since the last one began."""


@dataclass(frozen=True, slots=True)
class HistoryDrill:
    """A drill of the history."""

    drill: DrillReport
    marked: bool


def _name(row: Choice) -> Cell:
    name = plain(row.drill.name)
    if row.running:
        return Cell(f"▶ {name}", BUSY)
    if not row.drill.available:
        return Cell(f"– {name}", QUIET)
    return Cell(f"  {name}", KEY)


def _last(row: Choice) -> Cell:
    return _outcome(row.last) if row.last else Cell(BLANK, QUIET)


def _outcome(outcome: str) -> Cell:
    """`● PASS`, or `▲ PASS, 1 WARN`: a pass with warnings looks like them."""
    if outcome == NOT_CORE:
        return Cell(f"{glyph(Status.INCONCLUSIVE)} {outcome}", QUIET)
    status, comma, warned = outcome.partition(",")
    if not comma or status != Status.PASS:
        return Cell(f"{verdict(status).text}{comma}{plain(warned)}", verdict(status).look)
    return Cell(f"{glyph(Status.WARN)} {plain(outcome)}", WARN)


def _past_when(row: HistoryDrill) -> Cell:
    return Cell(
        f"{'◆ ' if row.marked else ''}{when(row.drill.started)}", BUSY if row.marked else ""
    )


def _lost(row: HistoryDrill) -> Cell:
    lost = row.drill.lost
    return Cell(BLANK, QUIET) if lost is None else Cell(str(lost), WARN if lost else "")


def _window(seconds: float | None) -> Cell:
    """Not measured is no 0.000."""
    return Cell(BLANK, QUIET) if seconds is None else Cell(f"{seconds:.3f}")


def _times(report: DrillReport) -> str:
    counted = report.spread.get("write_window_s")
    return str(counted.count) if counted else "1"


CHOICES = (
    Column("name", "DRILL", 21, 0, _name, wide=True),
    Column("last", "LAST", 14, 1, _last),
    Column(
        "age", "AGE", 6, 2, lambda r: Cell(duration(r.age_s) if r.last else "", QUIET), right=True
    ),
)

STEPS = (
    Column("status", "VERDICT", 14, 0, lambda s: verdict(s.status)),
    Column("id", "STEP", 18, 1, lambda s: Cell(plain(s.id), KEY)),
    Column("title", "TITLE", 24, 0, lambda s: Cell(plain(s.title)), wide=True),
    Column("evidence", "EVIDENCE", 44, 2, lambda s: Cell(plain(s.evidence), QUIET)),
)

HISTORY = (
    Column("when", "WHEN", 16, 0, _past_when),
    Column("drill", "DRILL", 14, 1, lambda r: Cell(plain(r.drill.drill), KEY), wide=True),
    Column("fault", "FAULT", 9, 1, lambda r: Cell(plain(r.drill.fault))),
    Column("victim", "VICTIM", 9, 1, lambda r: Cell(plain(r.drill.victim), QUIET)),
    Column("repeats", "N", 2, 5, lambda r: Cell(_times(r.drill), QUIET), right=True),
    Column("verdict", "VERDICT", 14, 0, lambda r: _outcome(r.drill.outcome)),
    Column("write", "WRITE S", 7, 0, lambda r: _window(r.drill.write_window_s), right=True),
    Column("read", "READ S", 7, 4, lambda r: _window(r.drill.read_window_s), right=True),
    Column("lost", "LOST", 5, 3, _lost, right=True),
)


def steps(found: Mapping[str, Result]) -> dict[str, Result]:
    """The rows of the steps, in the order of their ids."""
    return {name: found[name] for name in sorted(found)}
