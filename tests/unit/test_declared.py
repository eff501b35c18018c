"""A WARN that what is declared brings about is shown as such, and `--strict` passes it."""

from __future__ import annotations

import msgspec
import pytest

from devstack_tui.contracts.audit import Finding, as_declared
from devstack_tui.core import junit
from devstack_tui.core.check import Result, Status, counts_text, strict, worded
from devstack_tui.security import results, sarif
from devstack_tui.security.events import AuditReport, CheckRow
from devstack_tui.security.tls.listener_audit import together


def result(status: Status, declared: bool = False) -> Result:
    return Result("tls.03", "plain as declared", status, "plain answers", declared=declared)


@pytest.mark.parametrize(
    ("code", "status", "declared", "exits"),
    [
        (0, Status.PASS, False, 0),
        (0, Status.WARN, True, 0),
        (0, Status.WARN, False, 1),
        (0, Status.SKIPPED, False, 0),
        (1, Status.FAIL, False, 1),
        (4, Status.WARN, False, 4),
        (3, Status.ERROR, True, 3),
    ],
)
def test_strict_fails_for_a_warning_that_nothing_declares(
    code: int, status: Status, declared: bool, exits: int
) -> None:
    assert strict(code, [result(Status.PASS), result(status, declared)]) == exits


def test_one_warning_that_is_not_declared_is_enough() -> None:
    assert strict(0, [result(Status.WARN, True), result(Status.WARN)]) == 1


def test_only_a_warning_is_as_declared() -> None:
    assert worded(result(Status.WARN, True)) == "WARN, as declared"
    assert worded(result(Status.WARN)) == "WARN"
    assert worded(result(Status.FAIL, True)) == "FAIL"
    found = [result(Status.WARN, True), result(Status.WARN), result(Status.PASS)]
    assert counts_text(found) == "1 PASS, 2 WARN (1 as declared)"


def test_several_findings_together_are_as_declared_when_every_warning_is() -> None:
    borne, found = as_declared("plain answers"), Finding(Status.WARN, "it ends in 20 days")
    good = Finding(Status.PASS, "verified")
    assert together({"a": borne, "b": good}).declared
    assert not together({"a": borne, "b": found}).declared
    assert not together({"a": good}).declared


def test_every_form_of_an_audit_tells_it() -> None:
    known = CheckRow(
        id="tls.03", suite="tls", group="", title="plain as declared", severity="low",
        service="postgres", stake="", remedy="", sabotage="", proven=False,
    )  # fmt: skip
    row = results.decided(known, as_declared("plain answers"), 1.0, 1.0)
    report = AuditReport(
        id="a", stack="s", verdict="PASS", started=1.0, seconds=1.0, counts={}, checks=(row,)
    )
    assert msgspec.json.decode(msgspec.json.encode(row))["declared"] is True
    (shown,) = sarif.document(report)["runs"][0]["results"]
    assert (shown["kind"], shown["level"]) == ("fail", "note")
    assert "WARN, as declared tls.03" in junit.document("check", [result(Status.WARN, True)], 1.0)
