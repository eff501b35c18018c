"""What the Security pane shows: the tree, the list, the chosen check, from what the jobs know."""

from __future__ import annotations

from collections.abc import Iterator

from devstack_tui.console.security.facts import check_facts
from devstack_tui.console.security.job import AuditJobs, AuditRequest
from devstack_tui.console.security.rows import (
    ERROR,
    FAIL,
    NEVER,
    OPEN,
    SKIPPED,
    STALE,
    WARNED,
    CheckTreeRow,
    Line,
    age,
    kind,
)
from devstack_tui.present.cells import Fact
from devstack_tui.present.text import plain
from devstack_tui.security.events import CheckRow
from devstack_tui.security.standing import headline

ALL = "all"
NOT_PASSED = "not passed"
STATUSES: dict[str, frozenset[str]] = {
    NOT_PASSED: frozenset({FAIL, WARNED, ERROR, OPEN}),
    FAIL: frozenset({FAIL}),
    WARNED: frozenset({WARNED}),
    ERROR: frozenset({ERROR}),
    OPEN: frozenset({OPEN}),
    SKIPPED: frozenset({SKIPPED}),
    STALE: frozenset({STALE}),
    NEVER: frozenset({NEVER}),
}
"""The filters by status. `not passed` is what was made and found something, or could not."""
SEVERITIES = (ALL, "critical", "high", "medium", "low")


