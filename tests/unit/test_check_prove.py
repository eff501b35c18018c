"""Proofs: what a sabotage must turn, what it must not, and what is removed. Checks, sabotages and
the stack are fakes; the real ones are in tests/sabotage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from devstack_tui.contracts.audit import Finding, Sabotage, SabotageStack
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security import sabotage_run as courses
from devstack_tui.security.events import Proof
from devstack_tui.security.sabotage_run import SabotageRun, UnhealedError
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import PASSES, Switch, check, fake_the_stack, made_stack, use


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that takes every service for running, and a bench that does nothing."""
    fake_the_stack(monkeypatch)


async def proof_of(sabotage: Sabotage, *, every: int = courses.ALL) -> Proof:
    course = SabotageRun(made_stack(), every=every)
    await course.open()
    async with contextlib.aclosing(course.prove(sabotage)) as events:
        phases = [event.phase async for event in events]
    assert phases == ["before", "broken", "restored"]
    await course.close()
    return course.proofs[-1]


@pytest.mark.usefixtures("faked")
class TestCourse:
    async def test_what_turns_red_and_green_again_is_proven(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sabotage = switch.sabotage()
        use(
            monkeypatch, [check("a.1", switch.look, sabotage=sabotage.id), check("a.2")], [sabotage]
        )
        proof = await proof_of(sabotage)
        assert proof.turned == ("a.1",)
        assert (proof.missed, proof.strayed, proof.stuck) == ((), (), ())
        assert proof.holds
        assert not switch.broken

    async def test_a_check_that_stays_green_is_missed(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sabotage = switch.sabotage()
        checks = [
            check("a.1", switch.look, sabotage=sabotage.id),
            check("a.2", sabotage=sabotage.id),
        ]
        use(monkeypatch, checks, [sabotage])
        proof = await proof_of(sabotage)
        assert (proof.turned, proof.missed, proof.holds) == (("a.1",), ("a.2",), False)

    async def test_a_check_that_turns_unasked_is_a_stray_unless_it_is_expected(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checks = [
            check("a.1", switch.look, sabotage="fake.broken"),
            check("b.1.x", switch.look),
        ]
        plain = switch.sabotage()
        use(monkeypatch, checks, [plain])
        assert (await proof_of(plain)).strayed == ("b.1.x",)
        bound = switch.sabotage(expects=("b.*.x",))
        use(monkeypatch, checks, [bound])
        assert (await proof_of(bound)).holds

    async def test_what_does_not_come_back_is_stuck(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sabotage = switch.sabotage(heals=False)
        use(monkeypatch, [check("a.1", switch.look, sabotage=sabotage.id)], [sabotage])
        proof = await proof_of(sabotage)
        assert (proof.turned, proof.stuck, proof.holds) == (("a.1",), ("a.1",), False)

    async def test_an_error_is_not_red_a_check_that_cannot_be_made_proves_nothing(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look(_: object) -> Finding:
            if switch.broken:
                raise DevstackError("it does not answer")
            return PASSES

        sabotage = switch.sabotage()
        use(monkeypatch, [check("a.1", look, sabotage=sabotage.id)], [sabotage])
        proof = await proof_of(sabotage)
        assert (proof.turned, proof.missed) == ((), ("a.1",))

    async def test_a_warning_that_becomes_a_failure_is_red_and_a_skipped_check_is_no_miss(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look(_: object) -> Finding:
            return Finding(Status.FAIL if switch.broken else Status.WARN, "dual mode")

        sabotage = switch.sabotage()
        checks = [
            check("a.1", look, sabotage=sabotage.id),
            check("a.2", sabotage=sabotage.id, service="mysql"),
        ]
        use(monkeypatch, checks, [sabotage])
        proof = await proof_of(sabotage)
        assert (proof.turned, proof.missed) == (("a.1",), ())

    async def test_of_several_each_is_judged_by_what_it_may_affect(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def look(name: str) -> object:
            def ask(_: object) -> Finding:
                asked.append(name)
                return PASSES

            return ask

        sabotage = switch.sabotage(service="redis")
        checks = [
            check("a.1", switch.look, sabotage=sabotage.id),
            check("a.2", look("redis"), service="redis"),  # type: ignore[arg-type]
            check("a.3", look("needs"), needs=("redis",)),  # type: ignore[arg-type]
            check("a.4", look("other")),  # type: ignore[arg-type]
        ]
        use(monkeypatch, checks, [sabotage])
        assert (await proof_of(sabotage, every=1)).holds
        assert sorted(asked) == ["needs"] * 2 + ["other"] + ["redis"] * 2

    async def test_a_sabotage_that_cannot_be_done_is_told_and_proves_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextlib.contextmanager
        def apply(_: SabotageStack) -> Iterator[None]:
            raise DevstackError("the file is not as the sabotage expects")
            yield

        sabotage = Sabotage("fake.broken", "t", "vault", apply)
        use(monkeypatch, [check("a.1", sabotage=sabotage.id)], [sabotage])
        proof = await proof_of(sabotage)
        assert (proof.turned, proof.missed) == ((), ("a.1",))

    async def test_a_sabotage_that_cannot_be_taken_back_ends_the_course(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextlib.contextmanager
        def apply(_: SabotageStack) -> Iterator[None]:
            yield
            raise DevstackError("it does not answer")

        sabotage = Sabotage("fake.broken", "t", "vault", apply)
        use(monkeypatch, [check("a.1", sabotage=sabotage.id)], [sabotage])
        with pytest.raises(UnhealedError, match=r"fake\.broken could not be undone"):
            await proof_of(sabotage)

    async def test_what_is_cancelled_while_it_is_broken_is_taken_back(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def look(_: object) -> Finding:
            if switch.broken:
                loop.call_soon_threadsafe(looked.set)
            return PASSES

        sabotage = switch.sabotage()
        use(monkeypatch, [check("a.1", look, sabotage=sabotage.id)], [sabotage])
        task = asyncio.create_task(proof_of(sabotage))
        await looked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert switch.applied == 1
        assert not switch.broken

    async def test_services_are_broken_side_by_side_but_what_they_depend_on_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_force: set[str] = set()
        together: set[frozenset[str]] = set()

        def breaking(name: str) -> Sabotage:
            @contextlib.contextmanager
            def apply(_: SabotageStack) -> Iterator[None]:
                in_force.add(name)
                together.add(frozenset(in_force))
                yield
                together.add(frozenset(in_force))
                in_force.discard(name)

            return Sabotage(f"{name}.broken", "t", name, apply)

        names = ("redis", "vault", "mysql")
        made_stack(*names)
        sabotages = [breaking(name) for name in names]
        checks = [check(f"a.{name}", service=name, sabotage=f"{name}.broken") for name in names]
        use(monkeypatch, checks, sabotages)
        course = SabotageRun(Stack("work"), every=1)
        await course.open()
        async with contextlib.aclosing(course.prove_all(sabotages)) as steps:
            told = [step.sabotage async for step in steps]
        assert told[:3] == ["vault.broken"] * 3
        assert len(course.proofs) == 3
        assert {"vault"} in together
        assert not any(len(both) > 1 and "vault" in both for both in together)

    async def test_what_looks_at_several_services_is_asked_only_while_one_is_broken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        redis, mysql, named = Switch(), Switch(), Switch()

        def whole(_: object) -> Finding:
            broken = redis.broken or mysql.broken or named.broken
            return Finding(Status.FAIL, "one is broken") if broken else PASSES

        sabotages = [
            redis.sabotage("redis.broken", service="redis", expects=("a.0",)),
            mysql.sabotage("mysql.broken", service="mysql", expects=("a.0",)),
            named.sabotage("redis.named", service="redis"),
        ]
        checks = [
            check("a.0", whole, service="vault", sabotage="redis.named"),
            check("a.1", redis.look, service="redis", sabotage="redis.broken"),
            check("a.2", mysql.look, service="mysql", sabotage="mysql.broken"),
        ]
        use(monkeypatch, checks, sabotages)
        course = SabotageRun(made_stack("vault", "redis", "mysql"), every=1)
        await course.open()
        async with contextlib.aclosing(course.prove_all(sabotages)) as steps:
            assert [step async for step in steps]
        assert {proof.sabotage: proof.turned for proof in course.proofs} == {
            "redis.named": ("a.0",),
            "redis.broken": ("a.1",),
            "mysql.broken": ("a.2",),
        }
        assert all(proof.holds for proof in course.proofs)

    async def test_what_cannot_be_taken_back_ends_its_service_and_not_the_others(
        self, switch: Switch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextlib.contextmanager
        def apply(_: SabotageStack) -> Iterator[None]:
            yield
            raise DevstackError("it does not answer")

        bad = Sabotage("redis.broken", "t", "redis", apply)
        never = switch.sabotage("redis.never", service="redis")
        good = Switch().sabotage("mysql.broken", service="mysql")
        use(monkeypatch, [check("a.1")], [bad, never, good])
        course = SabotageRun(made_stack("vault", "redis", "mysql"), every=1)
        await course.open()
        async with contextlib.aclosing(course.prove_all([bad, never, good])) as steps:
            assert [step async for step in steps]
        assert [proof.sabotage for proof in course.proofs] == ["mysql.broken"]
        assert course.unhealed == ["redis.broken could not be undone: it does not answer"]
        assert switch.applied == 0
