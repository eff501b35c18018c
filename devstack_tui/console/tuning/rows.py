"""The lines of the Tuning pane's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from devstack_tui.console.tuning.argv import BASELINE
from devstack_tui.console.widgets.line_table import Column
from devstack_tui.contracts.tunable import DEFAULT, Advice, Problem
from devstack_tui.present.cells import Cell
from devstack_tui.present.looks import BAD, BUSY, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, plain, when
from devstack_tui.tuning.events import HistoryRow, Row


@dataclass(frozen=True, slots=True)
class Line:
    """A parameter, and what is wrong with its pending value (or with the one it has)."""

    row: Row
    problem: Problem | None = None
    relaxed: bool = False
    """Whether the pending value is relaxed in durability."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A service: `down` is why it could not be queried."""

    service: str
    down: str
    parameters: int
    changed: int
    pending: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An advice, and the value that the parameter has now."""

    advice: Advice
    now: str
    pending: bool


Shown = Line | Heading


def _of_line(cell: Callable[[Line], Cell]) -> Callable[[Shown], Cell]:
    return lambda shown: Cell("") if isinstance(shown, Heading) else cell(shown)


def _name(shown: Shown) -> Cell:
    if isinstance(shown, Line):
        return Cell(f" {plain(shown.row.name)}", KEY if shown.row.changed else "")
    if shown.down:
        return Cell(f"✗ {plain(shown.service)} is down", BAD)
    return Cell(f"● {plain(shown.service)}", GOOD)


def _effective(shown: Shown) -> Cell:
    if isinstance(shown, Heading):
        return Cell(f"{shown.changed} set" if shown.changed else "", QUIET)
    row = shown.row
    if not row.effective:
        return Cell(BLANK, QUIET)
    return Cell(plain(row.effective), KEY if row.changed else "")


def _pending(shown: Shown) -> Cell:
    if isinstance(shown, Heading):
        return Cell(f"◆ {shown.pending}" if shown.pending else "", BUSY)
    pending = shown.row.pending
    if pending is None:
        return Cell("")
    if shown.problem is not None and shown.problem.fatal:
        return Cell(f"✗ {plain(pending)}", BAD)
    return Cell(f"◆ {plain(pending)}", BUSY)


def _value(value: str | None, row: Row) -> Cell:
    """Of a profile: quiet where it is what the server has already."""
    same = (row.default if value == DEFAULT else value) == row.effective
    return Cell(plain(value or ""), QUIET if same else "")


def _source(line: Line) -> Cell:
    return Cell(plain(line.row.source).replace("configuration file", "config file"), QUIET)


def _apply(line: Line) -> Cell:
    apply = plain(line.row.apply)
    return Cell(apply, WARN if line.row.restart else QUIET)


def note(shown: Shown) -> Cell:
    """What is to be known first: a glyph and a word."""
    if isinstance(shown, Heading):
        if shown.down:
            return Cell(plain(shown.down), BAD)
        return Cell(f"{shown.parameters} rows", QUIET)
    row, problem = shown.row, shown.problem
    message = plain(problem.message) if problem is not None else ""
    fatal = problem is not None and problem.fatal
    texts = (
        (f"✗ {message}" if fatal else "", BAD),
        ("▲ relaxed" if shown.relaxed else "", WARN),
        (f"▲ {plain(row.elsewhere or row.warning)}" if _strange(row) else "", WARN),
        ("▲ relaxed" if row.relaxed else "", WARN),
        (f"▲ {message}" if message else "", WARN),
        ("↻ restart" if row.restart else "", WARN),
    )
    return next((Cell(text, look) for text, look in texts if text), Cell(""))


def _strange(row: Row) -> bool:
    """Whether something else than a relaxed value is to be shown."""
    return bool(row.elsewhere or (row.warning and not row.relaxed))


@lru_cache(maxsize=8)
def parameter_columns(profiles: tuple[str, ...]) -> tuple[Column, ...]:
    """The table's columns; the profiles beside the baseline come as the width allows."""

    def profile(place: int, name: str) -> Column:
        def cell(line: Line) -> Cell:
            return _value(line.row.profiles.get(name), line.row)

        label = plain(name).upper()[:10]
        return Column(f"profile {name}", label, 10, 6 + place, _of_line(cell))

    others = [name for name in profiles if name != BASELINE]
    return (
        Column("name", "PARAMETER", 31, 0, _name),
        Column("effective", "NOW", 9, 0, _effective),
        Column("source", "SOURCE", 13, 5, _of_line(_source)),
        Column("pending", "PENDING", 9, 0, _pending),
        Column(BASELINE, "BASELINE", 8, 4, _of_line(lambda n: _value(n.row.baseline, n.row))),
        *(profile(place, name) for place, name in enumerate(others)),
        Column("apply", "APPLY", 7, 3, _of_line(_apply)),
        Column("note", "NOTE", 9, 0, note, wide=True),
    )


def _advised(row: Suggestion) -> Cell:
    value = plain(row.advice.value)
    return Cell(f"◆ {value}", BUSY) if row.pending else Cell(value, KEY)


ADVICE = (
    Column("name", "PARAMETER", 38, 0,
           lambda r: Cell(plain(f"{r.advice.service}.{r.advice.parameter}"))),
    Column("now", "NOW", 9, 0, lambda r: Cell(plain(r.now) or BLANK, QUIET)),
    Column("value", "ADVISED", 10, 0, _advised),
    Column("reason", "REASON", 14, 0, lambda r: Cell(plain(r.advice.reason), QUIET), wide=True),
)  # fmt: skip


def _what(row: HistoryRow) -> Cell:
    texts = [
        f"{plain(name)} {plain(before or 'default')} → {plain(after or 'default')}"
        for name, (before, after) in row.values.items()
    ]
    return Cell(" · ".join(texts), QUIET if row.undone else "")


def _won(row: HistoryRow) -> Cell:
    return Cell(", ".join(dict.fromkeys(map(plain, row.sources.values()))) or BLANK, QUIET)


HISTORY = (
    Column("number", "NO", 4, 0, lambda r: Cell(str(r.number)), right=True),
    Column("when", "WHEN", 14, 0, lambda r: Cell(when(r.at), QUIET)),
    Column("state", "STATE", 9, 0,
           lambda r: Cell("○ undone", QUIET) if r.undone else Cell("● applied", GOOD)),
    Column("by", "BY", 18, 0, lambda r: Cell(plain(r.by), KEY)),
    Column("won", "WINNING SOURCE", 20, 4, _won),
    Column("what", "CHANGES", 20, 0, _what, wide=True),
)  # fmt: skip
