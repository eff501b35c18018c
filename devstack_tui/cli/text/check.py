"""Security checks as text."""

from __future__ import annotations

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from devstack_tui.cli.output import Narration, as_typed, steering
from devstack_tui.contracts.audit import MatrixCell, Sabotage
from devstack_tui.core.check import Headline, Status, counts_text, worded
from devstack_tui.core.units import age
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditNote,
    AuditPlanned,
    AuditReport,
    CheckDone,
    CheckRow,
    Proof,
    ProofStep,
)
from devstack_tui.security.run_rows import RunCheckRow
from devstack_tui.security.standing import Standing, headline

SHORT = 40
"""So many checks are all shown after a run; of more, only those that did not pass."""
WIDTH = 98


class Progress(Narration):
    """How far an audit or a proof is, on stderr; on a terminal in one line."""

    def __init__(self) -> None:
        super().__init__()
        self._line = sys.stderr.isatty()
        self._total = 0
        self._seen: Counter[str] = Counter()

    def __call__(self, event: AnySecurityEvent) -> None:
        match event:
            case AuditPlanned():
                self._total = sum(event.suites.values())
                what = amount(self._total - event.sums, event.sums)
                self.say(f"{what}, of {event.kinds} kinds of checks, stack {event.stack!r}")
            case CheckDone():
                self._done(event.row)
            case AuditNote():
                self.say(event.text)
            case ProofStep():
                self.say(f"{event.sabotage:<28} {event.phase:<9} {event.detail}".rstrip())

    def close(self) -> None:
        """The line that was drawn over and over is wiped."""
        if self._line:
            print("\r\x1b[K", end="", file=steering(sys.stderr), flush=True)

    def _done(self, row: CheckRow) -> None:
        assert row.status is not None
        self._seen[row.status] += 1
        if self._line:
            summary = "  ".join(f"{status} {count}" for status, count in sorted(self._seen.items()))
            done = f"{self._seen.total()}/{self._total}"
            line = f"\r\x1b[K{done}  {summary}"[:WIDTH]
            print(line, end="", file=steering(sys.stderr), flush=True)
        elif row.status not in (Status.PASS, Status.SKIPPED):
            self.say(f"{row.status:<5} {row.id}")

    def say(self, text: str) -> None:
        self.close()
        super().say(text)


# -- the list --------------------------------------------------------------------------------


def list_lines(rows: Sequence[CheckRow], now: float) -> Iterator[str]:
    """A line for each check below its suite and group."""
    id_width = max((len(row.id) for row in rows), default=0)
    core_width = max((len(row.core) for row in rows), default=0)
    heading = ("", "")
    for row in rows:
        if (row.suite, row.group) != heading:
            heading = (row.suite, row.group)
            yield f"{row.suite} · {row.group}" if row.group else row.suite
        proven = row.proof if row.proof != Standing.UNPROVEN else "-"
        old = age(now - row.at) if row.at else "-"
        old = f"stale {old}" if row.stale else old
        yield (
            f"  {row.status or '-':<12} {row.id:<{id_width}}  {row.core:<{core_width}}  "
            f"{row.severity:<8} {proven:<13} {old:>12}  {row.title}"
        ).rstrip()


def run_list_lines(rows: Sequence[RunCheckRow]) -> Iterator[str]:
    """A line for each check that a run decides, below the verb that runs it."""
    width = max((len(row.id) for row in rows), default=0)
    heading: tuple[str, ...] = ()
    for row in rows:
        if row.run != heading:
            heading = row.run
            yield f"{row.suite} · decided by `devstack-tui {' '.join(row.run)}`"
        proven = row.proof if row.proof != Standing.UNPROVEN else "-"
        yield f"  {row.id:<{width}}  {proven:<13} {row.title}".rstrip()


def run_check_lines(row: RunCheckRow) -> Iterator[str]:
    """Everything about one of them."""
    yield f"{row.id}  {row.title}"
    yield from _folded("suite", row.suite)
    yield from _folded("decided by", f"`devstack-tui {' '.join(row.run)}`")
    yield from _folded(
        "sabotage", "\n".join(f"{id}: {title}" for id, title in row.sabotages.items()) or "none"
    )
    yield from _folded("proven", row.why)


