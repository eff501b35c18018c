"""Audits as jobs: one at a time; what their checks opened is closed and revoked at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from devstack_tui.console.pane_jobs import Jobs, PaneJob, ask
from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.core.check import Status
from devstack_tui.jobs.files import JobStarted
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditDone,
    AuditNote,
    AuditPlanned,
    CheckDone,
    CheckRow,
)


class _Checks(msgspec.Struct, frozen=True):
    checks: tuple[CheckRow, ...] = ()
    notes: tuple[str, ...] = ()


class _Matrix(msgspec.Struct, frozen=True):
    matrix: tuple[MatrixCell, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """Which checks are to be made: `names` are suites or ids, none of them all; `ids` what that
    comes to."""

    title: str
    names: tuple[str, ...]
    ids: frozenset[str]
    verb: ClassVar[str] = "check run"
    outlives: ClassVar[bool] = False

    @classmethod
    def of(cls, started: JobStarted) -> AuditRequest:
        """The audit that a job was started with; which checks that are, its events show."""
        return cls(started.title, started.words, frozenset())

    @property
    def words(self) -> tuple[str, ...]:
        """The command line behind the verb."""
        return self.names


@dataclass(slots=True)
class AuditJob(PaneJob[AuditRequest]):
    """One audit: what its events so far amount to."""

    planned: int = 0
    results: dict[str, CheckRow] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    EVENTS: ClassVar[Any] = AnySecurityEvent

    @property
    def total(self) -> int:
        """How many checks there are to make."""
        return self.planned or len(self.request.ids)

    def waits(self, id: str) -> bool:
        """Whether the result of a check is still to come."""
        return self.running and id in self.request.ids and id not in self.results

    def count(self, *statuses: Status) -> int:
        """How many results so far have one of `statuses`."""
        return sum(row.status in statuses for row in self.results.values())

    def fold(self, event: AnySecurityEvent, now: float) -> bool:  # noqa: ARG002
        """Fold one event in; a single result need not be shown at once."""
        match event:
            case AuditPlanned():
                self.planned = sum(event.suites.values())
            case CheckDone():
                self.results[event.row.id] = event.row
                return False
            case AuditNote():
                self.notes.append(event.text)
            case AuditDone():
                self.done = event
            case _:
                return False
        return True


class AuditJobs(Jobs[AuditRequest, AuditJob]):
    """The audits of this console, and the last result of every check."""

    REQUEST, JOB = AuditRequest, AuditJob
    VERBS = frozenset({"check run"})
    BUSY = ("checks are running", "wait for their end, or cancel them with x")
    rows: dict[str, CheckRow]
    """Every check with its last result, by id, in the order of the catalogue."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.rows = {}
        self.notes: tuple[str, ...] = ()

    def keep(self, job: AuditJob) -> None:
        """Keep its results."""
        self.rows.update(job.results)

    def forget(self) -> None:
        """No result of it."""
        super().forget()
        self.rows, self.notes = {}, ()

    async def load(self) -> None:
        """Read the checks and their last results. Errors: `DevstackError`."""
        listing = await ask(self.cli, _Checks, "check", "list")
        known, self.notes = self.rows, listing.notes
        self.rows = {row.id: _latest(row, known.get(row.id)) for row in listing.checks}

    async def matrix(self) -> tuple[MatrixCell, ...]:
        """The access matrix. Errors: `DevstackError`."""
        return (await ask(self.cli, _Matrix, "check", "matrix")).matrix


def _latest(listed: CheckRow, known: CheckRow | None) -> CheckRow:
    """The check as it is listed, with the newer of both results: a list that was asked for before
    a check was made may come after it."""
    if known is None or known.status is None or (listed.status and listed.at >= known.at):
        return listed
    return msgspec.structs.replace(
        listed,
        status=known.status,
        evidence=known.evidence,
        declared=known.declared,
        stale=known.stale,
        remedy=known.remedy,
        ms=known.ms,
        at=known.at,
    )
