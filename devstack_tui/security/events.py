"""The events of an audit, and its report (`check run --json`)."""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.core.check import Headline, Status
from devstack_tui.core.events import Now, Timed


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One check with its last result: `checks[]` of `check list` and `check run`.

    `status` is None before the first run; `ms` how long it took; `declared`: a WARN that the
    declared configuration brings about. `proven` whether a sabotage was seen to turn it red on a
    real stack, `kind_proven` whether one turned exactly one of its kind, `proof` both in words.
    `kind` is empty for one that only sums up others.
    """

    id: str
    kind: str = ""
    core: str = ""
    suite: str
    group: str
    title: str
    severity: str
    service: str
    stake: str
    remedy: str
    sabotage: str
    proven: bool
    kind_proven: bool = False
    proof: str = ""
    status: Status | None = None
    evidence: str = ""
    ms: float = 0.0
    at: Now = 0.0
    declared: bool = False
    stale: str = ""
    """Why the last result is not of the servers that run now."""


class AuditPlanned(Timed, frozen=True, tag="audit_planned"):
    """Before the first check: how many there are, by suite, and of how many kinds; `sums` of them
    only sum up others, and are of none."""

    stack: str
    suites: dict[str, int]
    kinds: int = 0
    sums: int = 0


class CheckDone(msgspec.Struct, frozen=True, tag_field="event", tag="check_done"):
    """One check is decided."""

    row: CheckRow


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """`check run --json`. `not_audited`: what it says nothing about, by service."""

    id: str
    stack: str
    verdict: str
    started: Now
    seconds: float
    counts: dict[str, int]
    checks: tuple[CheckRow, ...]
    matrix: tuple[MatrixCell, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    headline: Headline | None = None
    not_audited: dict[str, tuple[str, ...]] = {}


class AuditNote(Timed, frozen=True, tag="audit_note"):
    """A sentence for the user."""

    text: str


class AuditDone(Timed, frozen=True, tag="audit_done"):
    """The last event. Without a report it was refused or ended: `message` is why."""

    report: AuditReport | None
    exit_code: int
    message: str = ""
    remedy: str = ""


class ProofStep(Timed, frozen=True, tag="proof_step"):
    """Where the proof of a sabotage is: starting, before, broken, restored, stopping."""

    sabotage: str
    phase: str
    detail: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One sabotage, seen: which checks it turned red, and whether exactly the expected ones.

    `missed` should have gone red and did not, `strayed` went red and should not have, `stuck`
    did not come back to what they were. `ran`: the files of ours that took part."""

    sabotage: str
    title: str
    turned: tuple[str, ...]
    missed: tuple[str, ...]
    strayed: tuple[str, ...]
    stuck: tuple[str, ...]
    seconds: float
    ran: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return bool(self.turned) and not (self.missed or self.strayed or self.stuck)


class ProofDone(Timed, frozen=True, tag="proof_done"):
    """The last event of `check prove`."""

    proofs: tuple[Proof, ...]
    exit_code: int
    message: str = ""
    remedy: str = ""


AnySecurityEvent = AuditPlanned | CheckDone | AuditNote | AuditDone | ProofStep | ProofDone