def count_lines(counted: Mapping[str, Mapping[str, int]], whole: Headline) -> Iterator[str]:
    """How many kinds there are in each suite, and what was seen to fail."""
    columns = {
        "kinds proven": "kinds_proven",
        "of kinds": "kinds",
        "broken itself": "proven",
        "of instances": "instances",
        "core proven": "core_proven",
        "of core": "core",
    }
    yield f"{'suite':<12} " + " ".join(f"{name:>13}" for name in columns)
    for suite, found in counted.items():
        yield f"{suite:<12} " + " ".join(f"{found[key]:>13}" for key in columns.values())
    sums = counted["all"]["sums"]
    yield f"{whole}" + (f"; and {amount(0, sums)}" if sums else "")
    if whole.kinds_proven + whole.kinds_changed == 0:
        yield "none proven: `devstack-tui check prove --all --record` in the source tree does"


def count(rows: Sequence[CheckRow]) -> dict[str, dict[str, int]]:
    """The figures of `count_lines`, by suite and for `all`."""
    suites = sorted({row.suite for row in rows})
    groups = {suite: [row for row in rows if row.suite == suite] for suite in suites}
    return {
        suite: {
            "proven": sum(row.proven for row in members),
            "checks": len(members),
            "kinds": headline(members).kinds,
            "kinds_proven": headline(members).kinds_proven,
            "kinds_changed": headline(members).kinds_changed,
            "instances": headline(members).instances,
            "sums": sum(not row.kind for row in members),
            "core_proven": len(_core(members) - _core(row for row in members if not row.proven)),
            "core": len(_core(members)),
        }
        for suite, members in {**groups, "all": list(rows)}.items()
    }


def _core(rows: Iterable[CheckRow]) -> set[str]:
    """The core checks among them; one of them may be several of ours."""
    return {row.core for row in rows if row.core}


def show_lines(
    row: CheckRow, sabotage: Sabotage | None, why: str, now: float, elsewhere: str = ""
) -> Iterator[str]:
    """Everything about one check; `elsewhere` is where its kind is broken, if it is not itself."""
    yield f"{row.id}  {row.title}"
    none = f"none of its own: its kind is broken at {elsewhere}" if elsewhere else "none"
    facts = {
        "suite": f"{row.suite} · {row.group}" if row.group else row.suite,
        "core": row.core or "beyond the core checks",
        "service": row.service,
        "severity": row.severity,
        "at stake": row.stake,
        "remedy": row.remedy,
        "sabotage": f"{row.sabotage}: {sabotage.title}" if sabotage else row.sabotage or none,
        "kind": row.kind or "sums up others",
        "proven": why,
        "status": f"{worded(row)}, {age(now - row.at)} ago" if row.status else "never run",
        "stale": row.stale,
        "evidence": row.evidence,
    }
    for name, text in facts.items():
        yield from _folded(name, text)


def _folded(name: str, text: str) -> Iterator[str]:
    lines = [part for line in text.splitlines() for part in _wrapped(line, WIDTH - 14)]
    for number, line in enumerate(lines):
        yield f"  {name if not number else '':<12}{line}"


def _wrapped(line: str, width: int) -> list[str]:
    """`line` in parts that can be pasted: what stands in backquotes is not broken, nor is a word,
    and a command names its stack before anything breaks, since half of one is not known for one."""
    whole = re.sub(r"`[^`]*`", lambda found: found[0].replace(" ", "\xa0"), as_typed(line))
    parts = textwrap.wrap(whole, width, break_on_hyphens=False, break_long_words=False)
    return [part.replace("\xa0", " ") for part in parts]


# -- an audit --------------------------------------------------------------------------------


def amount(instances: int, sums: int) -> str:
    """`798 instances and 3 sums of others`: what only sums up others is no instance of a kind."""
    parts = [f"{instances:,} instance{'s' * (instances != 1)}"] if instances or not sums else []
    parts += [f"{sums:,} sum{'s' * (sums != 1)} of others"] if sums else []
    return " and ".join(parts)


def report_lines(report: AuditReport) -> Iterator[str]:
    """What did not pass with its evidence and remedy, the suites, and the verdict."""
    short = len(report.checks) <= SHORT
    for row in report.checks:
        if short or row.status not in (Status.PASS, Status.SKIPPED, Status.ERROR):
            yield from _result(row)
    if not short:
        yield from _by_reason(report.checks)
    for suite in dict.fromkeys(row.suite for row in report.checks):
        members = [row for row in report.checks if row.suite == suite]
        summary = counts_text(members)
        sums = sum(not row.kind for row in members)
        yield f"{suite:<8} {amount(len(members) - sums, sums)}: {summary}"
    if report.headline is not None and report.headline.kinds:
        yield f"{report.headline}"
    if report.not_audited:
        gaps = sum(len(found) for found in report.not_audited.values())
        again = f"devstack-tui --stack {report.stack} report"
        what = "vulnerabilities of versions, the data, the machine"
        yield f"not audited: {what} … ({gaps} things, which `{again}` lists)"
    unseen = sum(row.status is Status.ERROR for row in report.checks)
    failed = any(row.status is Status.FAIL for row in report.checks)
    why = "" if failed or not unseen else f": {unseen} could not be made, which is no pass"
    yield f"{report.verdict} after {report.seconds:.1f} s (audit {report.id}){why}"


