"""The command line of `check`, and its text. The rows are fakes."""

from __future__ import annotations

import argparse
from dataclasses import replace

import msgspec
import pytest

from devstack_tui.cli import main
from devstack_tui.cli.options.check import check_options
from devstack_tui.cli.output import work_on
from devstack_tui.cli.text.check import (
    amount,
    count,
    count_lines,
    list_lines,
    matrix_lines,
    proof_lines,
    report_lines,
    show_lines,
)
from devstack_tui.cli.verbs import check as verb
from devstack_tui.contracts.audit import Finding, MatrixCell
from devstack_tui.core.check import Status
from devstack_tui.core.errors import UsageError
from devstack_tui.security import results
from devstack_tui.security.events import AuditReport, CheckRow, Proof
from devstack_tui.security.standing import headline
from tests.unit.audit_kit import Switch, check, made_stack, standings

Capture = pytest.CaptureFixture[str]


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    check_options(parser, argparse.ArgumentParser(add_help=False))
    return parser.parse_args(list(words))


def row(
    id: str, status: Status | None, *, core: str = "", proven: bool = False, at: float = 0.0
) -> CheckRow:
    one = check(id, core=core, sabotage="x.broken")
    made = results.row(one, standings(one, turned=[id] if proven else []))
    return results.decided(made, Finding(status, f"seen {id}"), 1.0, at) if status else made


