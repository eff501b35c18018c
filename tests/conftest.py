"""What every test shares: the command line as a user runs it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devstack_tui.core import process

ROOT = Path(__file__).resolve().parent.parent
HOMES = Path("/var/tmp")
"""Where the state directories of test runs are: every account may enter it."""
RUN = "DEVSTACK_TUI_TEST_RUN"
"""The environment variable with the name of this run, which its workers share."""


@dataclass(frozen=True)
class Cli:
    """`devstack-tui` in a process of its own, with its state in a directory of the test's."""

    state: Path
    stack: str = "default"
    env: Mapping[str, str] = field(default_factory=dict)

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "devstack_tui", "--stack", self.stack, *arguments]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "XDG_STATE_HOME": str(self.state),
            "XDG_CONFIG_HOME": str(self.state / "config"),
            **self.env,
        }

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run to the end; standard input is no terminal."""
        return subprocess.run(
            self.argv(*arguments),
            env=self.environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def shell(self, words: str, way: str) -> subprocess.CompletedProcess[str]:
        """Run in bash, with redirections or a reader: `way`. The exit status is the verb's."""
        command = f"{shlex.join(self.argv())} {words} {way}; exit ${{PIPESTATUS[0]}}"
        return subprocess.run(
            ["bash", "-c", command],
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start, with pipes, for who watches it or ends it."""
        return subprocess.Popen(
            self.argv(*arguments),
            env=self.environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str, timeout: float = 120) -> Any:
        """The document that a verb prints with --json."""
        ended = self.run(*arguments, "--json", timeout=timeout)
        assert ended.stdout, ended.stderr
        return msgspec.json.decode(ended.stdout)

    def heal(self) -> subprocess.CompletedProcess[str]:
        """What `status` says must be run to heal the stack, run as it stands: for a change, then
        for what a killed benchmark left. Returns how the first ended."""
        remedies = {one["remedy"]: one["action"] for one in self.json("status")["needs_healing"]}
        assert remedies
        own = f"devstack-tui --stack {self.stack} "
        ordered = sorted(remedies, key=lambda one: remedies[one] == "bench")
        ended = [self.run(*remedy.removeprefix(own).split()) for remedy in ordered]
        return ended[0]

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        """Let this process see the stack as its command line does."""
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, self.environment()[name])

    @property
    def root(self) -> Path:
        """The stack's directory."""
        return self.state / "devstack-tui" / self.stack

    def status(self) -> dict[str, Any]:
        """The row of every service."""
        return {row["name"]: row for row in self.json("status")["services"]}


WAYS = (
    *("2>&1 | true", "| head -1", ">/dev/full", "2>/dev/full", "<&-", ">&-", "2>&-"),
    *("<&- >&- 2>&-", ">/dev/full 2>/dev/full"),
)
"""How a shell may let a verb's output go nowhere, for `Cli.shell`."""


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout."""
    return ROOT


def homes_prefix() -> str:
    """How the names of this run's state directories begin."""
    return f"devstack-tui-test-{os.environ[RUN]}-"


def servers_in(folder: Path) -> list[int]:
    """Every living server whose home is below `folder`, whatever its stack's files say by now."""
    found = []
    for pid in process.pids():
        env = process.environment(pid)
        home = env.get("HOME", "")
        if process.INSTANCE_VARIABLE in env and home.startswith(f"{folder}/"):
            found.append(pid)
    return found


def end_all_in(folder: Path) -> None:
    """What a failed test left behind: no server may outlive the run."""
    for pid in servers_in(folder):
        if found := process.identify(pid):
            process.end(found, grace_s=1)


def pytest_configure(config: pytest.Config) -> None:
    """Name the run, for its workers too."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN] = secrets.token_hex(4)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Workers that were interrupted end without a word: what they had started ends here."""
    if hasattr(config, "workerinput"):
        return
    for folder in HOMES.glob(f"{homes_prefix()}*"):
        for pid in process.pids():
            # A verb could start another server.
            if process.environment(pid).get("XDG_STATE_HOME") == str(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        end_all_in(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a stack go to one worker, one after another (`--dist loadgroup`); so do
    those that start stacks of their own: there is one disk and there are few cores."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        if folder in ("sabotage", "storm"):
            item.add_marker(pytest.mark.xdist_group(folder))
        elif folder in ("engines", "stack"):
            shared = "live" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("live" if shared else "own"))
