"""What the console's tests share: an app on a recorded stack."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from devstack_tui.console.app import DevstackApp
from devstack_tui.contracts.model import StackStatus
from devstack_tui.core.children import Cli

from . import states
from .kit import STUB, Clock, FakeFeed


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration and a state directory of their own, a fixed time zone, and colours."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


@pytest.fixture
def recorded() -> dict[str, StackStatus]:
    """The recorded snapshots by name."""
    return states.read()


@pytest.fixture
def stub() -> Cli:
    """A command line without a stack, run as a real child process."""
    return Cli("default", (sys.executable, str(STUB)))


@pytest.fixture
def feed(recorded: dict[str, StackStatus]) -> FakeFeed:
    """A feed that begins with everything healthy."""
    return FakeFeed(recorded["healthy"])


@pytest.fixture
def clock() -> Clock:
    """A clock at the time of the recording."""
    return Clock(states.AT)


@pytest.fixture
def app(feed: FakeFeed, stub: Cli, clock: Clock) -> DevstackApp:
    """The app on the recorded stack."""
    return DevstackApp("default", feed=feed, cli=stub, now=clock)
