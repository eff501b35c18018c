"""Whoever binds a port that a server of the stack has left is sent no secret by us."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.workload import Bench
from devstack_tui.services.mongodb.client import connect as mongodb
from devstack_tui.services.mysql.client import connect as mysql
from devstack_tui.services.postgres import pgbench
from devstack_tui.services.rabbitmq import workloads as rabbitmq
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.client import connect as redis
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import leaks, ports
from tests.stack.drill_kit import drill_argv, wait_whole
from tests.stack.thief import PROTOCOLS, Thief

SERVICES = ("postgres", "mysql", "mongodb", "redis", "rabbitmq", "vault", "reference_api")
NODES = 6
LIMIT_S = 2.0
LIVE = "live"


def block(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(41000, 60000, count):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no free ports")


@contextlib.contextmanager
def robbed(known: Target) -> Iterator[tuple[Target, Thief]]:
    """The same service, looked for where a thief listens at every port of every node."""
    first = block(NODES * len(known.ports))
    moved = {name: first + NODES * number for number, name in enumerate(known.ports)}
    tls = known.endpoint.tls_port and moved["tls"]
    endpoint = msgspec.structs.replace(known.endpoint, port=moved["main"], tls_port=tls)
    every = range(first, first + NODES * len(known.ports))
    with Thief(dict.fromkeys(every, PROTOCOLS[known.service])) as thief:
        yield msgspec.structs.replace(known, endpoint=endpoint, ports=moved), thief


def probed(target: Target) -> object:
    return service(target.service).probe()(target, LIMIT_S)


def queried(tls: bool, target: Target) -> object:
    part = service(target.service).tls()
    assert part is not None
    return part.query(target, part.listeners(target)[0], tls, LIMIT_S)


def written(target: Target) -> object:
    acks = service(target.service).acks()
    assert acks is not None
    return acks.writer(target, "thief", LIMIT_S).write(1)


def by_pgbench(target: Target) -> object:
    known = service("postgres")
    client = functools.partial(Stack(LIVE).engine().client, known)
    order = Bench(target, {"clients": 1}, lambda _: None, threading.Event(), client)
    return pgbench.initialise(order, "postgres", 1)


def by_pymongo(target: Target) -> object:
    with mongodb(target, LIMIT_S, tls=False) as client:
        return client.admin.command("ping")


EVERY = {
    "probe": probed,
    "audit over TLS": functools.partial(queried, True),
    "audit in plain": functools.partial(queried, False),
    "acks": written,
}
OWN: dict[str, tuple[str, Callable[[Target], object]]] = {
    "pgbench": ("postgres", by_pgbench),
    "plain mysql": ("mysql", lambda target: mysql(target, LIMIT_S, tls=False)),
    "plain pymongo": ("mongodb", by_pymongo),
    "plain redis": ("redis", lambda target: redis(target, 0, LIMIT_S, tls=False)),
    "plain redis load": ("redis", lambda target: bulk.login(target, 0)),
    "plain rabbitmq": ("rabbitmq", rabbitmq._open),
}
CLIENTS = OWN | {f"{name} {kind}": (name, use) for name in SERVICES for kind, use in EVERY.items()}
"""Everything of ours that logs in, and asks no other server of the service before."""
del CLIENTS["vault acks"]  # it is given its token by the administrator, at the same server


@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_of_ours_logs_in_where_something_else_answers(
    live: Cli, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    live.enter(monkeypatch)
    name, use = CLIENTS[client]
    with robbed(Stack(live.stack).engine().target(service(name))) as (target, thief):
        with contextlib.suppress(Exception):  # what each says is for its own tests
            use(target)
        thief.await_callers()
    assert leaks(live, thief.heard.decode("latin-1")) == []


@pytest.fixture
def killed(live: Cli) -> Iterator[str]:
    """A node of Redis that was killed, and is there again afterwards."""
    wait_whole(live)
    yield "redis-1"
    assert live.run("up", "redis").returncode == 0


def node_ports(cli: Cli) -> dict[int, Callable[[bytes], bytes]]:
    """The ports of the first node."""
    found = ports(cli, "redis")
    return dict.fromkeys((found["main"], found["tls"]), PROTOCOLS["redis"])


def kill(cli: Cli, unit: str) -> None:
    row = next(one for one in cli.status()["redis"]["units"] if one["unit"] == unit)
    os.kill(row["pid"], signal.SIGKILL)


def test_the_verbs_tell_that_a_port_is_not_answered_by_its_node(live: Cli, killed: str) -> None:
    """Others of its service run: that some do is no reason to trust this port."""
    with Thief(node_ports(live)) as thief:
        kill(live, killed)
        deadline = time.monotonic() + 60
        while len(thief.taken) < 2:
            assert time.monotonic() < deadline
        (check,) = live.json("check", "run", "tls.09")["checks"]
        assert check["status"] in ("FAIL", "ERROR")
        assert "not answered by a process of this stack's redis-1" in check["evidence"]
        live.run("check", "run", "tls.24")
        assert live.run("restart", "redis").returncode != 0
        assert thief.callers[ports(live, "redis")["main"]]
    seen = thief.heard.decode("latin-1")
    assert leaks(live, seen) == []
    assert "AUTH" not in seen


def test_a_drill_sends_nothing_to_who_takes_the_port_of_the_killed_node(live: Cli) -> None:
    wait_whole(live)
    with Thief(node_ports(live), most=6) as thief:
        assert live.run(*drill_argv(live, "sigkill", "redis-1")).returncode in (0, 1, 4)
        assert thief.callers[ports(live, "redis")["main"]] == 6
    seen = thief.heard.decode("latin-1")
    assert leaks(live, seen) == []
    assert "AUTH" not in seen
