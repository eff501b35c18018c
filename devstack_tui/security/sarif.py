"""An audit as SARIF 2.1.0 (OASIS standard), for code scanning and dashboards.

Every check that ran is a rule; a FAIL, a WARN and an ERROR are results. What is wrong is in a
server, not in a file: the logical location is `stack/service/check`, the physical one, without
which GitHub takes no result, the line of our configuration that declares the check.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

import msgspec

from devstack_tui import __version__
from devstack_tui.contracts.audit import Severity
from devstack_tui.core.check import Status, warned_as_declared
from devstack_tui.core.errors import for_stack
from devstack_tui.core.paths import shipped
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


BASE = "%SRCROOT%"
_FILES = (
    *("configs/vault/checks.toml", "configs/vault/matrix.toml"),
    *("configs/tls/properties.toml", "configs/tls/ciphers.toml", "configs/core_checks.toml"),
)
_TITLE = re.compile(r'\s*(?:title = )?"(.+)",?')


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
                        "rules": [_rule(report.stack, row) for row in report.checks],
                    }
                },
                "properties": {
                    "headline": str(report.headline or ""),
                    "notAudited": report.not_audited,
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
                # Below the directory that has the checkout, as GitHub shows it.
                "originalUriBaseIds": {BASE: {"description": {"text": "the checkout"}}},
                "results": [_result(report.stack, row, rules[row.id]) for row in failed],
            }
        ],
    }


def text(report: AuditReport) -> str:
    """The SARIF file."""
    return msgspec.json.format(msgspec.json.encode(document(report))).decode() + "\n"


def _rule(stack: str, row: CheckRow) -> dict[str, Any]:
    remedy = for_stack(row.remedy, stack)
    markdown = f"**At stake:** {row.stake}" + (f"\n\n**Remedy:** {remedy}" if remedy else "")
    return {
        "id": row.id,
        "shortDescription": {"text": row.title},
        "fullDescription": {"text": row.stake or row.title},
        "help": {"text": f"{row.stake}\n\n{remedy}".strip() or row.title, "markdown": markdown},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": [tag for tag in ("security", row.suite, row.group, row.service) if tag],
            "security-severity": _SCORES[Severity(row.severity)],
            "problem.severity": "error",
            "core": row.core,
            "kind": row.kind,
            "proven": row.proven,
            "kindProven": row.kind_proven,
        },
    }


def _result(stack: str, row: CheckRow, index: int) -> dict[str, Any]:
    assert row.status is not None
    kind, level = _KINDS[row.status]
    level = "note" if warned_as_declared(row) else level
    prefix = "could not be decided: " if row.status is Status.ERROR else ""
    return {
        "ruleId": row.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": {"text": f"{row.title}: {prefix}{row.evidence}"},
        "locations": [
            {
                "physicalLocation": _declared(row.title),
                "logicalLocations": [
                    {
                        "name": row.service,
                        "fullyQualifiedName": f"{stack}/{row.service}/{row.id}",
                        "kind": "resource",
                    }
                ],
            }
        ],
        "partialFingerprints": {
            "check/v1": f"{row.service}/{row.id}",
            # What GitHub goes by: several results are declared in one line.
            "primaryLocationLineHash": f"{_hash(f'{row.service}/{row.id}')}:1",
        },
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _declared(title: str) -> dict[str, Any]:
    """Where the check with this title is declared; the list of all suites for one of a package
    from outside."""
    fitting = [
        (len(pattern.pattern), name, line)
        for pattern, name, line in _titles()
        if pattern.search(title)
    ]
    _, name, line = max(fitting, default=(0, _FILES[-1], 1))
    return {
        "artifactLocation": {"uri": name, "uriBaseId": BASE},
        "region": {"startLine": line},
    }


@functools.cache
def _titles() -> tuple[tuple[re.Pattern[str], str, int], ...]:
    """Every title in the files that declare checks, what is filled in being anything, and its
    line."""
    found = []
    for name in _FILES:
        for number, line in enumerate(shipped(name).read_text("utf-8").splitlines(), 1):
            if titled := _TITLE.fullmatch(line):
                fixed = map(re.escape, re.split(r"\{\w+\}", titled[1]))
                found.append((re.compile(".+".join(fixed)), name, number))
    return tuple(found)
