"""What an audit has told so far, folded: how many checks, their results, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditDone,
    AuditNote,
    AuditPlanned,
    CheckDone,
    CheckRow,
    MatrixCell,
)


class CheckListing(msgspec.Struct, frozen=True):
    """`check list --json`: every check with its last result."""

    checks: tuple[CheckRow, ...] = ()


class MatrixListing(msgspec.Struct, frozen=True):
    """`check matrix --json`."""

    matrix: tuple[MatrixCell, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """Which checks are to be made: `names` are suites or ids, none of them all; `ids` what that
    comes to."""

    title: str
    names: tuple[str, ...]
    ids: frozenset[str]

    @property
    def words(self) -> tuple[str, ...]:
        """The command line."""
        return ("check", "run", *self.names, "--jsonl", "--controlled")


@dataclass(slots=True)
class AuditJob:
    """An audit that runs, or has run."""

    request: AuditRequest
    started_at: float
    total: int = 0
    results: dict[str, CheckRow] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    done: AuditDone | None = None
    error: DevstackError | None = None
    stopping: bool = False
    ended_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether its end is still to come."""
        return self.ended_at is None

    @property
    def verdict(self) -> str:
        """Of the whole, once there is one."""
        return self.done.report.verdict if self.done and self.done.report else ""

    def elapsed(self, now: float) -> float:
        """Seconds since it began, until it ended."""
        return max((self.ended_at or now) - self.started_at, 0.0)

    def waits(self, id: str) -> bool:
        """Whether the result of a check is still to come."""
        return self.running and id in self.request.ids and id not in self.results

    def count(self, *statuses: Status) -> int:
        """How many results so far have one of `statuses`."""
        return sum(row.status in statuses for row in self.results.values())

    def take(self, event: AnySecurityEvent) -> bool:
        """Fold one event in; True when it should be shown at once."""
        match event:
            case AuditPlanned():
                self.total = sum(event.suites.values())
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
