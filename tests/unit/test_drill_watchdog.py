"""The watchdog: dismissed by a word, and called by its parent's end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from devstack_tui.core import files, process
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Journal
from devstack_tui.core.paths import StackPaths
from devstack_tui.drill.fault_injector import FREEZE
from devstack_tui.drill.watchdog import Watchdog
from devstack_tui.stack.stack import Stack
from devstack_tui.state import instance as instances
from devstack_tui.state.instance import Instance

INSTANCE = "f" * 32

# A drill that freezes a process and is then killed with everything that it has.
PARENT = """
import asyncio, os, signal, sys, time
import msgspec
from pathlib import Path
from devstack_tui.core import process
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.drill.watchdog import Watchdog
from devstack_tui.stack.stack import Stack
stack = Stack("t")
lock = StackLock(stack.paths.root / "drill.lock", "drill")
lock.try_acquire()
watchdog = Watchdog(stack)
pid = int(sys.argv[1])
held = msgspec.json.encode([process.identify(pid)]).decode()
Journal(stack.paths.journal).begin(sys.argv[2], "sleeper-1", processes=held)
os.kill(pid, signal.SIGSTOP)
print("frozen", watchdog._process.pid)
time.sleep(600)
"""


@pytest.fixture
def stack() -> Stack:
    paths = StackPaths.of("t")
    files.make_dir(paths.root)
    instances.write(paths, Instance(INSTANCE, "t", "embedded", 0, 0.0))
    return Stack("t")


def test_a_word_ends_it_and_nothing_is_healed(stack: Stack) -> None:
    dog = Watchdog(stack)
    dog.close()
    assert dog._process.returncode == 0
    assert (stack.paths.logs / "drill-watchdog.log").read_text() == ""


async def test_it_is_ready_when_it_was_started(stack: Stack) -> None:
    dog = await Watchdog.start(stack)
    assert dog._process.poll() is None
    dog.close()


def test_one_that_does_not_start_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DevstackError, match="nothing was touched"):
        Watchdog(stack)


def test_a_killed_parent_leaves_nothing_frozen(
    stack: Stack,
    python: Callable[..., subprocess.Popen[str]],
    child: Callable[..., subprocess.Popen[str]],
    until: Callable[..., None],
) -> None:
    env = {**os.environ, process.INSTANCE_VARIABLE: INSTANCE}
    sleeper = child("sleep", "600", env=env)
    parent = python(PARENT, str(sleeper.pid), FREEZE)
    assert parent.stdout is not None
    word, pid = parent.stdout.readline().split()
    assert word == "frozen"
    until(lambda: process.frozen(sleeper.pid))
    parent.send_signal(signal.SIGKILL)
    until(lambda: not process.frozen(sleeper.pid), "the healing")
    until(lambda: process.identify(int(pid)) is None, "the watchdog's end")
    assert Journal(stack.paths.journal).pending() == []
