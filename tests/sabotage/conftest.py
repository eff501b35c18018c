"""One throwaway stack for all of these tests, made as `check prove` makes it: it is broken by each
sabotage and whole again after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack_tui.security.sabotage_run import SabotageRun
from devstack_tui.security.throwaway import ThrowawayStack
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack import conftest as stacks

EVERY = 12
"""One in so many of the checks that a sabotage must not turn is asked while it is in force; `check
prove --all` asks them all."""


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """A state directory that every account may enter, for child processes and for this one."""
    with stacks.home() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield folder


async def _start(throwaway: ThrowawayStack) -> SabotageRun:
    async for _ in throwaway.start(Stack().selected()):
        pass
    run = SabotageRun(throwaway.stack, every=EVERY)
    await run.open()
    return run


@pytest.fixture(scope="package")
def run(home: Path) -> Iterator[SabotageRun]:  # noqa: ARG001
    """The sabotages of a whole stack that is up, and how every check was before the first."""
    throwaway = ThrowawayStack()
    try:
        made = asyncio.run(_start(throwaway))
        yield made
        asyncio.run(made.close())
    finally:
        asyncio.run(throwaway.remove())


@pytest.fixture
def cli(run: SabotageRun, home: Path) -> Cli:
    """The command line of that stack."""
    return Cli(home, run.stack.name)
