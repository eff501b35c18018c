"""The last result of every check as a file: JSON, JUnit or SARIF, by the ending of its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from devstack_tui.core.check import Result, Status, verdict, write_junit
from devstack_tui.core.files import explain
from devstack_tui.security.events import AuditReport, CheckRow

FORMS = {".json": "JSON, as check run --json", ".xml": "JUnit", ".sarif": "SARIF 2.1.0"}
"""What may be written, by the ending of the file."""


def save(path: Path, stack: str, rows: Sequence[CheckRow]) -> None:
    """Write those of `rows` that were ever made. Errors: `DevstackError`."""
    report = _report(stack, [row for row in rows if row.status is not None])
    if path.suffix == ".xml":
        write_junit(path, "check", [_result(row) for row in report.checks], report.seconds)
    elif path.suffix == ".sarif":
        from devstack_tui.security import sarif

        sarif.write(path, report)
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        except OSError as error:
            raise explain(error, f"saving {path}") from None


def _report(stack: str, rows: Sequence[CheckRow]) -> AuditReport:
    """The results as one report, although they may come of several runs."""
    return AuditReport(
        id="latest",
        stack=stack,
        verdict=verdict(map(_result, rows)),
        started=min((row.at for row in rows), default=0.0),
        seconds=sum(row.ms for row in rows) / 1000,
        counts=dict(Counter(str(row.status) for row in rows)),
        checks=tuple(rows),
    )


def _result(row: CheckRow) -> Result:
    return Result(row.id, row.title, row.status or Status.ERROR, row.evidence, row.remedy)
