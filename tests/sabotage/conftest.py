"""One throwaway stack for all of these tests, made as `check prove` makes it: it is broken by each
sabotage and whole again after it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack_tui.security.course import Course
from devstack_tui.security.throwaway import Throwaway
from devstack_tui.stack import settings
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.conftest import end_all_in

EVERY = 12
"""One in so many of the checks that a sabotage must not turn is asked while it is in force; `check
prove --all` asks them all."""


MOVED = 6000
"""Added to every port of stack.toml."""


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """A state directory that every account may enter, for child processes and for this one."""
    folder = Path(tempfile.mkdtemp(prefix="devstack-tui-sabotage-", dir="/var/tmp"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        _elsewhere(folder / "config" / "devstack-tui" / "stack.toml")
        yield folder
    end_all_in(folder)
    shutil.rmtree(folder)


def _elsewhere(path: Path) -> None:
    """Ports far from those of the other tests, whose stacks start at the same time."""
    path.parent.mkdir(parents=True)
    tables = []
    for name, found in settings.load({}).services.items():
        ports = ", ".join(f"{port} = {number + MOVED}" for port, number in found.ports.items())
        tables.append(f"[services.{name}]\nports = {{ {ports} }}\n")
    path.write_text("\n".join(tables))


async def _start(throwaway: Throwaway) -> Course:
    async for _ in throwaway.start(Stack().selected()):
        pass
    course = Course(throwaway.stack, every=EVERY)
    await course.open()
    return course


@pytest.fixture(scope="package")
def course(home: Path) -> Iterator[Course]:  # noqa: ARG001
    """The sabotages of a whole stack that is up, and how every check was before the first."""
    throwaway = Throwaway()
    try:
        made = asyncio.run(_start(throwaway))
        yield made
        asyncio.run(made.close())
    finally:
        asyncio.run(throwaway.remove())


@pytest.fixture
def cli(course: Course, home: Path) -> Cli:
    """The command line of that stack."""
    return Cli(home, course.stack.name)
