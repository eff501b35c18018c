"""Real stacks for tests, started and ended by the product's own verbs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from devstack_tui.core.paths import StackPaths
from devstack_tui.state import instance as instances
from devstack_tui.state import settings
from tests.conftest import HOMES, Cli, end_all_in, homes_prefix, servers_in

APART = 3000
"""Between the ports of one worker's stacks and the next one's: they start at the same time."""


@contextmanager
def home() -> Iterator[Path]:
    """A state directory that every account may enter: as root, servers run as their own."""
    folder = Path(tempfile.mkdtemp(prefix=homes_prefix(), dir=HOMES))
    folder.chmod(0o711)
    write_ports(folder / "config" / "devstack-tui")
    yield folder
    end_all_in(folder)
    shutil.rmtree(folder)


def write_ports(config: Path, services: Mapping[str, Mapping[str, int]] | None = None) -> None:
    """A stack.toml by which this worker's stacks have ports of their own, or those given."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    moved = APART * int(worker.removeprefix("gw"))
    tables = []
    for name, found in settings.load({}).services.items():
        own = {port: number + moved for port, number in found.ports.items()}
        own |= (services or {}).get(name, {})
        ports = ", ".join(f"{port} = {number}" for port, number in own.items())
        tables.append(f"[services.{name}]\nports = {{ {ports} }}\n")
    config.mkdir(parents=True, exist_ok=True)
    (config / "stack.toml").write_text("\n".join(tables))


def ids_of(cli: Cli) -> set[str]:
    """The instance id of the stack, if it has one."""
    paths = StackPaths(cli.stack, cli.root)
    found = instances.read(paths)
    return {found.id} if found else set()


def take_down(cli: Cli) -> None:
    """Wipe the stack and see that no process of it is left; what is left is ended all the same."""
    ended = cli.run("down", "--wipe", "--yes")
    left = servers_in(cli.root)
    end_all_in(cli.root)
    assert ended.returncode == 0, ended.stderr
    assert not left, f"processes outlived `down`: {left}"


@pytest.fixture(scope="session")
def state_home() -> Iterator[Path]:
    """The state directory of all of them."""
    with home() as folder:
        yield folder


@pytest.fixture(scope="session")
def live(state_home: Path) -> Iterator[Cli]:
    """The whole stack, healthy; shared by the tests that leave it as they found it."""
    cli = Cli(state_home, "live")
    try:
        started = cli.run("up", timeout=180)
        assert started.returncode == 0, started.stderr
        yield cli
    finally:
        take_down(cli)


@pytest.fixture
def fresh(state_home: Path, request: pytest.FixtureRequest) -> Iterator[Cli]:
    """A stack that does not exist yet, for a test of its own; wiped afterwards."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    cli = Cli(state_home, name)
    try:
        yield cli
    finally:
        if cli.root.exists():
            take_down(cli)
