"""What a service left on its ports is ended or waited for; a stranger is not touched."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack_tui.contracts.registry import service
from devstack_tui.core import process
from devstack_tui.core.process import INSTANCE_VARIABLE, UNIT_VARIABLE
from devstack_tui.engines.embedded import leftovers, ports
from devstack_tui.engines.embedded.accounts import account_of

Child = Callable[..., "subprocess.Popen[str]"]
SERVICE = service("rabbitmq")
INSTANCE = secrets.token_hex(16)
LISTEN = """
import signal, socket, sys
sock = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listens", flush=True)
signal.pause()
"""
# As a worker of a server that was killed: it ends when it notices.
WORKER = """
import os, signal, socket, sys
port, uid = map(int, sys.argv[1:])
sock = socket.create_server(("127.0.0.1", port))
os.setresuid(uid, uid, uid)
print("listens", flush=True)
sys.stdin.readline()
"""
ORPHAN = """
import subprocess, sys
made = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
made.stdout.readline()
print(made.pid, flush=True)
made.returncode = 0
"""
# As a node does that starts a port mapper while it ends.
HEIR = """
import os, signal, socket, subprocess, sys
def end(*_):
    subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], start_new_session=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE).stdout.readline()
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("runs", flush=True)
signal.pause()
"""


@pytest.fixture
def port() -> int:
    """One that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def marked(unit: str, instance: str = INSTANCE) -> dict[str, str]:
    return {"PATH": os.defpath, INSTANCE_VARIABLE: instance, UNIT_VARIABLE: unit}


def run(child: Child, *argv: str, **more: object) -> subprocess.Popen[str]:
    """Start it and wait until it says that it is there."""
    made = child(sys.executable, "-c", *argv, **more)
    assert made.stdout is not None
    assert made.stdout.readline()
    return made


def orphan(child: Child, *argv: str, env: dict[str, str]) -> None:
    """Start it as a child of nobody: what this process started itself is none of a server's."""
    assert run(child, ORPHAN, *argv, env=env).wait(60) == 0


def clear(port: int, data: Path) -> None:
    leftovers.clear_ports(SERVICE, INSTANCE, {"main": port}, data)


def test_what_a_service_left_on_its_port_is_ended(child: Child, port: int, room: Path) -> None:
    orphan(child, LISTEN, str(port), env=marked("rabbitmq"))
    assert not ports.free(port)
    clear(port, room)
    assert ports.free(port)


def test_what_a_leftover_starts_as_it_ends_is_ended_too(
    child: Child, port: int, room: Path
) -> None:
    orphan(child, HEIR, str(port), LISTEN, env=marked("rabbitmq"))
    clear(port, room)
    assert ports.free(port)
    assert not [pid for pid in process.owned(INSTANCE) if process.identify(pid)]


@pytest.mark.parametrize(
    "env",
    [marked("rabbitmq", "another"), marked("postgres"), {"PATH": os.defpath}],
    ids=["another stack's", "another service's", "a stranger's"],
)
def test_what_is_not_the_service_s_keeps_its_port(
    child: Child, port: int, room: Path, env: dict[str, str]
) -> None:
    other = run(child, LISTEN, str(port), env=env)
    began = time.monotonic()
    clear(port, room)
    assert time.monotonic() - began < leftovers.PORTS_WITHIN_S, "it is not waited for"
    assert other.poll() is None
    assert not ports.free(port)


def test_a_child_without_a_mark_that_works_in_the_service_s_directory_is_waited_for(
    child: Child, port: int, room: Path
) -> None:
    account = account_of(SERVICE)
    if account is None:
        pytest.skip("the service has no account here")
    argv = (WORKER, str(port), str(account.uid))
    left = run(child, *argv, env={"PATH": os.defpath}, cwd=room)
    assert left.stdin is not None
    threading.Timer(0.3, left.stdin.close).start()  # it ends by itself
    clear(port, room)
    assert ports.free(port)
    assert left.wait(60) == 0