def report(*rows: CheckRow) -> AuditReport:
    return AuditReport(
        id="r1", stack="work", verdict="FAIL", started=0, seconds=1.5, counts={}, checks=rows
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["prove"], "say what to prove"),
        (["prove", "--record"], "say what to prove"),
    ],
)
def test_a_proof_needs_names_or_all_of_them(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        verb.run(parse(*words))


@pytest.mark.parametrize("words", [(), ("show",), ("list", "--jsonl"), ("run", "--count")])
def test_nonsense_on_the_command_line_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse(*words)


@pytest.mark.parametrize(
    ("argv", "sentence", "step"),
    [
        (["check", "run", "aprole"], "unknown check 'aprole'", "approle"),
        (["check", "list", "--suite", "tsl"], "unknown suite 'tsl'", "tls"),
        (["check", "show", "tls.99"], "unknown check 'tls.99'", "tls."),
        (["check", "prove", "tls.99"], "unknown check or sabotage 'tls.99'", "tls."),
        (["check", "lsit"], "unknown choice 'lsit'", "list"),
    ],
)
def test_a_wrong_name_is_told_with_the_close_ones_and_exit_status_2(
    argv: list[str], sentence: str, step: str, capsys: Capture
) -> None:
    assert main.main(argv) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert step in err


@pytest.mark.parametrize("what", ["run", "matrix"])
def test_a_stack_that_does_not_run_is_exit_status_3(what: str, capsys: Capture) -> None:
    made_stack()
    assert main.main(["check", what, "--stack", "work"]) == 3
    assert "--stack work up" in capsys.readouterr().err


# -- text --------------------------------------------------------------------------------------


def test_the_list_shows_number_severity_proof_and_age_of_the_last_result() -> None:
    rows = [row("a.1", Status.FAIL, core="TLS 4", proven=True, at=1000.0), row("a.2", None)]
    lines = list(list_lines(rows, 1120.0))
    assert lines[0] == "a"
    assert lines[1].split() == [
        "FAIL",
        "a.1",
        "TLS",
        "4",
        "high",
        "proven",
        "2",
        "min",
        "title",
        "of",
        "a.1",
    ]
    assert lines[2].split() == ["-", "a.2", "high", "-", "-", "title", "of", "a.2"]


def test_only_what_is_proven_counts_and_a_core_check_only_when_all_of_it_is() -> None:
    rows = [
        row("a.1", None, core="TLS 1", proven=True),
        row("a.2", None, core="TLS 2", proven=True),
        row("a.3", None, core="TLS 2"),
        row("b.1", None, proven=True),
    ]
    counted = count(rows)
    assert (counted["a"]["proven"], counted["a"]["checks"]) == (2, 3)
    assert (counted["all"]["core_proven"], counted["all"]["core"]) == (1, 2)
    lines = list(count_lines(counted, headline(rows)))
    assert lines[-2].split() == ["all", "3", "4", "3", "4", "1", "2"]
    assert lines[-1] == "4 kinds, 4 instances, 3 kinds proven"


def test_without_any_record_it_says_that_nothing_is_proven() -> None:
    rows = [row("a.1", None)]
    assert "none proven" in list(count_lines(count(rows), headline(rows)))[-1]


def test_one_check_says_what_proves_it() -> None:
    sabotage = Switch().sabotage("x.broken")
    text = "\n".join(show_lines(row("a.1", Status.PASS), sabotage, "turned red by x.broken", 60.0))
    assert "x.broken: title of x.broken" in text
    assert "turned red by x.broken" in text
    assert "what is at stake" in text
    text = "\n".join(show_lines(row("a.1", None), None, "no", 60.0))
    assert "never run" in text
    other = msgspec.structs.replace(row("a.1", None), sabotage="")
    text = "\n".join(show_lines(other, None, "no", 60.0, "a.2"))
    assert "none of its own: its kind is broken at a.2" in text


def test_after_a_long_audit_only_what_did_not_pass_is_shown() -> None:
    rows = [row(f"a.{n}", Status.PASS) for n in range(60)]
    lines = list(report_lines(report(*rows, row("b.1", Status.FAIL), row("b.2", Status.SKIPPED))))
    text = "\n".join(lines)
    assert "a.1 " not in text
    assert "FAIL     b.1" in text
    assert "seen b.1" in text
    assert "→ how to mend it" in text
    assert "SKIPPED  1 × seen b.2" in text
    assert lines[-2] == "b        2 instances: 1 FAIL, 1 SKIPPED"
    assert lines[-1] == "FAIL after 1.5 s (audit r1)"


def test_after_a_short_audit_all_are_shown() -> None:
    text = "\n".join(report_lines(report(row("a.1", Status.PASS))))
    assert "PASS     a.1" in text
    assert "→" not in text


def test_what_could_not_be_made_is_said_once_for_each_reason_with_its_remedy() -> None:
    def unmade(id: str, why: str, remedy: str) -> CheckRow:
        return results.decided(row(id, None), Finding(Status.ERROR, why, remedy), 1.0, 0.0)

    work_on("default")
    rows = [row(f"a.{n}", Status.PASS) for n in range(60)]
    down = [unmade(f"b.{n}", "X does not run", "`devstack-tui up x`") for n in range(3)]
    lines = list(report_lines(report(*rows, *down, unmade("c.1", "no answer", ""))))
    assert lines[:2] == ["ERROR    3 × X does not run (b 3)", "         → `devstack-tui up x`"]
    assert lines[2].startswith("ERROR    c.1")
    assert not any("how to mend it" in line for line in lines)
    assert lines[-1] == "FAIL after 1.5 s (audit r1): 4 could not be made, which is no pass"


def test_what_sums_up_others_is_no_instance_of_a_kind() -> None:
    whole = msgspec.structs.replace(row("a.2", Status.PASS), kind="")
    made = msgspec.structs.replace(report(whole), headline=headline([whole]))
    assert list(report_lines(made))[-2] == "a        1 sum of others: 1 PASS"
    rows = [row("a.1", None, proven=True), whole]
    counted = list(count_lines(count(rows), headline(rows)))[-1]
    assert counted == "1 kinds, 1 instances, 1 kinds proven; and 1 sum of others"
    assert amount(798, 3) == "798 instances and 3 sums of others"
    made = report(row("a.1", Status.PASS), whole)
    assert list(report_lines(made))[-2] == "a        1 instance and 1 sum of others: 2 PASS"


def test_a_command_is_typed_for_its_stack_before_lines_break_and_never_broken() -> None:
    work_on("usr")
    try:
        for width in range(40):
            remedy = f"{'x' * width} `devstack-tui down` and `devstack-tui up --timeout 600`"
            found = results.row(replace(check("a.1"), remedy=remedy), standings(check("a.1")))
            text = "\n".join(show_lines(found, None, "no", 60.0))
            assert "`devstack-tui --stack usr down`" in text
            assert "`devstack-tui --stack usr up --timeout 600`" in text
    finally:
        work_on("default")


def test_the_matrix_marks_what_is_not_as_declared() -> None:
    cells = [
        MatrixCell("postgres", "secret/data/postgres", "read", True, True),
        MatrixCell("postgres", "secret/data/mysql", "read", False, True),
        MatrixCell("mysql", "secret/data/postgres", "read", False, False),
        MatrixCell("mysql", "secret/data/mysql", "read", True, None),
    ]
    lines = list(matrix_lines(cells))
    assert lines[0].split() == ["read", "postgres", "mysql"]
    assert lines[1].split() == ["postgres", "y", "y!"]
    assert lines[2].split() == ["mysql", "·", "?"]
    assert "postgres may not read secret/data/mysql, and can" in lines
    assert lines[-1].startswith("4 cells, 1 differ, 1 not seen")


def test_a_proof_tells_what_was_not_as_expected() -> None:
    def proof(**more: tuple[str, ...]) -> Proof:
        lists = {"turned": ("a.1",), "missed": (), "strayed": (), "stuck": (), **more}
        return Proof(sabotage="x.broken", title="t", seconds=1.0, **lists)

    lines = list(proof_lines([proof(), proof(missed=("a.2",), stuck=("a.1",))]))
    assert lines[0].startswith("proven      x.broken")
    assert lines[2].startswith("NOT PROVEN  x.broken")
    assert "should have turned red: a.2" in lines[4]
    assert "did not come back: a.1" in lines[5]
    assert lines[-1] == "1 of 2 sabotages proven, 1 checks turned red"
