"""The lines of the Security pane's tables: suites and groups with counts, checks with results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devstack_tui.console.widgets.line_table import Column
from devstack_tui.core.check import Status, warned_as_declared
from devstack_tui.present.cells import Cell, verdict
from devstack_tui.present.looks import BAD, BUSY, GOOD, KEY, QUIET, WARN
from devstack_tui.present.text import BLANK, plain
from devstack_tui.security.events import CheckRow

PASS, FAIL, WARNED, ERROR = "pass", "fail", "warn", "error"
OPEN, SKIPPED, STALE, NEVER = "inconclusive", "skipped", "stale", "never run"
KINDS = (PASS, FAIL, WARNED, ERROR, OPEN, SKIPPED, STALE, NEVER)
"""How results are counted; one that is stale as nothing else."""
_KIND = {
    None: NEVER,
    Status.PASS: PASS,
    Status.FAIL: FAIL,
    Status.WARN: WARNED,
    Status.SKIPPED: SKIPPED,
    Status.INCONCLUSIVE: OPEN,
    Status.ERROR: ERROR,
}
LOOK = {PASS: GOOD, FAIL: BAD, WARNED: WARN, ERROR: BAD, OPEN: WARN}
LOOK |= {SKIPPED: QUIET, STALE: QUIET, NEVER: QUIET}
SIGN = {PASS: "●", FAIL: "✗", WARNED: "▲", ERROR: "✗", OPEN: "?", SKIPPED: "–"}
SIGN |= {STALE: "○", NEVER: "·"}
_SEVERITY_LOOK = {"critical": BAD, "high": WARN, "low": QUIET}
_SEVERITY = {"critical": "crit", "medium": "med"}


def kind(row: CheckRow) -> str:
    """As what the last result of a check counts."""
    return STALE if row.stale else _KIND[row.status]


def age(at: float, now: float) -> str:
    """At most four signs: `now` within a minute, then `42 m`, `23 h`, `99 d`."""
    minutes = int(max(now - at, 0) // 60)
    if not minutes:
        return "now"
    if minutes < 60:
        return f"{minutes} m"
    return f"{minutes // 60} h" if minutes < 24 * 60 else f"{minutes // (24 * 60)} d"


def proof(row: CheckRow) -> tuple[str, str]:
    """The glyph and the word for whether a check is proven by sabotage."""
    if row.proven:
        return "◆", "proven"
    if row.kind_proven:
        return "◈", "kind proven"
    return ("◇", row.proof or "not proven") if row.sabotage or row.proof else ("–", "no sabotage")


@dataclass(frozen=True, slots=True)
class CheckTreeRow:
    """A line of the tree: all checks, a suite (depth 1) or a group (2), and its counts.

    `open` is None where there is nothing to fold."""

    name: str
    depth: int
    open: bool | None
    running: bool
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A check of the list: whether its result is awaited, and how old the last one is."""

    row: CheckRow
    waits: bool
    age: str


def _branch(row: CheckTreeRow) -> Cell:
    name = plain(row.name)
    look = BUSY if row.running else KEY if row.depth < 2 else ""
    if row.depth == 2:
        return Cell(f"{'▶' if row.running else ' '} {name}", look)
    fold = {None: "", True: "▾ ", False: "▸ "}[row.open]
    return Cell(f"{fold}{name}{' ▶' if row.running else ''}", look)


def _counted(what: str) -> Callable[[CheckTreeRow], Cell]:
    def cell(row: CheckTreeRow) -> Cell:
        found = row.counts.get(what, 0)
        return Cell(str(found), LOOK[what]) if found else Cell("·", QUIET)

    return cell


def _status(line: Line) -> Cell:
    if line.waits:
        return Cell("… waiting", BUSY)
    status = line.row.status
    if warned_as_declared(line.row):
        return Cell(verdict("WARN").text, QUIET)
    if status and line.row.stale:
        return Cell(verdict(status.value).text, QUIET)
    return verdict(status.value) if status else Cell("· never", QUIET)


def _severity(line: Line) -> Cell:
    severity = plain(line.row.severity)
    return Cell(_SEVERITY.get(severity, severity), _SEVERITY_LOOK.get(severity, ""))


def _id(line: Line) -> Cell:
    # The end of an id says more than its beginning, which many have in common.
    return Cell(plain(line.row.id), KEY)


def _age(line: Line) -> Cell:
    return Cell(line.age or BLANK, QUIET)


def _proof(line: Line) -> Cell:
    glyph, _ = proof(line.row)
    return Cell(glyph, GOOD if line.row.proven or line.row.kind_proven else QUIET)


def _core(line: Line) -> Cell:
    # Of `TLS 4` the number: the suite stands in the id.
    return Cell(plain(line.row.core).rpartition(" ")[2] or BLANK, QUIET)


BRANCHES = (
    Column("name", "SUITE", 12, 0, _branch, wide=True),
    Column("pass", "PASS", 4, 1, _counted(PASS), right=True),
    Column("fail", "FAIL", 4, 0, _counted(FAIL), right=True),
    Column("warn", "WARN", 4, 2, _counted(WARNED), right=True),
    Column("error", "ERR", 4, 3, _counted(ERROR), right=True),
    Column("open", "INC", 4, 5, _counted(OPEN), right=True),
    Column("skipped", "SKIP", 4, 6, _counted(SKIPPED), right=True),
    Column("stale", "OLD", 4, 7, _counted(STALE), right=True),
    Column("never", "NEW", 4, 4, _counted(NEVER), right=True),
)

CHECKS = (
    Column("status", "STATUS", 14, 0, _status),
    Column("severity", "SEV", 4, 2, _severity),
    Column("id", "CHECK", 18, 0, _id, most=40, ample=24),
    Column("title", "TITLE", 12, 1, lambda line: Cell(plain(line.row.title)), wide=True),
    Column("core", "CORE", 4, 5, _core, right=True),
    Column("age", "AGE", 4, 4, _age, right=True),
    Column("proven", "PRV", 3, 3, _proof, right=True),
)
