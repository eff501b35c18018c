"""A server that keeps numbers in a set, and does what a test reports it."""

# ruff: noqa: ARG002 - it takes what the contract gives

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from devstack_tui.contracts.acks import Allowance
from devstack_tui.contracts.model import Credentials, Endpoint, Target
from devstack_tui.loadgen.acknowledged_writes import ADD, OK, Operation

TARGET = Target("fake", Endpoint("fake", "127.0.0.1", 1), {}, Credentials(), Path(), Path())
LIMIT_S = 60.0


class FakeWriter:
    """Does what the server is asked to do; a session is of no use after a failure."""

    def __init__(self, server: FakeAcks) -> None:
        self._server = server
        self.closed = False
        self.failed = False

    def write(self, number: int) -> None:
        assert not self.closed
        assert not self.failed, "a writer is used again after it failed"
        self.failed = True
        self._server.behave(number)
        self.failed = False
        self._server.kept.add(number)

    def close(self) -> None:
        self.closed = True


class FakeAcks:
    """`behave` is called with each number before it is kept, and may raise."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        self.writers: list[FakeWriter] = []
        self.behave: Callable[[int], None] = lambda number: None
        self.connect: Callable[[], None] = lambda: None

    def prepare(self, target: Target, run: str) -> None:
        pass

    def writer(self, target: Target, run: str, timeout: float) -> FakeWriter:
        self.connect()
        self.writers.append(FakeWriter(self))
        return self.writers[-1]

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        return self.kept.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        self.kept.clear()

    def allowance(self, target: Target) -> Allowance:
        return Allowance()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.001)


def write(number: int, sent: float, done: float, outcome: str = OK, why: str = "") -> Operation:
    """One write of a stream; times are seconds."""
    at, over = round(sent * 1e6), round(done * 1e6)
    return Operation("fake", ADD, number, "", number, "fake", at, at, over, outcome, why)
