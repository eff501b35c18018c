"""What the unit tests share: a home of their own, and processes that are surely ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def room() -> Iterator[Path]:
    """An empty directory that every user may enter, as the servers' accounts must.

    pytest's own `tmp_path` lies below a directory of 0700, which root's stacks refuse on purpose.
    """
    made = Path(tempfile.mkdtemp(prefix="devstack-unit-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(autouse=True)
def homes(room: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and configuration below `room`, and nothing of the caller's stack."""
    monkeypatch.setenv("XDG_STATE_HOME", str(room / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(room / "config"))
    for name in [name for name in os.environ if name.startswith("DEVSTACK_TUI_")]:
        monkeypatch.delenv(name)
    return room


@pytest.fixture
def user_file(room: Path) -> Callable[[str], Path]:
    """Writes the user's own copy of `stack.toml`."""

    def write(text: str | bytes) -> Path:
        path = room / "config" / "devstack-tui" / "stack.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds; the limit is only there so that a failure ends."""

    def wait(condition: Callable[[], object], what: str = "the condition") -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come"
            time.sleep(0.01)

    return wait


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts real processes in sessions of their own; whatever is left of them is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str, **more: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # type: ignore[call-overload]
            list(argv),
            text=True,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()


@pytest.fixture
def python(child: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program that can import the package."""

    def start(code: str, *arguments: str, **more: object) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        return child(sys.executable, "-c", code, *arguments, env=env, **more)

    return start


@pytest.fixture
def run_cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line as a process of its own, to its end."""

    def run(
        *arguments: str, stdout: Any = subprocess.PIPE, **env: str
    ) -> subprocess.CompletedProcess[str]:
        surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY), **env}
        # Buffered, as a user's is.
        surroundings.pop("PYTHONUNBUFFERED", None)
        return subprocess.run(
            [sys.executable, "-m", "devstack_tui", *arguments],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    return run
