"""An audit from its plan to its verdict. The checks are fakes; nothing runs."""

# ruff: noqa: ARG002 - fakes have the arguments of what they stand for

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence

import pytest

from devstack_tui.contracts.audit import Audit, Check, Finding, MatrixCell
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security import results
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.events import (
    AnySecurityEvent,
    AuditDone,
    AuditNote,
    AuditPlanned,
    AuditReport,
    CheckDone,
)
from devstack_tui.security.proven import Record
from devstack_tui.security.runner import Limits, Runner
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import PASSES, FakeAudit, check, made_stack

CANARY = "Zq8xKp2vW7mN4tRy"
FAILS = Finding(Status.FAIL, "not as declared")
WARNS = Finding(Status.WARN, "accepted, as declared")


@pytest.fixture
def stack() -> Stack:
    return made_stack()


async def audited(
    stack: Stack,
    checks: Sequence[Check],
    audit: StackAudit | None = None,
    limits: Limits | None = None,
    catalogue: Catalogue | None = None,
) -> list[AnySecurityEvent]:
    runner = Runner(
        stack,
        audit or FakeAudit(stack),
        catalogue or Catalogue(checks, ()),
        checks,
        record=Record({"a.1.broken": ("a.1",)}, {}),
        limits=limits,
    )
    return [event async for event in runner.run()]


async def report(stack: Stack, *checks: Check, audit: StackAudit | None = None) -> AuditReport:
    done = (await audited(stack, checks, audit))[-1]
    assert isinstance(done, AuditDone)
    assert done.report is not None
    return done.report


async def test_the_plan_comes_first_each_check_once_and_the_verdict_last(stack: Stack) -> None:
    checks = [check("a.2", FAILS), check("b.1", WARNS), check("a.1")]
    events = await audited(stack, checks)
    assert isinstance(events[0], AuditPlanned)
    assert events[0].suites == {"a": 2, "b": 1}
    assert sorted(e.row.id for e in events if isinstance(e, CheckDone)) == ["a.1", "a.2", "b.1"]
    done = events[-1]
    assert isinstance(done, AuditDone)
    assert done.report is not None
    assert [row.id for row in done.report.checks] == ["a.2", "b.1", "a.1"]
    assert [row.proven for row in done.report.checks] == [False, False, True]
    assert done.report.counts == {"PASS": 1, "FAIL": 1, "WARN": 1}
    assert (done.report.verdict, done.exit_code) == ("FAIL", 1)


ERRS = DevstackError("Vault is sealed")


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        ([PASSES], "PASS", 0),
        ([PASSES, WARNS], "PASS", 0),
        ([PASSES, Finding(Status.SKIPPED, "no")], "PASS", 0),
        ([PASSES, FAILS], "FAIL", 1),
        ([PASSES, ERRS], "FAIL", 1),
        ([ERRS, Finding(Status.SKIPPED, "no")], "ERROR", 3),
        ([Finding(Status.SKIPPED, "no")], "INCONCLUSIVE", 4),
    ],
)
async def test_a_warning_passes_and_what_could_not_be_made_does_not(
    stack: Stack, found: list[Finding | Exception], verdict: str, code: int
) -> None:
    done = (await audited(stack, [check(f"a.{n}", one) for n, one in enumerate(found)]))[-1]
    assert isinstance(done, AuditDone)
    assert done.report is not None
    assert (done.report.verdict, done.exit_code) == (verdict, code)


async def test_whatever_a_check_raises_is_an_error_in_words(stack: Stack) -> None:
    made = await report(
        stack,
        check("a.1", DevstackError("Vault is sealed", "unseal it")),
        check("a.2", ConnectionRefusedError(111, "Connection refused")),
        check("a.3", TimeoutError("timed out")),
        check("a.4", KeyError("auth")),
    )
    assert [row.status for row in made.checks] == [Status.ERROR] * 4
    assert [row.evidence for row in made.checks] == [
        "Vault is sealed",
        "Connection refused",
        "Vault (OpenBao) (127.0.0.1:18200) gave no answer within 3 s",
        "the check itself failed: KeyError: 'auth'",
    ]


async def test_a_check_of_what_is_not_there_is_skipped_and_of_what_is_down_an_error(
    stack: Stack,
) -> None:
    audit = FakeAudit(made_stack("vault", "redis", "forgejo"), down=("redis",), gone=("forgejo",))
    made = await report(
        stack,
        check("a.1", service="mysql"),
        check("a.2", service="forgejo"),
        check("a.3", service="redis"),
        check("a.4", needs=("redis",)),
        check("a.5"),
        audit=audit,
    )
    assert [(row.status, row.evidence) for row in made.checks] == [
        ("SKIPPED", "MySQL/MariaDB is not part of the stack"),
        ("SKIPPED", "forgejo is not installed"),
        ("ERROR", "Redis Cluster does not run"),
        ("ERROR", "Redis Cluster does not run"),
        ("PASS", "as declared"),
    ]


async def test_the_state_of_a_service_is_asked_for_once_not_by_each_check(stack: Stack) -> None:
    audit = FakeAudit(stack)
    await audited(stack, [check(f"a.{n}", service="redis") for n in range(30)], audit)
    assert audit.looked.count("redis") <= 2