class SecurityView:
    """Which suite or group is in view, what is filtered out, which suites are folded."""

    def __init__(self, jobs: AuditJobs) -> None:
        self._jobs = jobs
        self.node = ALL
        """`all`, a suite, or `suite/group`."""
        self.status = ALL
        self.severity = ALL
        self.search = ""
        self.trouble = ""
        """Why the checks cannot be listed."""
        self.folded: set[str] = set()

    def forget(self) -> None:
        """What the user chose stays: the checks of the next stack are the same."""

    # --- choosing ------------------------------------------------------------------------------

    def next_status(self) -> None:
        """The next filter by status."""
        self.status = _after((ALL, *STATUSES), self.status)

    def next_severity(self) -> None:
        """The next filter by severity."""
        self.severity = _after(SEVERITIES, self.severity)

    @property
    def filtered(self) -> bool:
        """Whether anything is filtered out."""
        return self.status != ALL or self.severity != ALL or bool(self.search)

    def clear(self) -> None:
        """Show everything again."""
        self.status, self.severity, self.search = ALL, ALL, ""

    def fold(self) -> str:
        """Fold the suite in view or unfold it; the suite, or "" when there is none."""
        suite, _, _ = self.node.partition("/")
        if suite == ALL:
            return ""
        self.folded ^= {suite}
        return suite

    # --- rows ----------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many checks there are of each kind."""
        found: dict[str, int] = {}
        for row in self._jobs.rows.values():
            found[kind(row)] = found.get(kind(row), 0) + 1
        return found

    def headline(self) -> tuple[str, str]:
        """`161 kinds, 154 proven` and `1,700 instances, 3 sums`; empty before they are known."""
        whole = headline(self._jobs.rows.values())
        if not whole.kinds:
            return "", ""
        sums = len(self._jobs.rows) - whole.instances
        return (
            f"{whole.kinds:,} kinds, {whole.kinds_proven:,} proven",
            f"{whole.instances:,} instances{f', {sums} sums' if sums else ''}",
        )

    def branches(self) -> dict[str, CheckTreeRow]:
        """The tree: all, each suite, and the groups of those that are not folded."""
        counts: dict[str, dict[str, int]] = {ALL: {}}
        running: set[str] = set()
        grouped: set[str] = set()
        for row in self._jobs.rows.values():
            for node in _nodes(row):
                found = counts.setdefault(node, {})
                found[kind(row)] = found.get(kind(row), 0) + 1
                if self._waits(row):
                    running.add(node)
            if row.group:
                grouped.add(row.suite)
        made: dict[str, CheckTreeRow] = {}
        for node in _in_order(counts):
            suite, _, group = node.partition("/")
            if group and suite in self.folded:
                continue
            depth = 2 if group else int(node != ALL)
            fold = suite not in self.folded if depth == 1 and suite in grouped else None
            name = group or ("All checks" if node == ALL else suite)
            made[node] = CheckTreeRow(name, depth, fold, node in running, counts[node])
        return made

    def lines(self, now: float) -> dict[str, Line]:
        """The checks of the list, in the order of the catalogue; `now` is Unix time."""
        return {row.id: self._line(row, now) for row in self._within() if self._passes_filters(row)}

    def line(self, id: str | None, now: float) -> Line | None:
        """One check."""
        row = self._jobs.rows.get(id or "")
        return None if row is None else self._line(row, now)

    def about(self, id: str | None, now: float) -> tuple[str, tuple[Fact, ...]]:
        """The title and the facts of one check."""
        line = self.line(id, now)
        if line is None:
            return "", ()
        kind = line.row.kind
        alike = (row for row in self._jobs.rows.values() if kind and row.kind == kind)
        elsewhere = next((row.id for row in alike if row.sabotage), "")
        title = f"{plain(line.row.id)} · {plain(line.row.title)}"
        return title, tuple(check_facts(line, now, elsewhere))

    def title(self, shown: int) -> str:
        """`tls › versions · 12 of 40`."""
        name = "Checks" if self.node == ALL else plain(self.node.replace("/", " › "))
        if not self._jobs.rows:
            return name
        total = sum(1 for _ in self._within())
        return f"{name} · {shown:,}" if shown == total else f"{name} · {shown:,} of {total:,}"

    def filters(self) -> str:
        """The filters in force, or how to set them."""
        if not self.filtered:
            return "f status  v severity  / search"
        parts = [self.status] if self.status != ALL else []
        parts += [self.severity] if self.severity != ALL else []
        parts += [f"“{plain(self.search)}”"] if self.search else []
        return f"{' · '.join(parts)}  esc all"

    # --- requests ------------------------------------------------------------------------------

    def one(self, id: str | None) -> AuditRequest | None:
        """Only the check `id`."""
        return None if not id else AuditRequest(id, (id,), frozenset({id}))

    def everything(self) -> AuditRequest:
        """Every check."""
        return AuditRequest("all", (), frozenset(self._jobs.rows))

    def listed_checks(self, ids: list[str]) -> AuditRequest | None:
        """The checks of the list: by the suite's name where they are all of it."""
        if not ids:
            return None
        if not self.filtered and self.node == ALL:
            return self.everything()
        suite, _, group = self.node.partition("/")
        title = self.node.replace("/", " › ") if self.node != ALL else "checks"
        if self.filtered:
            return AuditRequest(f"{len(ids)} of {title}", tuple(ids), frozenset(ids))
        return AuditRequest(title, tuple(ids) if group else (suite,), frozenset(ids))

    # --- parts ---------------------------------------------------------------------------------

    def _line(self, row: CheckRow, now: float) -> Line:
        return Line(row, self._waits(row), age(row.at, now) if row.status is not None else "")

    def _waits(self, row: CheckRow) -> bool:
        job = self._jobs.running
        return job is not None and job.waits(row.id)

    def _within(self) -> Iterator[CheckRow]:
        return (row for row in self._jobs.rows.values() if self.node in _nodes(row))

    def _passes_filters(self, row: CheckRow) -> bool:
        if self.status != ALL and kind(row) not in STATUSES[self.status]:
            return False
        if self.severity not in (ALL, row.severity):
            return False
        if not self.search:
            return True
        text = f"{row.id} {row.title} {row.core} {row.service} {row.group} {row.evidence}"
        text = text.casefold()
        return all(word in text for word in self.search.casefold().split())


def _nodes(row: CheckRow) -> tuple[str, ...]:
    """The lines of the tree that a check counts in."""
    suite = (ALL, row.suite)
    return (*suite, f"{row.suite}/{row.group}") if row.group else suite


def _in_order(nodes: dict[str, dict[str, int]]) -> Iterator[str]:
    """Each suite with its groups below it, both in the order of the catalogue."""
    yield ALL
    for suite in nodes:
        if suite != ALL and "/" not in suite:
            yield suite
            yield from (node for node in nodes if node.startswith(f"{suite}/"))


def _after(names: tuple[str, ...], name: str) -> str:
    return names[(names.index(name) + 1) % len(names)]
