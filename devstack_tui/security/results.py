"""What the audits of one stack found: every report, and the last result of each check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from devstack_tui.contracts.audit import Check, Finding
from devstack_tui.core import codec
from devstack_tui.core.check import Status
from devstack_tui.core.history import History
from devstack_tui.core.paths import StackPaths
from devstack_tui.security.events import AuditReport, CheckRow
from devstack_tui.security.standing import Standing, Standings
from devstack_tui.stack.basis import Basis, Currency, of, stamped

KIND = "check"
NAME = "audit"
# The newest report has them all, unless somebody ran a few again since: most reads end at once.
_DEPTHS = (1, 8, 64)
KEPT = _DEPTHS[-1]
"""Reports: a whole one takes 0.6 MB, and no older one is ever read."""


def keep(paths: StackPaths, report: AuditReport, rests: Basis | None = None) -> None:
    """Add a report to the stack's history, without the advice of what passed, which is half of it,
    and with what it rests on; the oldest one goes.

    Raises `DevstackError` when it cannot be written.
    """
    checks = tuple(_short(row) for row in report.checks)
    made = msgspec.structs.replace(report, checks=checks)
    document = stamped(msgspec.json.encode(made), rests)
    History.of(paths).add(KIND, report.id, NAME, "", report.started, "", document, newest=KEPT)


def _short(row: CheckRow) -> CheckRow:
    if row.status not in (Status.PASS, Status.SKIPPED):
        return row
    return msgspec.structs.replace(row, stake="", remedy="")


def reports(paths: StackPaths, limit: int = 20) -> list[AuditReport]:
    """The last reports, newest first; those of another release that cannot be read are left out."""
    return [report for report, _ in _kept(paths, limit)]


def _kept(paths: StackPaths, limit: int) -> list[tuple[AuditReport, bytes]]:
    found = []
    for row in History.of(paths).list(KIND, NAME, limit):
        try:
            found.append((codec.decode(row.document, AuditReport), row.document))
        except msgspec.ValidationError:
            continue
    return found


def last(
    paths: StackPaths,
    ids: Iterable[str],
    currency: Currency | None = None,
    about: Mapping[str, frozenset[str]] = {},
) -> dict[str, CheckRow]:
    """The last result of each check, as far as one is known; with a `currency`, why it is stale by
    the services that a check is `about`."""
    wanted = set(ids)
    found: dict[str, CheckRow] = {}
    for depth in _DEPTHS:
        seen = _kept(paths, depth)
        for report, document in seen:
            new = {row.id: row for row in report.checks if row.id not in found}
            found |= _aged(report, document, new, currency, about) if currency and new else new
        if wanted <= found.keys() or len(seen) < depth:
            break
    return {id: row for id, row in found.items() if id in wanted}


def _aged(
    report: AuditReport,
    document: bytes,
    rows: Mapping[str, CheckRow],
    currency: Currency,
    about: Mapping[str, frozenset[str]],
) -> dict[str, CheckRow]:
    then = of(document)

    def aged(row: CheckRow) -> CheckRow:
        services = about.get(row.id, frozenset({row.service}))
        stale = currency.stale(report.id, then, report.started, services)
        return msgspec.structs.replace(row, stale=stale) if stale else row

    return {id: aged(row) for id, row in rows.items()}


def row(check: Check, standings: Standings) -> CheckRow:
    """The check before its first run."""
    return CheckRow(
        id=check.id,
        kind=check.kind,
        core=check.core,
        suite=check.suite,
        group=check.group,
        title=check.title,
        severity=check.severity,
        service=check.service,
        stake=check.stake,
        remedy=check.remedy,
        sabotage=check.sabotage,
        proven=standings.of(check.id) is Standing.PROVEN,
        kind_proven=standings.has_kind(check.id),
        proof=standings.of(check.id),
    )


def decided(known: CheckRow, finding: Finding, ms: float, at: float) -> CheckRow:
    """The check with what was found. What could not be made needs another remedy than its own,
    which mends what it looks for."""
    unmade = finding.status is Status.ERROR
    return msgspec.structs.replace(
        known,
        status=finding.status,
        evidence=finding.evidence,
        declared=finding.declared,
        remedy=finding.remedy if unmade else known.remedy,
        ms=ms,
        at=at,
    )


def listed(
    checks: Iterable[Check], found: Mapping[str, CheckRow], standings: Standings
) -> tuple[CheckRow, ...]:
    """The checks as they are now, each with its last result."""
    rows = []
    for check in checks:
        known = row(check, standings)
        if (old := found.get(check.id)) is not None and old.status is not None:
            finding = Finding(old.status, old.evidence, old.remedy, old.declared)
            made = decided(known, finding, old.ms, old.at)
            known = msgspec.structs.replace(made, stale=old.stale)
        rows.append(known)
    return tuple(rows)
