"""Fake checks, a fake sabotage, and an audit of a stack that does not run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from devstack_tui.contracts.audit import Audit, Check, Finding, Sabotage, SabotageStack, Severity
from devstack_tui.core.check import Status
from devstack_tui.core.paths import StackPaths
from devstack_tui.security import prove, sabotage_run
from devstack_tui.security.audit import StackAudit
from devstack_tui.security.catalogue import Catalogue
from devstack_tui.security.proven import Record
from devstack_tui.security.standing import Standings
from devstack_tui.stack.stack import Stack
from devstack_tui.state import directories
from devstack_tui.state import instance as instances
from devstack_tui.state.instance import Instance

PASSES = Finding(Status.PASS, "as declared")


def made_stack(*selected: str) -> Stack:
    """A stack that exists, consists of these services, and does not run."""
    paths = StackPaths.of("work")
    directories.make(paths)
    instances.write(
        paths, Instance("id", "work", "embedded", 0, 0.0, selected=selected or ("vault", "redis"))
    )
    return Stack("work")


class FakeAudit(StackAudit):
    """Takes every service that is not in `down` for running, every one not in `gone` for installed;
    `closed` counts its ends."""

    def __init__(
        self,
        stack: Stack,
        down: tuple[str, ...] = (),
        gone: tuple[str, ...] = (),
        before: StackAudit | None = None,
    ) -> None:
        del before
        super().__init__(stack)
        self.down = down
        self.gone = gone
        self.closed = 0
        self.looked: list[str] = []

    def missing(self, name: str) -> str:
        return f"{name} is not installed" if name in self.gone else ""

    def running(self, service: str) -> bool:
        self.looked.append(service)
        return service not in self.down

    def close(self) -> list[str]:
        self.closed += 1
        return super().close()


def check(
    id: str,
    found: Finding | BaseException | Callable[[Audit], Finding] = PASSES,
    *,
    suite: str = "",
    service: str = "vault",
    group: str = "",
    core: str = "",
    severity: Severity = Severity.HIGH,
    sabotage: str = "",
    needs: tuple[str, ...] = (),
    kind: str = "",
) -> Check:
    """A fake check that finds, or raises, what it is asked to."""

    def run(audit: Audit) -> Finding:
        if isinstance(found, BaseException):
            raise found
        return found(audit) if callable(found) else found

    return Check(
        id=id,
        suite=suite or id.partition(".")[0],
        title=f"title of {id}",
        severity=severity,
        service=service,
        stake="what is at stake",
        remedy="how to mend it",
        sabotage=sabotage,
        run=run,
        core=core,
        kind=kind or id,
        group=group,
        needs=needs,
    )


def standings(*checks: Check, turned: Iterable[str] = ()) -> Standings:
    """`turned` are those that a sabotage was seen to turn, one each."""
    return Standings(checks, Record({f"{id}.broken": (id,) for id in turned}, {}))


class Switch:
    """A fake server: the checks look whether it is broken, the sabotage breaks it."""

    def __init__(self) -> None:
        self.broken = False
        self.applied = 0

    def look(self, _: Audit) -> Finding:
        return Finding(Status.FAIL, "it is broken") if self.broken else PASSES

    def sabotage(
        self,
        id: str = "fake.broken",
        *,
        service: str = "vault",
        expects: tuple[str, ...] = (),
        heals: bool = True,
    ) -> Sabotage:
        @contextlib.contextmanager
        def apply(_: SabotageStack) -> Iterator[None]:
            self.broken = True
            self.applied += 1
            try:
                yield
            finally:
                self.broken = not heals

        return Sabotage(id, f"title of {id}", service, apply, expects=expects)


class FakeSabotagedStack:
    """Nothing that the fake sabotages need."""

    def __init__(self, *_: object) -> None:
        pass

    def prepare(self) -> None:
        pass


def fake_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every service is taken for running, and the bench does nothing."""
    monkeypatch.setattr(prove, "StackAudit", FakeAudit)
    monkeypatch.setattr(sabotage_run, "StackAudit", FakeAudit)
    monkeypatch.setattr(sabotage_run, "SabotagedStack", FakeSabotagedStack)


def use(
    monkeypatch: pytest.MonkeyPatch, checks: Sequence[Check], sabotages: Sequence[Sabotage]
) -> None:
    """These are the whole catalogue."""
    monkeypatch.setattr(Catalogue, "of", lambda _: Catalogue(checks, sabotages))
