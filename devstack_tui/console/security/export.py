"""The last result of every check as a file: JSON, JUnit or SARIF, by the ending of its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from devstack_tui.core import exports
from devstack_tui.core.check import Result, Status, verdict
from devstack_tui.security.events import AuditReport, CheckRow

FORMS = {".json": "JSON, as check run --json", ".xml": "JUnit", ".sarif": "SARIF 2.1.0"}
"""What may be written, by the ending of the file."""


def save(path: Path, stack: str, rows: Sequence[CheckRow]) -> None:
    """Write those of `rows` that were ever made. Errors: `DevstackError`."""
    from devstack_tui.security import exported

    report = _report(stack, [row for row in rows if row.status is not None])
    form = {".xml": "junit", ".sarif": "sarif"}.get(path.suffix, "json")
    exports.write({path: exported.FORMS[form](report)})


def _report(stack: str, rows: Sequence[CheckRow]) -> AuditReport:
    """The results as one report, although they may come of several runs."""
    found = (Result(row.id, row.title, row.status or Status.ERROR, row.evidence) for row in rows)
    return AuditReport(
        id="latest",
        stack=stack,
        verdict=verdict(found),
        started=min((row.at for row in rows), default=0.0),
        seconds=sum(row.ms for row in rows) / 1000,
        counts=dict(Counter(str(row.status) for row in rows)),
        checks=tuple(rows),
    )