@pytest.mark.parametrize("started", [False, True])
async def test_a_stack_of_which_nothing_runs_is_exit_status_3(started: bool) -> None:
    stack = made_stack() if started else Stack("never")
    audit = FakeAudit(stack, down=stack.selected())
    done = (await audited(stack, [check("a.1")], audit))[-1]
    assert isinstance(done, AuditDone)
    assert (done.report, done.exit_code) == (None, 3)
    assert f"--stack {stack.name} up" in done.remedy
    assert audit.closed


async def test_a_check_that_hangs_ends_within_its_limit_and_the_others_go_on(stack: Stack) -> None:
    release = threading.Event()

    def hang(_: Audit) -> Finding:
        release.wait(60)
        return PASSES

    checks = [check("a.1", hang), check("a.2", hang), *(check(f"b.{n}") for n in range(20))]
    events = await audited(stack, checks, limits=Limits(check_s=0.3, threads=2))
    release.set()
    rows = {event.row.id: event.row for event in events if isinstance(event, CheckDone)}
    assert rows["a.1"].status is Status.ERROR
    assert "given up after" in rows["a.1"].evidence
    assert {rows[f"b.{n}"].status for n in range(20)} == {Status.PASS}
    assert len(rows) == len(checks)


async def test_the_whole_audit_ends_within_its_limit(stack: Stack) -> None:
    release = threading.Event()

    def hang(_: Audit) -> Finding:
        release.wait(60)
        return PASSES

    checks = [check(f"a.{n}", hang) for n in range(10)]
    events = await audited(stack, checks, limits=Limits(check_s=60, total_s=0.3, threads=2))
    release.set()
    rows = [event.row for event in events if isinstance(event, CheckDone)]
    assert len(rows) == 10
    assert {row.status for row in rows} == {Status.ERROR}
    assert sum("not begun" in row.evidence for row in rows) == 8


async def test_evidence_holds_no_secret(stack: Stack) -> None:
    secret = stack.paths.secrets / "approles" / "postgres" / "secret-id"
    secret.parent.mkdir(parents=True)
    secret.write_text(CANARY)
    made = await report(
        stack, check("a.1", Finding(Status.FAIL, f"{CANARY} and hvs.{'A' * 24}")), check("a.2")
    )
    assert CANARY not in made.checks[0].evidence
    assert "hvs." not in made.checks[0].evidence
    assert results.reports(stack.paths)[0].checks[0] == made.checks[0]


async def test_an_audit_that_is_left_early_is_closed_and_begins_nothing_more(stack: Stack) -> None:
    audit, begun = FakeAudit(stack), []

    def slow(_: Audit) -> Finding:
        begun.append(1)
        time.sleep(0.01)
        return PASSES

    checks = [check(f"a.{n}", slow) for n in range(500)]
    runner = Runner(stack, audit, Catalogue(checks, ()), checks)
    async with contextlib.aclosing(runner.run()) as events:
        async for event in events:
            if isinstance(event, CheckDone):
                break
    assert audit.closed
    assert len(begun) < 100
    assert results.reports(stack.paths) == []


async def test_an_audit_that_is_cancelled_is_closed(stack: Stack) -> None:
    audit = FakeAudit(stack)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: Audit) -> Finding:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.2)
        return PASSES

    task = asyncio.create_task(audited(stack, [check(f"a.{n}", slow) for n in range(99)], audit))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # A generator that is left to the loop is closed when the loop next turns.
    for _ in range(100):
        if audit.closed:
            break
        await asyncio.sleep(0.01)
    assert audit.closed


async def test_the_matrix_is_in_the_report_when_its_checks_ran(stack: Stack) -> None:
    class FakeMatrix:
        def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
            return (MatrixCell("postgres", "secret/data/mysql", "read", False, True),)

    checks = [check("a.1", group="matrix"), check("a.2")]
    catalogue = Catalogue(checks, (), [FakeMatrix()])

    async def cells(*chosen: Check) -> int:
        done = (await audited(stack, chosen, catalogue=catalogue))[-1]
        assert isinstance(done, AuditDone)
        assert done.report is not None
        return len(done.report.matrix)

    assert await cells(*checks) == 1
    assert await cells(checks[1]) == 0


async def test_a_matrix_that_cannot_be_asked_for_is_a_note(stack: Stack) -> None:
    class FakeMatrix:
        def matrix(self, audit: Audit) -> tuple[MatrixCell, ...]:
            raise DevstackError("Vault is sealed")

    checks = [check("a.1", group="matrix")]
    events = await audited(stack, checks, catalogue=Catalogue(checks, (), [FakeMatrix()]))
    notes = [event.text for event in events if isinstance(event, AuditNote)]
    assert notes == ["the access matrix could not be asked for: Vault is sealed"]


async def test_a_history_that_cannot_be_written_is_told_and_the_report_is_there(
    stack: Stack,
) -> None:
    (stack.paths.root / "history.db").mkdir()
    done = (await audited(stack, [check("a.1")]))[-1]
    assert isinstance(done, AuditDone)
    assert done.report is not None
    assert done.message
