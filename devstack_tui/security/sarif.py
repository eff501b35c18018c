"""An audit as SARIF 2.1.0 (OASIS standard), for code scanning and dashboards.

Every check that ran is a rule; a FAIL, a WARN and an ERROR are results. There is no file to point
at: the location is logical, `stack/service/check`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from devstack_tui import __version__
from devstack_tui.contracts.audit import Severity
from devstack_tui.core import files
from devstack_tui.core.check import Status
from devstack_tui.security.events import AuditReport, CheckRow

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
# GitHub's scale of `security-severity`: over 9 critical, over 7 high, 4 and more medium, then low.
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
# A result of another kind than `fail` has the level `none` (SARIF 2.1.0, 3.27.10).
_KINDS = {
    Status.FAIL: ("fail", "error"),
    Status.WARN: ("fail", "warning"),
    Status.ERROR: ("open", "none"),
}


def document(report: AuditReport) -> dict[str, Any]:
    """The report as a SARIF log with one run."""
    rules = {row.id: index for index, row in enumerate(report.checks)}
    failed = [row for row in report.checks if row.status in _KINDS]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "devstack-tui",
                        "version": __version__,
                        "rules": [_rule(row) for row in report.checks],
                    }
                },
                "automationDetails": {"id": f"check/{report.stack}/{report.id}"},
                "invocations": [
                    {
                        # Whether the audit itself could be made, not whether it found anything.
                        "executionSuccessful": report.verdict != Status.ERROR,
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": f"{row.id}: {row.evidence}"}}
                            for row in report.checks
                            if row.status is Status.ERROR
                        ],
                    }
                ],
                "results": [_result(report.stack, row, rules[row.id]) for row in failed],
            }
        ],
    }


def write(path: Path, report: AuditReport) -> None:
    """Write the SARIF file. Raises `DevstackError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document(report))) + b"\n")
    except OSError as error:
        raise files.explain(error, f"writing {path}") from None


def _rule(row: CheckRow) -> dict[str, Any]:
    markdown = f"**At stake:** {row.stake}\n\n**Remedy:** {row.remedy}"
    return {
        "id": row.id,
        "shortDescription": {"text": row.title},
        "fullDescription": {"text": row.stake or row.title},
        "help": {"text": f"{row.stake}\n\n{row.remedy}".strip() or row.title, "markdown": markdown},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": [tag for tag in ("security", row.suite, row.group, row.service) if tag],
            "security-severity": _SCORES[Severity(row.severity)],
            "problem.severity": "error",
            "core": row.core,
            "proven": row.proven,
        },
    }


def _result(stack: str, row: CheckRow, index: int) -> dict[str, Any]:
    assert row.status is not None
    kind, level = _KINDS[row.status]
    prefix = "could not be decided: " if row.status is Status.ERROR else ""
    return {
        "ruleId": row.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": f"{row.title}: {prefix}{row.evidence}"},
        "locations": [
            {
                "logicalLocations": [
                    {
                        "name": row.service,
                        "fullyQualifiedName": f"{stack}/{row.service}/{row.id}",
                        "kind": "resource",
                    }
                ]
            }
        ],
        "partialFingerprints": {"check/v1": f"{row.service}/{row.id}"},
    }
