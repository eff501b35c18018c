"""The report's verdict at its limits: what failed, what is missing, what is only a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.core.check import Result, Status
from devstack_tui.report.build import build, exit_status
from devstack_tui.report.core_checks import checks
from devstack_tui.report.markdown import markdown
from devstack_tui.report.model import Report, Warnings
from devstack_tui.report.verdict import Finding, Need, is_missing, spans, verdict
from devstack_tui.report.verdict import exit_status as status_of
from devstack_tui.stack.basis import RESTORED, Basis, Restored, ServiceBasis

from .report_kit import AT, RESTS, RUNNING, Filled

NOW = AT + 3600
CORE = [check.id for check in checks()]
ALL_PASS = ("PASS",) * 77


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    """An empty history to fill."""
    return Filled(tmp_path / "history.db")


def made(filled: Filled, rests: Basis = RESTS, **more: Any) -> Report:
    return build(filled.history, "default", rests=rests, now=lambda: NOW, **more)


def complete(filled: Filled, **statuses: Status) -> None:
    """Every core check once, as it decides; PASS but for `statuses` by id (`tls_03`)."""

    def status(id: str) -> Status:
        return statuses.get(id.replace(".", "_"), Status.PASS)

    rows = [
        filled.row(id, id.partition(".")[0], status(id)) for id in CORE if id.startswith(AUDITED)
    ]
    filled.audit(rows)
    filled.drill(str(status("redis.failover.12")))
    filled.regress(status("perf.01"), size="full")
    for_load = [Result(id, id, status(id), "seen") for id in CORE if id.startswith("load.")]
    filled.add("load", "10ad", "all", "full", AT, {"verdict": "PASS", "checks": for_load})


AUDITED = ("approle.", "tls.")


# -- the pure rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("PASS", "PASS"),
        ("WARN", "PASS"),
        ("N/A", "PASS"),
        ("FAIL", "FAIL"),
        ("ERROR", "FAIL"),
        ("SKIPPED", "INCOMPLETE"),
        ("INCONCLUSIVE", "INCOMPLETE"),
        ("NOT RUN", "INCOMPLETE"),
        ("NOT BUILT", "INCOMPLETE"),
        ("STALE", "INCOMPLETE"),
        ("QUICK", "INCOMPLETE"),
        ("a word of a later release", "INCOMPLETE"),
    ],
)
def test_one_core_check_among_77_decides(status: str, found: str) -> None:
    assert verdict((*ALL_PASS[1:], status), ()) == found
    assert is_missing(status) == (found == "INCOMPLETE")
    # What fails is not hidden by what is missing.
    assert verdict((status, "FAIL", "NOT RUN"), ()) == "FAIL"


@pytest.mark.parametrize(
    ("status", "stale", "counts", "found"),
    [
        ("PASS", "", True, "PASS"),
        ("SKIPPED", "", True, "PASS"),
        ("FAIL", "", True, "FAIL"),
        ("ERROR", "", False, "FAIL"),
        ("FAIL", "redis was restarted", True, "INCOMPLETE"),
        ("FAIL", "redis was restarted", False, "INCOMPLETE"),
        ("PASS", "redis was restarted", True, "PASS"),
        ("INCONCLUSIVE", "", True, "INCOMPLETE"),
        ("INCONCLUSIVE", "", False, "PASS"),
    ],
)
def test_a_check_beyond_the_core_ones_may_fail_the_report(
    status: str, stale: str, counts: bool, found: str
) -> None:
    assert verdict(ALL_PASS, [Finding("x", status, stale, "again", counts)]) == found


@pytest.mark.parametrize(
    ("found", "warned", "plain", "strict"),
    [
        ("PASS", Warnings(), 0, 0),
        ("PASS", Warnings(2, 2), 0, 0),
        ("PASS", Warnings(2, 1), 0, 1),
        ("FAIL", Warnings(), 1, 1),
        ("INCOMPLETE", Warnings(), 4, 4),
        ("INCOMPLETE", Warnings(1, 0), 4, 4),
    ],
)
def test_the_exit_status(found: str, warned: Warnings, plain: int, strict: int) -> None:
    assert status_of(found, warned, strict=False) == plain
    assert status_of(found, warned, strict=True) == strict


def test_numbers_are_told_as_spans() -> None:
    assert spans(["TLS 3"]) == "TLS 3"
    assert spans(["TLS 1", "TLS 2", "TLS 3", "TLS 7"]) == "TLS 1–3, 7"


# -- with documents ----------------------------------------------------------------------------


def test_every_core_check_once_in_full_and_of_now_is_a_pass(filled: Filled) -> None:
    complete(filled)
    report = made(filled)
    assert (report.verdict, report.missing, exit_status(report, strict=True)) == ("PASS", (), 0)
    assert "## Missing" not in markdown(report)


def test_one_that_was_skipped_is_missing_and_one_that_is_not_installed_is_not(
    filled: Filled,
) -> None:
    complete(filled, tls_19=Status.SKIPPED)
    report = made(filled)
    (one,) = report.missing
    assert (report.verdict, one.what, one.checks) == ("INCOMPLETE", "TLS 19", ("tls.19",))
    assert one.command == "devstack-tui check run tls"
    absent = made(filled, inapplicable={"tls.19": "Forgejo is not installed"})
    assert (absent.verdict, absent.missing) == ("PASS", ())
    assert absent.inapplicable == {"Forgejo is not installed": ("tls.19",)}
    assert "1 does not apply (Forgejo is not installed)" in markdown(absent)


def test_what_failed_fails_the_report_although_its_program_is_gone_since(filled: Filled) -> None:
    complete(filled, tls_19=Status.FAIL)
    assert made(filled, inapplicable={"tls.19": "not installed"}).verdict == "FAIL"


def test_a_warning_passes_and_strict_asks_whether_it_is_declared(filled: Filled) -> None:
    complete(filled, tls_03=Status.WARN)
    assert exit_status(made(filled)) == 0
    assert exit_status(made(filled), strict=True) == 1
    borne = msgspec.structs.replace(filled.row("tls.03", "tls", Status.WARN), declared=True)
    filled.audit([msgspec.structs.replace(borne, at=AT + 1)], id="a2", at=AT + 1)
    report = made(filled)
    assert (report.warnings, exit_status(report, strict=True)) == (Warnings(1, 1), 0)
    assert "WARN, as declared" in markdown(report)


def test_a_quick_gate_does_not_decide_and_does_not_hide_the_full_one(filled: Filled) -> None:
    complete(filled)
    filled.regress(Status.PASS, id="q", at=AT + 5)
    assert made(filled).verdict == "PASS"
    filled.regress(Status.FAIL, id="q2", at=AT + 6)
    report = made(filled)
    assert report.verdict == "PASS"
    row = next(one for one in report.coverage.core if one.id == "perf.01")
    assert "since then FAIL (quick: does not decide)" in row.reason


def test_a_quick_gate_alone_leaves_the_gate_missing(filled: Filled) -> None:
    filled.regress(Status.PASS)
    report = made(filled)
    row = next(one for one in report.coverage.core if one.id == "perf.01")
    assert (row.status, row.was, row.reason) == ("QUICK", "PASS", "only quick: does not decide")
    one = next(one for one in report.missing if "perf.01" in one.checks)
    assert (one.what, one.command) == ("Regression 1–9", "devstack-tui regress")


def test_a_gate_without_a_baseline_says_what_records_one(filled: Filled) -> None:
    record = "`devstack-tui bench record redis.get` records what this host gives now"
    check = Result("perf.04", "Redis", Status.INCONCLUSIVE, "no baseline of redis.get", record)
    filled.add(
        *("regress", "g1", "gate", "full", AT), {"verdict": "INCONCLUSIVE", "checks": [check]}
    )
    one = next(one for one in made(filled).missing if "perf.04" in one.checks)
    assert one.why == "INCONCLUSIVE: no baseline of redis.get"
    assert one.command == "devstack-tui bench record redis.get"


def test_what_a_check_needs_first_is_said_with_its_command(filled: Filled) -> None:
    need = Need("no baseline is recorded for this host", "devstack-tui bench record")
    report = made(filled, absent={"perf.04": need})
    one = next(one for one in report.missing if "perf.04" in one.checks)
    assert one.why == f"not run on this stack yet: {need.why}"
    assert (one.what, one.command) == ("Regression 4", need.command)


def test_another_fault_stands_beside_the_core_result_and_its_failure_is_one(
    filled: Filled,
) -> None:
    complete(filled)
    filled.drill("PASS", "sigterm", id="t1", at=AT + 5, core=False)
    assert made(filled).verdict == "PASS"
    filled.drill("FAIL", "sigterm", id="t2", at=AT + 6, core=False)
    report = made(filled)
    assert report.verdict == "FAIL"
    assert all(one.status == "PASS" for one in report.coverage.core)


def test_another_fault_alone_decides_no_core_check(filled: Filled) -> None:
    filled.drill("PASS", "sigterm", core=False)
    row = next(one for one in made(filled).coverage.core if one.id == "redis.failover.12")
    assert (row.status, row.missing) == ("NOT RUN", True)
    assert row.reason.startswith("only beside the core result")


# -- results that are stale -----------------------------------------------------------------


def changed(name: str, starts: str = "2-2") -> Basis:
    """What there is after `name` was started again."""
    other = msgspec.structs.replace(RUNNING, units={"one": (starts, AT + 60)})
    return Basis("i", {**RESTS.services, name: other})


def test_a_restart_makes_stale_what_is_about_that_service_alone(filled: Filled) -> None:
    complete(filled)
    report = made(filled, changed("redis"))
    stale = {row.id for row in report.coverage.core if row.status == "STALE"}
    assert "redis.failover.01" in stale
    assert "approle.01" not in stale
    assert report.verdict == "INCOMPLETE"
    (drilled,) = [one for one in report.missing if one.what == "Failover 1–16"]
    assert drilled.why.startswith("stale: redis was restarted ")
    assert "PASS, stale" in markdown(report)


def test_what_does_not_run_is_started_before_its_checks_run_again(filled: Filled) -> None:
    complete(filled)
    filled.drill("FAIL", "sigterm", id="t1", at=AT + 5, core=False)
    first = Need("redis does not run now", "devstack-tui up redis")
    stopped = Basis("i", {**RESTS.services, "redis": ServiceBasis()})
    report = made(filled, stopped, absent={"redis": first})
    commands = {
        one.command for one in report.missing if any(id.startswith("redis") for id in one.checks)
    }
    assert commands == {first.command}
    assert {row.command for row in report.coverage.core if row.suite == "AppRole"} == {
        "devstack-tui check run approle"
    }


@pytest.mark.parametrize(
    ("silent", "words"),
    [
        (("mysql",), "mysql does not answer: its settings "),
        (("mysql", "redis"), "mysql, redis do not answer: their settings "),
    ],
)
def test_one_service_does_not_answer_and_several_do_not(
    silent: tuple[str, ...], words: str, filled: Filled
) -> None:
    assert made(filled, unasked=silent).notes[0].startswith(words)


def test_a_run_that_restored_everything_leaves_it_current(filled: Filled) -> None:
    complete(filled)
    now = changed("redis")
    document = msgspec.json.encode(Restored("redis", RUNNING, now.services["redis"]))
    filled.history.add(RESTORED, "r1", "drill run redis.failover", "", AT + 70, "", document)
    assert made(filled, now).verdict == "PASS"
    assert made(filled, changed("redis", "3-3")).verdict == "INCOMPLETE"


def test_a_failure_that_is_stale_is_missing_and_no_failure(filled: Filled) -> None:
    complete(filled, redis_failover_12=Status.FAIL)
    assert made(filled).verdict == "FAIL"
    report = made(filled, changed("redis"))
    assert report.verdict == "INCOMPLETE"
    row = next(one for one in report.coverage.core if one.id == "redis.failover.12")
    assert (row.status, row.was) == ("STALE", "FAIL")


def test_a_stack_that_is_down_has_no_current_result(filled: Filled) -> None:
    complete(filled)
    report = made(filled, Basis("i", {name: ServiceBasis() for name in RESTS.services}))
    assert report.verdict == "INCOMPLETE"
    assert {one.why for one in report.missing} == {"stale: nothing of the stack runs now"}
