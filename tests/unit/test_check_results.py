"""What is kept of audits, and how they are written for other programs. The checks are fakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.contracts.audit import Finding
from devstack_tui.core.check import Status
from devstack_tui.core.history import History
from devstack_tui.security import results, sarif
from devstack_tui.security.events import AuditReport, CheckRow
from devstack_tui.stack.basis import Basis, Currency, ServiceBasis
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import check, made_stack, standings

ROOT = Path(__file__).resolve().parents[2]
REASONS = {
    Status.PASS: "as declared",
    Status.FAIL: "TLS 1.0 was accepted",
    Status.WARN: "ends in 50 days",
    Status.ERROR: "it does not answer",
    Status.SKIPPED: "not part of the stack",
}


def row(id: str, status: Status, at: float = 1.0) -> CheckRow:
    one = check(id, core="TLS 4", group="versions")
    made = results.row(one, standings(one, turned=[id]))
    return results.decided(made, Finding(status, REASONS[status]), 2.5, at)


def report(id: str, started: float, *rows: CheckRow) -> AuditReport:
    return AuditReport(
        id=id, stack="work", verdict="FAIL", started=started, seconds=1.5, counts={}, checks=rows
    )


@pytest.fixture
def stack() -> Stack:
    return made_stack()


def test_the_last_result_of_a_check_is_of_the_last_run_that_had_it(stack: Stack) -> None:
    results.keep(stack.paths, report("1", 1.0, row("a.1", Status.PASS), row("a.2", Status.PASS)))
    for number in range(2, 12):
        results.keep(stack.paths, report(str(number), number, row("a.1", Status.FAIL, number)))
    found = results.last(stack.paths, ["a.1", "a.2", "a.3"])
    assert {id: (one.status, one.at) for id, one in found.items()} == {
        "a.1": ("FAIL", 11.0),
        "a.2": ("PASS", 1.0),
    }


def test_a_check_that_never_ran_has_no_status(stack: Stack) -> None:
    results.keep(stack.paths, report("1", 1.0, row("a.1", Status.WARN)))
    checks = [check("a.1"), check("a.2")]
    found = results.last(stack.paths, ["a.1", "a.2"])
    listed = results.listed(checks, found, standings(*checks, turned=["a.2"]))
    assert [(one.status, one.proven) for one in listed] == [("WARN", False), (None, True)]
    assert listed[0].evidence == "ends in 50 days"


def test_a_stack_without_audits_has_no_results(stack: Stack) -> None:
    assert results.last(stack.paths, ["a.1"]) == {}
    assert results.reports(stack.paths) == []


def test_a_report_of_another_release_is_left_out(stack: Stack) -> None:
    History.of(stack.paths).add(results.KIND, "0", results.NAME, "", 9.0, "", b'{"checks": 7}')
    results.keep(stack.paths, report("1", 1.0, row("a.1", Status.PASS)))
    assert [one.id for one in results.reports(stack.paths)] == ["1"]


# -- SARIF -------------------------------------------------------------------------------------


@pytest.fixture
def log() -> dict[str, Any]:
    made = report("r1", 1.0, *(row(f"a.{n}", one) for n, one in enumerate(REASONS)))
    document: dict[str, Any] = json.loads(sarif.text(made))
    return document


def test_every_check_is_a_rule_with_help_and_only_what_did_not_pass_a_result(
    log: dict[str, Any],
) -> None:
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [f"a.{n}" for n in range(5)]
    # What could not be made has another remedy than its own, if any.
    helped = ["how to mend it" in rule["help"]["text"] for rule in rules]
    assert helped == [status is not Status.ERROR for status in REASONS]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("a.1", "error"),
        ("a.2", "warning"),
        ("a.3", "none"),
    ]
    assert "TLS 1.0 was accepted" in run["results"][0]["message"]["text"]


def test_the_log_keeps_the_rules_of_the_standard(log: dict[str, Any]) -> None:
    """SARIF 2.1.0: 3.27.6 (ruleIndex), 3.27.9 and 3.27.10 (kind and level), 3.11 (message)."""
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["kind"] in ("fail", "open")
        assert (one["level"] == "none") == (one["kind"] != "fail")
        assert one["message"]["text"]
        assert one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        assert 0.0 <= float(rule["properties"]["security-severity"]) <= 10.0


def test_what_could_not_be_decided_is_a_notification_of_the_tool(log: dict[str, Any]) -> None:
    told = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert [one["message"]["text"] for one in told] == ["a.3: it does not answer"]


def test_every_result_has_a_line_that_github_can_show_and_a_fingerprint_of_its_own(
    log: dict[str, Any],
) -> None:
    results = log["runs"][0]["results"]
    for one in results:
        place = one["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == sarif.BASE
        assert (ROOT / place["artifactLocation"]["uri"]).is_file()
        assert place["region"]["startLine"] >= 1
    prints = [one["partialFingerprints"]["primaryLocationLineHash"] for one in results]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize(
    ("title", "name", "line"),
    [
        ("postgres: the chain leads to the root", "configs/tls/properties.toml", "chain leads"),
        ("redis-3: no encryption (NULL) is refused", "configs/tls/ciphers.toml", "(NULL)"),
        (
            "Vault is initialised and unsealed",
            "configs/vault/checks.toml",
            "unsealed",
        ),
        ("what a package from outside asserts", "configs/core_checks.toml", "# The core checks"),
    ],
)
def test_the_line_is_the_one_that_declares_the_check(title: str, name: str, line: str) -> None:
    shown = report("r1", 1.0, msgspec.structs.replace(row("a.1", Status.FAIL), title=title))
    place = sarif.document(shown)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == name
    assert line in (ROOT / name).read_text().splitlines()[place["region"]["startLine"] - 1]


def test_a_report_survives_its_json() -> None:
    made = report("1", 1.0, row("a.1", Status.PASS))
    assert msgspec.json.decode(msgspec.json.encode(made), type=AuditReport) == made


def test_the_last_results_say_that_they_are_stale(stack: Stack) -> None:
    then = Basis("i", {"vault": ServiceBasis({"vault": ("1-1", 1.0)})})
    now = Basis("i", {"vault": ServiceBasis({"vault": ("2-2", 9.0)})})
    results.keep(stack.paths, report("1", 1.0, row("a.1", Status.PASS)), then)
    about = {"a.1": frozenset({"vault"})}
    assert results.last(stack.paths, ["a.1"], Currency(then), about)["a.1"].stale == ""
    (found,) = results.last(stack.paths, ["a.1"], Currency(now), about).values()
    assert found.stale.startswith("vault was restarted")
    results.keep(stack.paths, report("2", 2.0, row("a.1", Status.PASS)), now)
    assert results.last(stack.paths, ["a.1"], Currency(now), about)["a.1"].stale == ""
