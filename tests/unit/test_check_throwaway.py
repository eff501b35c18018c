"""The stack of a proof, which is always removed, and what is recorded of proofs. The stack is a
fake that has no process; a real one is in tests/sabotage."""

# ruff: noqa: ARG002 - the fake has the arguments of what it stands for

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.security import proven, throwaway
from devstack_tui.security.events import AnySecurityEvent, Proof, ProofDone, ProofStep
from devstack_tui.security.prove import Prover
from devstack_tui.security.throwaway import ThrowawayStack
from devstack_tui.stack.stack import Stack
from tests.unit.audit_kit import Switch, check, fake_the_stack, made_stack, use


class FakeStack(Stack):
    """Comes up at once, and goes with its directory."""

    fails = False

    async def _up(self) -> AsyncGenerator[object, None]:
        if self.fails:
            raise DevstackError("no port is free")
        for _ in ():
            yield _

    def up(self, names: Sequence[str] = (), profile: str | None = None):  # type: ignore[no-untyped-def]
        return self._up()


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch) -> Prover:
    """One fake sabotage, two checks; the throwaway stack has no process."""
    fake_the_stack(monkeypatch)
    switch = Switch()
    monkeypatch.setattr(throwaway, "Stack", FakeStack)
    sabotage = switch.sabotage()
    use(monkeypatch, [check("a.1", switch.look, sabotage=sabotage.id), check("a.2")], [sabotage])
    return Prover(["a.1"])


def stacks() -> list[Path]:
    home = StackPaths.of("work").root.parent
    return list(home.glob(f"{throwaway.PREFIX}*")) if home.exists() else []


async def told(prover: Prover) -> list[AnySecurityEvent]:
    return [event async for event in prover.run()]


async def test_a_stack_that_does_not_come_up_is_told_and_removed(
    prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeStack, "fails", True)
    done = (await told(prover))[-1]
    assert isinstance(done, ProofDone)
    assert (done.exit_code, done.message) == (1, "no port is free")
    assert stacks() == []


async def test_a_proof_that_is_left_early_removes_its_stack(prover: Prover) -> None:
    async with contextlib.aclosing(prover.run()) as events:
        async for event in events:
            assert isinstance(event, ProofStep)
            assert stacks() != []
            break
    assert stacks() == []


async def test_a_stack_without_the_mark_is_never_removed() -> None:
    stack = made_stack()
    with pytest.raises(DevstackError, match="no throwaway stack"):
        await throwaway._remove(stack)
    assert stack.paths.instance.exists()


def test_what_a_killed_proof_left_is_found_by_its_dead_owner() -> None:
    made = made_stack()
    left = made.paths.root.with_name(f"{throwaway.PREFIX}1-ab")
    made.paths.root.rename(left)
    assert throwaway.leftovers() == []
    with StackLock(left / throwaway.MARK, "check") as lock:
        assert lock.try_acquire() is None
        assert throwaway.leftovers() == []
    assert throwaway.leftovers() == [left.name]


def test_two_throwaway_stacks_have_names_of_their_own() -> None:
    names = {ThrowawayStack().stack.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith(throwaway.PREFIX) for name in names)


# -- what is recorded --------------------------------------------------------------------------


def proof(sabotage: str, *turned: str, missed: tuple[str, ...] = ()) -> Proof:
    return Proof(
        sabotage=sabotage,
        title="t",
        turned=turned,
        missed=missed,
        strayed=(),
        stuck=(),
        seconds=1.0,
    )


def test_only_what_holds_is_recorded(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = room / "proven.json"
    monkeypatch.setattr(proven, "shipped", lambda _: path)
    assert proven.read() == proven.NOTHING
    proven.record(path, [proof("b", "x.2", "x.1"), proof("a", "x.3", missed=("x.4",)), proof("c")])
    assert proven.read().turned == {"b": ("x.2", "x.1")}
    assert proven.read().by("x.1") == ("b",)
    assert proven.read().by("x.3") == ()


def test_what_ran_for_a_proof_and_differs_now_makes_it_count_no_more(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = room / "proven.json"
    monkeypatch.setattr(proven, "shipped", lambda _: path)
    digests = {"devstack_tui/a.py": "1", "configs/b.toml": "2"}
    monkeypatch.setattr(proven, "digest", lambda name: digests[name])
    ran = {"one": ("devstack_tui/a.py",), "two": ("configs/b.toml", "devstack_tui/a.py")}
    made = [msgspec.structs.replace(proof(id, f"x.{id}"), ran=files) for id, files in ran.items()]
    proven.record(path, made)
    assert proven.read().changed == {}
    digests["configs/b.toml"] = "3"
    assert proven.read().changed == {"two": ("configs/b.toml",)}
    assert proven.read().by("x.two") == ()
    assert proven.read().by("x.one") == ("one",)


def test_what_is_proven_by_name_replaces_its_own_record_alone(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = room / "proven.json"
    monkeypatch.setattr(proven, "shipped", lambda _: path)
    digests = {"devstack_tui/a.py": "1"}
    monkeypatch.setattr(proven, "digest", lambda name: digests[name])
    ran = ("devstack_tui/a.py",)
    made = [msgspec.structs.replace(proof(id, f"x.{id}"), ran=ran) for id in ("one", "two")]
    proven.record(path, made)
    digests["devstack_tui/a.py"] = "2"
    proven.record(path, made[:1], whole=False)
    # What was not proven again is as old as it was.
    assert proven.read().changed == {"two": ran}
    assert proven.read().by("x.one") == ("one",)
    proven.record(path, [proof("one", missed=("x.one",))], whole=False)
    assert set(proven.read().turned) == {"two"}


def test_a_damaged_record_is_told(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = room / "proven.json"
    path.write_text('{"sabotages": {"a": 1}}')
    monkeypatch.setattr(proven, "shipped", lambda _: path)
    with pytest.raises(DevstackError, match="is damaged"):
        proven.read()


def test_an_installed_package_records_nothing(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "shipped", lambda name: room / "_files" / name)
    with pytest.raises(UsageError, match="checkout"):
        proven.record_path()
