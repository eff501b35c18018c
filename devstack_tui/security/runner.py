"""An audit: every check in parallel, each within its time, and all that was borrowed given back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass

from devstack_tui.contracts.audit import Check, Finding, MatrixCell
from devstack_tui.contracts.registry import service
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import to_end
from devstack_tui.core.redact import redact
from devstack_tui.security import results
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditDone,
    AuditNote,
    AuditPlanned,
    AuditReport,
    CheckDone,
    CheckRow,
)
from devstack_tui.security.not_audited import gaps
from devstack_tui.security.pool import Pool
from devstack_tui.security.proven import NOTHING, Record
from devstack_tui.security.standing import Standings, headline
from devstack_tui.stack import basis
from devstack_tui.stack.stack import Stack

MATRIX = "matrix"
"""The group of checks whose run brings the matrix into the report."""
EVIDENCE_MAX = 2000
_UNDECIDED = (Status.ERROR, Status.INCONCLUSIVE)

Events = AsyncGenerator[AnySecurityEvent, None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that one check and the whole audit may take, and how many checks run at once."""

    check_s: float = 10.0
    total_s: float = 60.0
    threads: int = 8


class Runner:
    """One audit of one stack by the chosen checks. The audit is closed when `run` is over.

    `keep`: whether the report goes to the stack's history.
    """

    def __init__(
        self,
        stack: Stack,
        audit: StackAudit,
        catalogue: Catalogue,
        chosen: Sequence[Check],
        *,
        record: Record = NOTHING,
        command: str = "",
        keep: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self._stack = stack
        self._audit = audit
        self._catalogue = catalogue
        self._chosen = tuple(chosen)
        self._standings = Standings(catalogue.checks.values(), record)
        self._command = command
        self._keep = keep
        self._limits = limits or Limits()
        self._absent: dict[str, Finding] = {}
        self._basis: basis.Basis | None = None
        self._secrets: frozenset[str] = frozenset()

    async def run(self) -> Events:
        """The audit. Closing the generator undoes what it borrowed before it returns.

        Whatever is wrong is reported by the last event, `AuditDone`.
        """
        closing = None
        try:
            try:
                await asyncio.to_thread(self._look)
            except DevstackError as error:
                yield AuditDone(None, error.exit_code, error.message, error.remedy)
                return
            if refusal := self._refusal():
                yield refusal
                return
            started, clock = time.time(), time.monotonic()
            kinds = len({check.kind for check in self._chosen if check.kind})
            suites = dict(Counter(check.suite for check in self._chosen))
            sums = sum(not check.kind for check in self._chosen)
            yield AuditPlanned(self._stack.name, suites, kinds, sums)
            rows: dict[str, CheckRow] = {}
            async with contextlib.aclosing(self._pool().answers(_mixed(self._chosen))) as answers:
                async for row in answers:
                    rows[row.id] = row
                    yield CheckDone(row)
            matrix, notes = await self._matrix()
            closing = asyncio.create_task(asyncio.to_thread(self._audit.close))
            notes += await to_end(closing)
            for note in notes:
                yield AuditNote(note)
            report = AuditReport(
                id=uuid.uuid4().hex[:12],
                stack=self._stack.name,
                verdict=verdict(rows.values()),
                started=started,
                seconds=time.monotonic() - clock,
                counts=counts(rows.values()),
                checks=tuple(rows[check.id] for check in self._chosen),
                matrix=matrix,
                notes=tuple(notes),
                command=self._command,
                headline=headline(rows.values()),
                not_audited=gaps(self._stack.selected()),
            )
            yield self._conclude(report)
        finally:
            if closing is None:
                closing = asyncio.create_task(asyncio.to_thread(self._audit.close))
            await to_end(closing)

    def _conclude(self, report: AuditReport) -> AuditDone:
        message = remedy = ""
        if self._keep:
            try:
                results.keep(self._stack.paths, report, self._basis)
            except DevstackError as error:
                message, remedy = error.message, error.remedy
        code = exit_code(report.verdict)
        if code == 3:
            first = next(row for row in report.checks if row.status is Status.ERROR)
            up = f"`devstack-tui --stack {self._stack.name} up`"
            message, remedy = first.evidence, first.remedy or up
        return AuditDone(report, code, message, remedy)

    # -- before the first check ------------------------------------------------------------

    def _look(self) -> None:
        """Which services there are and run; asked once, not by each check."""
        selected = self._stack.selected()
        names = {name for check in self._chosen for name in (check.service, *check.needs)}
        for name in sorted(names):
            title = service(name).title
            if name not in selected:
                absent = Finding(Status.SKIPPED, f"{title} is not part of the stack")
            elif missing := self._audit.missing(name):
                absent = Finding(Status.SKIPPED, missing)
            elif not self._audit.running(name):
                absent = Finding(Status.ERROR, f"{title} does not run", f"`devstack-tui up {name}`")
            else:
                continue
            self._absent[name] = absent
        self._secrets = self._audit.known_secrets()
        self._basis = basis.look(self._stack)

    def _refusal(self) -> AuditDone | None:
        up = f"`devstack-tui --stack {self._stack.name} up`"
        if self._stack.instance() is None:
            return AuditDone(None, 3, f"the stack {self._stack.name!r} was never started", up)
        if not any(self._audit.running(name) for name in self._stack.selected()):
            return AuditDone(None, 3, f"nothing of the stack {self._stack.name!r} runs", up)
        return None

    # -- the checks ------------------------------------------------------------------------

    def _pool(self) -> Pool[Check, CheckRow]:
        limits = self._limits
        return Pool(
            self._decide,
            self._late,
            threads=limits.threads,
            limit_s=limits.check_s,
            total_s=limits.total_s,
        )

    def _decide(self, check: Check) -> CheckRow:
        """One check; whatever it raises is an ERROR in words."""
        at, clock = time.time(), time.monotonic()
        names = (check.service, *check.needs)
        found = next((self._absent[name] for name in names if name in self._absent), None)
        if found is None:
            found = self._made(check)
        elif check.without_server and found.status is Status.ERROR:
            made = self._made(check)
            found = made if made.status is Status.FAIL else found
        return self._row(check, found, (time.monotonic() - clock) * 1000, at)

    def _made(self, check: Check) -> Finding:
        found = self._run(check)
        spoilt = self._audit.target(check.service).spoilt if found.status in _UNDECIDED else ""
        if spoilt:
            up = f"`devstack-tui up {check.service}` makes it anew"
            return Finding(Status.ERROR, spoilt, up)
        return found

    def _run(self, check: Check) -> Finding:
        try:
            made = check.run(self._audit)
            return Finding(
                Status(made.status), str(made.evidence), str(made.remedy), bool(made.declared)
            )
        except DevstackError as error:
            return Finding(Status.ERROR, error.message, error.remedy)
        except TimeoutError:
            where = f"{service(check.service).title} ({self._audit.target(check.service).endpoint})"
            why = f"{where} gave no answer within {self._audit.timeout:g} s"
            return Finding(Status.ERROR, why)
        except OSError as error:
            return Finding(Status.ERROR, error.strerror or str(error) or type(error).__name__)
        except Exception as error:
            why = f"the check itself failed: {type(error).__name__}: {error}"
            return Finding(Status.ERROR, why)

    def _late(self, check: Check, seconds: float) -> CheckRow:
        text = f"it was given up after {seconds:.0f} s"
        if not seconds:
            text = f"not begun: the audit was ended after {self._limits.total_s:.0f} s"
        return self._row(check, Finding(Status.ERROR, text), seconds * 1000, time.time())

    def _row(self, check: Check, found: Finding, ms: float, at: float) -> CheckRow:
        # Tokens of this audit are known only by now.
        secrets = self._secrets | self._audit.issued_secrets()
        evidence = redact(found.evidence, secrets).strip()[:EVIDENCE_MAX]
        known = results.row(check, self._standings)
        remedy = redact(found.remedy, secrets)
        finding = Finding(found.status, evidence, remedy, found.declared)
        return results.decided(known, finding, round(ms, 2), at)

    async def _matrix(self) -> tuple[tuple[MatrixCell, ...], list[str]]:
        if not any(check.group == MATRIX for check in self._chosen):
            return (), []
        pool: Pool[None, tuple[tuple[MatrixCell, ...], list[str]]] = Pool(
            lambda _: self._cells(),
            lambda _, seconds: ((), [f"the access matrix was given up after {seconds:.0f} s"]),
            threads=1,
            limit_s=self._limits.check_s,
            total_s=self._limits.check_s,
        )
        async with contextlib.aclosing(pool.answers([None])) as answers:
            return await anext(answers)

    def _cells(self) -> tuple[tuple[MatrixCell, ...], list[str]]:
        try:
            return self._catalogue.matrix(self._audit), []
        except Exception as error:  # an audit that was ended early is closed under it
            why = redact(str(error)) or type(error).__name__
            return (), [f"the access matrix could not be asked for: {why}"]


def verdict(rows: Iterable[CheckRow]) -> Status:
    """FAIL when a check failed or could not be made, ERROR when none could be made, INCONCLUSIVE
    when all were skipped. A WARN passes."""
    found = {row.status for row in rows}
    if found & {Status.PASS, Status.WARN, Status.FAIL}:
        return Status.FAIL if found & {Status.FAIL, Status.ERROR} else Status.PASS
    return Status.ERROR if Status.ERROR in found else Status.INCONCLUSIVE


def exit_code(verdict: str) -> int:
    """Of the CLI contract: 0 pass, 1 failed, 3 nothing could be reached, 4 inconclusive."""
    return {"PASS": 0, "ERROR": 3, "INCONCLUSIVE": 4}.get(verdict, 1)


def counts(rows: Iterable[CheckRow]) -> dict[str, int]:
    """How many there are of each status, the statuses in their order."""
    seen = Counter(row.status for row in rows)
    return {str(status): seen[status] for status in Status if seen[status]}


def _mixed(checks: Sequence[Check]) -> list[Check]:
    """One of each service in turn: checks that share a handshake or a login wait for it less."""
    by_service: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        by_service[check.service].append(check)
    rounds = itertools.zip_longest(*by_service.values())
    return [check for group in rounds for check in group if check is not None]
