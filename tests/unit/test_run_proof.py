"""Proofs of what one run decides: what three runs show, and when a sabotage is in force. The runs
and the sabotages are fakes; the real ones are in tests/long."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from typing import cast

import pytest

from devstack_tui.cli.proven_runs import proven_runs
from devstack_tui.contracts.audit import SabotageStack
from devstack_tui.contracts.proof import RunCheck, RunSabotage, Statuses
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.drill.proving import Force
from devstack_tui.report import core_checks
from devstack_tui.security import proven, run_rows
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.proven import Record
from devstack_tui.security.run_proof import RunProofs, judge
from devstack_tui.security.standing import Standing, Standings
from devstack_tui.stack.stack import Stack

P, F, W, N, S = Status.PASS, Status.FAIL, Status.WARN, Status.INCONCLUSIVE, Status.SKIPPED
GREEN = {"d.1": P, "d.2": P, "d.3": P}
STACK = cast("SabotageStack", object())


def nothing(_: SabotageStack) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def sabotage(
    turns: str = "d.1", expects: tuple[str, ...] = (), begins: str = "", ends: str = ""
) -> RunSabotage:
    return RunSabotage(
        f"{turns}.broken", "it is broken", turns, nothing, begins, ends, expects=expects
    )


@pytest.mark.parametrize("red", [F, W])
def test_what_turns_red_alone_and_green_again_is_proven(red: Status) -> None:
    found = judge(sabotage(), GREEN, {**GREEN, "d.1": red}, GREEN)
    assert (found.turned, found.holds) == (("d.1",), True)


@pytest.mark.parametrize(
    ("before", "broken", "after", "wrong"),
    [
        (GREEN, GREEN, GREEN, {"missed": ("d.1",)}),
        (GREEN, {**GREEN, "d.1": N}, GREEN, {"missed": ("d.1",)}),
        (GREEN, {**GREEN, "d.1": S}, GREEN, {"missed": ("d.1",)}),
        ({**GREEN, "d.1": N}, {**GREEN, "d.1": F}, GREEN, {"missed": ("d.1",)}),
        (GREEN, {**GREEN, "d.1": F, "d.2": W}, GREEN, {"strayed": ("d.2",)}),
        (GREEN, {**GREEN, "d.1": F}, {**GREEN, "d.1": F}, {"stuck": ("d.1",)}),
        (GREEN, {**GREEN, "d.1": F}, {**GREEN, "d.1": N}, {"stuck": ("d.1",)}),
        (GREEN, {**GREEN, "d.1": F}, {**GREEN, "d.2": W}, {"stuck": ("d.2",)}),
        (GREEN, {**GREEN, "d.1": F}, {"d.1": P, "d.2": P}, {"stuck": ("d.3",)}),
    ],
    ids=[
        "nothing turned",
        "it could not be decided",
        "it was not made",
        "it was not decided before",
        "another turned too",
        "it stays red",
        "it is not decided any more",
        "another stays red",
        "another is not there any more",
    ],
)
def test_what_does_not_hold_says_why(
    before: Statuses, broken: Statuses, after: Statuses, wrong: Mapping[str, tuple[str, ...]]
) -> None:
    found = judge(sabotage(), before, broken, after)
    seen = {"missed": found.missed, "strayed": found.strayed, "stuck": found.stuck}
    assert {name: ids for name, ids in seen.items() if ids} == wrong
    assert not found.holds


def test_of_other_checks_it_is_enough_that_they_are_not_red() -> None:
    others = {**GREEN, "d.2": N, "d.3": S}
    assert judge(sabotage(), GREEN, {**others, "d.1": F}, others).holds
    bound = sabotage(expects=("d.2",))
    assert judge(bound, GREEN, {**GREEN, "d.1": F, "d.2": F}, GREEN).holds
    assert judge(bound, GREEN, {**GREEN, "d.1": F}, GREEN).missed == ("d.2",)
    # It was not decided before the sabotage: whether it turns cannot be seen.
    assert judge(bound, others, {**others, "d.1": F}, others).holds
    loose = replace(sabotage(), may=("d.2",))
    for second in (P, F):
        assert judge(loose, GREEN, {**GREEN, "d.1": F, "d.2": second}, GREEN).holds


class FakeRun:
    """Its check is red while it is broken."""

    checks = (RunCheck("d.1", "one", "d", ("drill", "run", "d")),)
    sabotages = (sabotage(),)
    files = ("configs/drills.toml",)

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.made: list[str] = []

    async def run(
        self,
        stack: str,  # noqa: ARG002
        like: RunSabotage,
        broken: SabotageStack | None,
    ) -> AsyncGenerator[str | Statuses, None]:
        self.made.append("broken" if broken else "whole")
        yield like.id
        if self.failing == self.made[-1]:
            raise DevstackError("it cannot be run")
        yield {"d.1": F if broken else P}


async def proved(run: FakeRun, times: int = 1) -> RunProofs:
    proofs = RunProofs("work", STACK)
    for _ in range(times):
        async with contextlib.aclosing(proofs.prove(run, run.sabotages[0])) as steps:
            async for _step in steps:
                pass
    return proofs


async def test_what_was_found_after_one_proof_is_what_was_there_before_the_next() -> None:
    run = FakeRun()
    proofs = await proved(run, 2)
    assert run.made == ["whole", "broken", "whole", "broken", "whole"]
    assert [proof.holds for proof in proofs.proofs] == [True, True]
    assert proofs.proofs[0].ran == run.files


async def test_a_run_that_cannot_be_made_broken_proves_nothing() -> None:
    proofs = await proved(FakeRun("broken"))
    assert [(proof.missed, proof.holds) for proof in proofs.proofs] == [(("d.1",), False)]
    with pytest.raises(DevstackError, match="cannot be run"):
        await proved(FakeRun("whole"))


# -- when a sabotage of a drill is in force ---------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "ends", "during"),
    [
        ("", "", ["", "warming", "waiting", "settling"]),
        ("", "warming", [""]),
        ("waiting", "", ["waiting", "settling"]),
        ("waiting", "settling", ["waiting"]),
    ],
)
async def test_a_sabotage_is_in_force_from_its_phase_to_its_phase(
    begins: str, ends: str, during: list[str]
) -> None:
    state = {"on": False}

    @contextlib.contextmanager
    def switch(_: SabotageStack) -> Iterator[None]:
        state["on"] = True
        try:
            yield
        finally:
            state["on"] = False

    made = RunSabotage("d.1.broken", "t", "d.1", switch, begins, ends)
    force = Force(made, STACK)
    seen = []
    for phase in ("", "warming", "waiting", "settling"):
        await force.reach(phase, 1)
        await force.reach(phase, 2)  # another turn's
        if state["on"]:
            seen.append(phase)
    await force.end()
    assert (seen, state["on"]) == (during, False)
    force.require_done()


async def test_a_phase_that_never_came_is_told_and_without_a_stack_nothing_is_broken() -> None:
    never = Force(sabotage(begins="warming"), STACK)
    await never.reach("", 1)
    with pytest.raises(DevstackError, match="never came to its phase 'warming'"):
        never.require_done()
    none = Force(sabotage(), None)
    await none.reach("", 1)
    none.require_done()


# -- the core checks --------------------------------------------------------------------------


def test_every_core_check_has_what_turns_it_red_or_says_why_not() -> None:
    record = proven.read()
    with StackAudit(Stack()) as audit:
        standings = Standings(Catalogue.of(audit).checks.values(), record)
    # A sabotage that `check prove` makes is enough until it is recorded: others take minutes.
    of_runs = {
        id: "declared"
        for run in proven_runs()
        for one in run.sabotages
        for id in (one.turns, *one.expects)
    }
    unexplained = [
        check.id
        for suite in core_checks.suites()
        for check in suite.checks
        if not check.explained
        and (of_runs.get(check.id) or standings.of(check.id)) == Standing.UNPROVEN
    ]
    # What has changed since is to be proven again before a release: `check prove --all --record`.
    assert unexplained == []


def test_every_step_of_a_run_has_a_sabotage_of_its_own() -> None:
    for run in proven_runs():
        turned = {one.turns for one in run.sabotages}
        expected = {id for one in run.sabotages for id in one.expects}
        assert {check.id for check in run.checks} - turned - expected == set()
        assert turned <= {check.id for check in run.checks}
        assert run.files
        assert all(check.title and "{" not in check.title for check in run.checks)


def test_a_step_says_how_far_it_is_proven() -> None:
    run = FakeRun()
    turned = {"d.1.broken": ("d.1",)}
    for record, proof, why in (
        (Record(turned, {}), "proven", "turned red by d.1.broken"),
        (Record(turned, {"d.1.broken": ("a.py",)}), "changed since", "a.py changed"),
        (Record({}, {}), "not proven", "no"),
    ):
        (row,) = run_rows.rows([run], record)
        assert (row.proof, row.proven) == (proof, proof == "proven")
        assert why in row.why
        assert row.sabotages == {"d.1.broken": "it is broken"}
