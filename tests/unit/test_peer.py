"""A login without TLS goes only to a process of the stack: whoever else answers is found out."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack_tui.contracts.peer import ForeignPeerError, Peer
from devstack_tui.core import process, socket_peer
from devstack_tui.engines.embedded.process_records import Record, Records
from devstack_tui.engines.embedded.view import PROVER

SERVER = """
import os, socket, sys
family, host, how = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, *sys.argv[1:]
door = socket.socket(family)
if how == "mapped":
    door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
door.bind((host, 0))
door.listen(64)
print(door.getsockname()[1], flush=True)
kept = []
while how != "deaf":
    kept.append(door.accept()[0])
    if how == "closes":
        kept.pop().close()
    if how == "forks" and os.fork():
        kept.pop().close()
sys.stdin.read()
"""


class Stack:
    """A folder of records, and servers that are or are not in them."""

    def __init__(self, folder: Path) -> None:
        self.records = Records(folder)
        self.peer = Peer("cache", f"{PROVER}:{folder}")
        self.running: list[subprocess.Popen[str]] = []

    def start(self, host: str = "127.0.0.1", how: str = "accepts") -> tuple[int, int]:
        """A server that is in no record: its pid and its port."""
        made = subprocess.Popen(
            [sys.executable, "-c", SERVER, host, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={process.INSTANCE_VARIABLE: "mine", process.UNIT_VARIABLE: "cache-1"},
            start_new_session=True,
        )
        self.running.append(made)
        assert made.stdout is not None
        return made.pid, int(made.stdout.readline())

    def record(self, pid: int, unit: str = "cache-1", start_ticks: int | None = None) -> None:
        """Write that the process is a unit's."""
        found = process.identify(pid)
        assert found is not None
        ticks = found.start_ticks if start_ticks is None else start_ticks
        known = process.ProcessId(pid, ticks, found.boot_id)
        self.records.write(Record(unit, "cache", 0, 15, 1.0, time.time(), known))

    def end(self) -> None:
        for made in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(made.pid, 9)
            with made:
                pass


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    yield made
    made.end()


def connected(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), 5)


@pytest.fixture(params=["asked", "listed"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As this one, and as one without socket diagnostics."""

    def refused(*_: object) -> int:
        raise PermissionError

    if request.param == "listed":
        monkeypatch.setattr(socket_peer, "_asked", refused)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("bound", "called", "how"),
    [
        ("127.0.0.1", "127.0.0.1", "accepts"),
        ("::1", "::1", "accepts"),
        ("::", "127.0.0.1", "mapped"),
        ("127.0.0.1", "127.0.0.1", "forks"),
    ],
)
def test_a_server_of_the_stack_is_proven(stack: Stack, bound: str, called: str, how: str) -> None:
    pid, port = stack.start(bound, how)
    stack.record(pid)
    for _ in range(3):
        with connected(port, called) as sock:
            stack.peer.prove(sock, "cache-1")
            stack.peer.prove(sock)


def test_many_connections_are_told_apart(stack: Stack) -> None:
    pid, port = stack.start()
    _, foreign = stack.start()
    stack.record(pid)
    with contextlib.ExitStack() as held:
        for _ in range(50):
            stack.peer.prove(held.enter_context(connected(port)))
            with pytest.raises(ForeignPeerError, match="not answered by a process"):
                stack.peer.prove(held.enter_context(connected(foreign)))


def test_a_process_with_our_environment_is_not_ours(stack: Stack) -> None:
    """Another process of the same user can have any environment: only the record proves."""
    pid, _ = stack.start()
    _, foreign = stack.start()
    stack.record(pid)
    with connected(foreign) as sock, pytest.raises(ForeignPeerError):
        stack.peer.prove(sock)


def test_a_reused_pid_is_not_ours(stack: Stack) -> None:
    pid, port = stack.start()
    stack.record(pid, start_ticks=1)
    with connected(port) as sock, pytest.raises(ForeignPeerError):
        stack.peer.prove(sock)


def test_another_unit_does_not_stand_for_the_one_that_was_asked_for(stack: Stack) -> None:
    pid, port = stack.start()
    stack.record(pid, "cache-2")
    with connected(port) as sock:
        with pytest.raises(ForeignPeerError, match="cache-1"):
            stack.peer.prove(sock, "cache-1")
        stack.peer.prove(sock, "cache-2")


def test_a_server_that_was_started_again_is_proven_anew(stack: Stack) -> None:
    pid, port = stack.start()
    stack.record(pid)
    again, another = stack.start()
    with connected(another) as sock:
        with pytest.raises(ForeignPeerError):
            stack.peer.prove(sock)
        stack.record(again)
        stack.peer.prove(sock)
    with connected(port) as sock, pytest.raises(ForeignPeerError):
        stack.peer.prove(sock)


def test_a_record_that_is_still_to_be_written_is_waited_for(stack: Stack) -> None:
    """`up` writes which process it is after it has started it."""
    pid, port = stack.start()
    stack.records.write(Record("cache-1", "cache", 0, 15, 1.0, time.time()))
    with connected(port) as sock:
        sock.settimeout(0.0)
        with pytest.raises(OSError, match=r"nothing was sent|did not accept"):
            stack.peer.prove(sock)
        stack.record(pid)
        sock.settimeout(60)
        stack.peer.prove(sock)


def test_a_server_that_does_not_accept_is_a_timeout(stack: Stack) -> None:
    pid, port = stack.start(how="deaf")
    stack.record(pid)
    with connected(port) as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError, match="did not accept"):
            stack.peer.prove(sock)


@pytest.mark.usefixtures("kernel")
def test_a_server_that_closes_the_connection_is_not_waited_for(stack: Stack) -> None:
    """As Redis does with one client too many."""
    pid, port = stack.start(how="closes")
    stack.record(pid)
    with connected(port) as sock:
        assert sock.recv(1) == b""
        sock.settimeout(600)
        with pytest.raises(ConnectionResetError):
            stack.peer.prove(sock)


def test_nothing_is_proven_of_a_connection_that_has_ended_or_an_engine_that_cannot(
    stack: Stack,
) -> None:
    pid, port = stack.start()
    stack.record(pid)
    with connected(port) as sock:
        with pytest.raises(ForeignPeerError, match="cannot be proven on this stack"):
            Peer("cache").prove(sock)
        os.kill(pid, 9)
        stack.running[0].wait()
        with pytest.raises(OSError):
            stack.peer.prove(sock)
