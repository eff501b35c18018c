"""The access matrix and the facts of a check in words, without a screen."""

from __future__ import annotations

import pytest

from devstack_tui.console.security.facts import check_facts
from devstack_tui.console.security.job import _latest
from devstack_tui.console.security.matrix import Grid, difference, place_cell, subject, summary
from devstack_tui.console.security.rows import Line, age, proof
from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.core.check import Status
from devstack_tui.security.events import CheckRow

ROW = CheckRow(
    id="tls.04", core="TLS 4", suite="tls", group="chain", title="chain", severity="high",
    service="postgres", stake="stake", remedy="remedy", sabotage="tls.postgres.expired",
    proven=False,
)  # fmt: skip


def cell(operation: str, declared: bool, real: bool | None) -> MatrixCell:
    """One operation of one place."""
    return MatrixCell("redis", "kv/data/redis", operation, declared, real)


@pytest.mark.parametrize(
    ("declared", "real", "kind"),
    [(True, True, ""), (False, False, ""), (False, True, "open"), (True, False, "shut"),
     (True, None, "unseen"), (False, None, "unseen")],
)  # fmt: skip
def test_a_difference_is_open_or_shut_and_what_was_not_seen_is_no_agreement(
    declared: bool, real: bool | None, kind: str
) -> None:
    assert difference(cell("read", declared, real)) == kind


def test_the_worst_difference_of_a_place_is_told_before_what_agrees() -> None:
    agreed = [cell("read", True, True), cell("write", False, False), cell("list", True, True)]
    assert place_cell(agreed).text == "r l"
    assert place_cell([cell("write", False, False)]).text == "·"
    assert place_cell([]).text == ""
    assert place_cell([*agreed, cell("delete", True, False)]).text == "▼ shut d"
    both = [cell("read", True, False), cell("write", False, True), cell("delete", False, True)]
    assert place_cell(both).text == "✗ open wd"
    assert place_cell(both[1:]).text == "✗ open all"


def test_only_a_matrix_that_was_wholly_seen_is_as_declared() -> None:
    good = [cell("read", True, True), cell("write", False, False)]
    assert summary(good).text == "● all 2 are as declared"
    assert summary([*good, cell("list", True, None)]).text.startswith("? 1 of 3 were not seen")
    assert summary([*good, cell("list", False, True)]).text.startswith("✗ 1 of 3 differ")
    assert summary([]).text == "? nothing is declared"


def test_a_secret_and_the_certificate_of_the_same_service_are_one_place() -> None:
    assert subject("secret/redis") == subject("pki_int/issue/redis-role") == "redis"
    assert subject("secret/reference-api") == "reference-api"
    grid = Grid.of([
        MatrixCell("redis", "secret/redis", "read", True, True),
        MatrixCell("redis", "pki_int/issue/redis-role", "issue", True, True),
    ])  # fmt: skip
    assert grid.secrets == ("redis",)
    assert place_cell(grid.at("redis", "redis")).text == "r i"


def test_differences_are_found_row_by_row() -> None:
    grid = Grid.of([
        MatrixCell("a", "x", "read", True, True), MatrixCell("a", "y", "read", True, False),
        MatrixCell("b", "x", "read", False, True),
    ])  # fmt: skip
    assert list(grid.differences()) == [(0, 1), (1, 0)]
    assert grid.at("b", "y") == ()


def test_evidence_cannot_steer_the_terminal_and_keeps_its_lines() -> None:
    row = CheckRow(
        id="tls.04", core="", suite="tls", group="", title="t", severity="low", service="s",
        stake="a\x1b[2Jb", remedy="", sabotage="", proven=False, status=Status.FAIL,
        evidence="one\x07\ntwo\x1b]52;c;x\x07 end",
    )  # fmt: skip
    facts = {fact.label: fact.spans for fact in check_facts(Line(row, False, ""), 10.0)}
    assert facts["Evidence"][0][0] == "one\ntwo end"
    assert facts["At stake"][0][0] == "ab"


def test_a_check_that_nothing_can_turn_red_is_not_called_proven() -> None:
    assert proof(ROW) == ("◇", "not proven")
    said = {fact.label: "".join(text for text, _ in fact.spans)
            for fact in check_facts(Line(ROW, False, ""), 0.0)}  # fmt: skip
    assert "check prove tls.04" in said["Sabotage"]
    assert "core check TLS 4" in said["Place"]
    assert "never run" in said["Result"]


@pytest.mark.parametrize(("passed", "text"), [(-5, "now"), (59, "now"), (180, "3 m"),
                                              (7500, "2 h"), (200000, "2 d")])  # fmt: skip
def test_an_age_moves_with_the_minutes(passed: float, text: str) -> None:
    assert age(1000.0, 1000.0 + passed) == text


def test_a_list_that_is_older_than_a_result_does_not_take_it_back() -> None:
    import msgspec

    old = msgspec.structs.replace(ROW, status=Status.PASS, at=1.0, evidence="old")
    new = msgspec.structs.replace(ROW, status=Status.FAIL, at=2.0, evidence="new")
    proven = msgspec.structs.replace(old, proven=True)
    kept = _latest(proven, new)
    assert (kept.status, kept.evidence, kept.proven) == (Status.FAIL, "new", True)
    assert _latest(new, old) is new
    assert _latest(ROW, new).status is Status.FAIL
    assert _latest(old, None) is old
