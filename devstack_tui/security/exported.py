"""An audit's report in the forms that other tools read."""

from __future__ import annotations

import msgspec

from devstack_tui.core import junit
from devstack_tui.core.check import Result, Status
from devstack_tui.security import sarif
from devstack_tui.security.events import AuditReport


def _json(report: AuditReport) -> str:
    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"


def _junit(report: AuditReport) -> str:
    rows = [
        Result(
            *(row.id, row.title, row.status or Status.ERROR, row.evidence),
            *(row.remedy, row.declared),
        )
        for row in report.checks
    ]
    times = {row.id: row.ms / 1000 for row in report.checks}
    facts = {f"not audited: {whose}": "; ".join(what) for whose, what in report.not_audited.items()}
    facts = {"headline": str(report.headline or ""), **facts}
    return junit.document("check", rows, report.seconds, times, facts)


FORMS = {"json": _json, "junit": _junit, "sarif": sarif.text}
"""What makes the text of each."""