def _by_reason(rows: Sequence[CheckRow]) -> Iterator[str]:
    """What could not be made, once for each reason; one that has a reason of its own in full."""
    for status in (Status.ERROR, Status.SKIPPED):
        alike: dict[tuple[str, str], list[CheckRow]] = {}
        for row in rows:
            if row.status is status:
                remedy = row.remedy if status is Status.ERROR else ""
                alike.setdefault((row.evidence, remedy), []).append(row)
        for (reason, remedy), found in alike.items():
            if status is Status.ERROR and len(found) == 1:
                yield from _result(found[0])
                continue
            suites = Counter(row.suite for row in found)
            where = ", ".join(f"{suite} {number}" for suite, number in suites.items())
            yield from _hanging(f"{status:<8} ", f"{len(found)} × {reason} ({where})")
            if remedy:
                yield from _indented(f"→ {remedy}")


def _hanging(head: str, text: str) -> Iterator[str]:
    """`text` behind `head`, its further lines below its beginning."""
    for line in _indented(text):
        yield f"{head:<9}{line[9:]}"
        head = ""


def _result(row: CheckRow) -> Iterator[str]:
    core = f" ({row.core})" if row.core else ""
    yield f"{worded(row):<8} {row.id}{core}  {row.severity}  {row.title}"
    if row.evidence:
        yield from _indented(row.evidence)
    if row.status in (Status.FAIL, Status.WARN, Status.ERROR) and row.remedy:
        yield from _indented(f"→ {row.remedy}")


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (f"{'':<9}{part}" for part in _wrapped(line, WIDTH - 9))


def matrix_lines(cells: Sequence[MatrixCell]) -> Iterator[str]:
    """A table for each operation: roles down, paths across. `!` is what differs."""
    for operation in dict.fromkeys(cell.operation for cell in cells):
        mine = [cell for cell in cells if cell.operation == operation]
        paths = list(dict.fromkeys(cell.path for cell in mine))
        by_place = {(cell.role, cell.path): cell for cell in mine}
        roles = dict.fromkeys(cell.role for cell in mine)
        width = max(len(role) for role in roles)
        names = [path.rpartition("/")[2] or path for path in paths]
        yield f"{operation:<{width}}  " + "  ".join(names)
        for role in roles:
            signs = (
                f"{_sign(by_place.get((role, path))):<{len(name)}}"
                for path, name in zip(paths, names, strict=True)
            )
            yield f"{role:<{width}}  " + "  ".join(signs).rstrip()
        yield ""
    wrong = [cell for cell in cells if cell.real is not None and cell.real != cell.declared]
    for cell in wrong:
        may, does = ("may", "cannot") if cell.declared else ("may not", "can")
        yield f"{cell.role} {may} {cell.operation} {cell.path}, and {does}"
    unseen = sum(cell.real is None for cell in cells)
    yield (
        f"{len(cells)} cells, {len(wrong)} differ, {unseen} not seen "
        "(y allowed, · denied, ! not as declared, ? not seen)"
    )


def _sign(cell: MatrixCell | None) -> str:
    if cell is None:
        return ""
    if cell.real is None:
        return "?"
    if cell.real != cell.declared:
        return "y!" if cell.real else "·!"
    return "y" if cell.real else "·"


# -- a proof ---------------------------------------------------------------------------------


def proof_lines(proofs: Sequence[Proof]) -> Iterator[str]:
    """Each sabotage with what it turned, and what was not as expected."""
    for proof in proofs:
        word = "proven" if proof.holds else "NOT PROVEN"
        yield f"{word:<11} {proof.sabotage}  {proof.title}  ({proof.seconds:.1f} s)"
        yield from _indented(f"turned red and green again: {_names(proof.turned)}")
        for label, ids in (
            ("should have turned red", proof.missed),
            ("turned red unexpectedly", proof.strayed),
            ("did not come back", proof.stuck),
        ):
            if ids:
                yield from _indented(f"{label}: {_names(ids)}")
    held = sum(proof.holds for proof in proofs)
    turned = {id for proof in proofs if proof.holds for id in proof.turned}
    yield f"{held} of {len(proofs)} sabotages proven, {len(turned)} checks turned red"


def _names(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "nothing"
