"""One Redis Cluster of each engine, which every test of the contract leaves as it found it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from devstack_tui import engines
from devstack_tui.contracts.engine import Engine, Run
from devstack_tui.contracts.faults import handle_of
from devstack_tui.contracts.registry import service
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.stack.stack import Stack
from devstack_tui.state import directories
from devstack_tui.state import instance as instances
from tests.conftest import Cli
from tests.engines.memory import MemoryEngine
from tests.stack.conftest import home, take_down
from tests.stack.drill_kit import wait_whole

REDIS = service("redis")
UNITS = [f"redis-{number}" for number in range(1, 7)]


@dataclass(frozen=True)
class Made:
    """A stack of an engine. `cli` is None where it lives in this process alone."""

    stack: Stack
    answers: Callable[[str], bool]
    """Whether a unit of Redis does its work."""
    greeting: str
    """What its log says once it has started, and `farewell` when it is asked to end."""
    farewell: str
    cli: Cli | None = None

    @property
    def engine(self) -> Engine:
        """Another object each time, as each verb has its own."""
        return self.stack.engine()

    @property
    def stranger(self) -> Engine:
        """An engine that takes the stack for its own, and is not right."""
        instance = self.stack.instance()
        assert instance is not None
        other = msgspec.structs.replace(instance, id="0" * 32)
        return engines.create(self.stack.paths, other, self.stack.settings)

    @property
    def journal(self) -> Journal:
        return Journal(self.stack.paths.journal)

    def settle(self) -> None:
        """Return once the cluster is whole."""
        if self.cli is not None:
            wait_whole(self.cli)

    def killed(self, code: str) -> None:
        """Run Python in a process that ends itself by SIGKILL; `engine`, `found` (the service) and
        `journal` are there."""
        if self.cli is None:
            pytest.skip("another process does not see this stack")
        begin = """
import os, signal, sys
from devstack_tui.contracts.drill import PartitionDrill
from devstack_tui.contracts.faults import Fault
from devstack_tui.contracts.registry import service
from devstack_tui.core.journal import Journal
from devstack_tui.stack.stack import Stack
stack = Stack(sys.argv[1])
engine, found, journal = stack.engine(), service("redis"), Journal(stack.paths.journal)
"""
        argv = [sys.executable, "-c", f"{begin}{code}\nos.kill(os.getpid(), signal.SIGKILL)"]
        argv.append(self.stack.name)
        ended = subprocess.run(argv, env=self.cli.environment(), timeout=60, check=False)
        assert ended.returncode == -9


@contextmanager
def embedded(patch: pytest.MonkeyPatch) -> Iterator[Made]:
    with home() as folder:
        cli = Cli(folder, "engine")
        cli.enter(patch)
        try:
            started = cli.run("up", "redis", timeout=180)
            assert started.returncode == 0, started.stderr
            stack = Stack(cli.stack)
            yield Made(stack, lambda unit: _pings(stack, unit), "Ready to accept", "bye bye", cli)
        finally:
            take_down(cli)


@contextmanager
def memory(patch: pytest.MonkeyPatch) -> Iterator[Made]:
    with memory_stack(patch, ("vault", "redis")) as stack:

        def answers(unit: str) -> bool:
            try:
                _memory(stack).work(unit)
            except UnreachableError:
                return False
            return True

        yield Made(stack, answers, "start ", "ended by terminate")


@contextmanager
def memory_stack(patch: pytest.MonkeyPatch, names: tuple[str, ...]) -> Iterator[Stack]:
    """A stack whose services run in memory."""
    folder = Path(tempfile.mkdtemp(prefix="devstack-memory-"))
    folder.chmod(0o755)
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    patch.setitem(engines._ENGINES, "memory", "tests.engines.memory:MemoryEngine")
    paths = StackPaths.of("m")
    directories.make(paths)
    made = instances.new(paths, "memory", 0, {})
    instances.write(paths, msgspec.structs.replace(made, selected=names))
    found = Stack("m")
    for name in names:
        found.engine().start(service(name), Run())
    _memory(found).age(60)
    yield found
    shutil.rmtree(folder)


def _memory(stack: Stack) -> MemoryEngine:
    engine = stack.engine()
    assert isinstance(engine, MemoryEngine)
    return engine


def _pings(stack: Stack, unit: str) -> bool:
    """Whether the node answers a client of its own protocol."""
    import redis

    from devstack_tui.services.redis.client import close, connect

    try:
        client = connect(stack.engine().target(REDIS), UNITS.index(unit), 0.5, tls=True)
        try:
            return bool(client.ping())
        finally:
            close(client)
    except (redis.RedisError, OSError):
        return False


@pytest.fixture(scope="module", params=[embedded, memory], ids=lambda made: made.__name__)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch, request.param(patch) as found:
        yield found


@pytest.fixture
def whole(made: Made) -> Iterator[None]:
    """The test begins with a whole cluster, and whatever it breaks is brought back."""
    made.settle()
    yield
    for intent in made.journal.pending():
        if handle := handle_of(intent):
            made.engine.undo(handle)
        made.journal.end(intent)
    made.engine.start(REDIS, Run())
    made.settle()


def status_of(made: Made) -> dict[str, dict[str, object]]:
    """The rows of `status --json` of a real stack."""
    if made.cli is None:
        pytest.skip("the command line does not see this stack")
    rows = json.loads(made.cli.run("status", "--json").stdout)["services"]
    return {row["name"]: row for row in rows}
