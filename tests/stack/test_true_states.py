"""What a state says is so: each fault is made in a server that goes on running."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import pytest

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.services.mysql import client as mysql
from devstack_tui.services.postgres import client as postgres
from devstack_tui.services.rabbitmq.erl_call import evaluate
from devstack_tui.services.redis.node import Node
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli

NO_MORE = "it takes no more connections: "


@pytest.fixture
def engine(live: Cli, monkeypatch: pytest.MonkeyPatch) -> Engine:
    live.enter(monkeypatch)
    return Stack(live.stack).engine()


@contextlib.contextmanager
def nodes(target: Target) -> Iterator[list[Node]]:
    """A connection to every node of Redis, of our own account."""
    admin = target.as_admin()
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Node(admin, i, 5))) for i in range(6)]


def test_slots_that_their_master_gave_up_are_named(live: Cli, engine: Engine) -> None:
    with nodes(engine.target(service("redis"))) as found:
        # After a failover it is not the first node, and a replica is corrected by the others.
        views = [node.look(i) for i, node in enumerate(found)]
        (owner,) = (
            node
            for node, view in zip(found, views, strict=True)
            if any(first <= 5 <= last for first, last in view.me.slots)
        )
        owner.ask(("CLUSTER", "DELSLOTS", "5", "6", "7", "100"))
        try:
            row = live.status()["redis"]
        finally:
            owner.ask(("CLUSTER", "ADDSLOTS", "5", "6", "7", "100"))
    assert row["state"] == "degraded"
    assert "nobody serves 4 slots: 5-7, 100 (CLUSTERDOWN" in row["reason"]
    assert row["facts"]["slots"] == "16380 of 16384 served"
    assert live.status()["redis"]["state"] == "healthy"


def test_every_master_of_redis_is_written_to(live: Cli, engine: Engine) -> None:
    with nodes(engine.target(service("redis"))) as found:
        masters = [i for i, node in enumerate(found) if node.look(i).me.master]
        for i in masters:
            found[i].ask(("CONFIG", "SET", "min-replicas-to-write", "1000"))
            try:
                row = live.status()["redis"]
            finally:
                found[i].ask(("CONFIG", "SET", "min-replicas-to-write", "0"))
            assert row["state"] == "degraded"
            assert f"redis-{i + 1} refused a write: NOREPLICAS" in row["reason"]


def _redis_full(engine: Engine, held: contextlib.ExitStack) -> None:
    found = held.enter_context(nodes(engine.target(service("redis"))))
    for node in found:
        node.ask(("CONFIG", "SET", "maxclients", "1"))
        held.callback(node.ask, ("CONFIG", "SET", "maxclients", "10000"))


def test_a_master_of_redis_without_a_client_left_has_its_slots(live: Cli, engine: Engine) -> None:
    with nodes(engine.target(service("redis"))) as found:
        full = next(i for i, node in enumerate(found) if node.look(i).me.master)
        found[full].ask(("CONFIG", "SET", "maxclients", "1"))
        try:
            row = live.status()["redis"]
            tuned = live.run("tune", "set", "redis", "timeout=100s", "--now")
        finally:
            found[full].ask(("CONFIG", "SET", "maxclients", "10000"))
    assert tuned.returncode != 0
    assert "max number of clients reached" in tuned.stderr
    why = f"redis-{full + 1}: max number of clients reached"
    assert (row["state"], row["reason"]) == ("degraded", why)
    assert row["facts"]["slots"] == "16384 of 16384 served"


def _rabbitmq_full(engine: Engine, held: contextlib.ExitStack) -> None:
    broker = service("rabbitmq")
    files = engine.files(broker)
    vhost = f'<<"{engine.target(broker).credentials.database}">>'
    limit = f'rabbit_vhost_limit:set({vhost}, [{{<<"max-connections">>, 0}}], <<"test">>)'
    evaluate(engine, files, limit)
    held.callback(evaluate, engine, files, f'rabbit_vhost_limit:clear({vhost}, <<"test">>)')


def _postgres_full(engine: Engine, held: contextlib.ExitStack) -> None:
    import psycopg

    target = engine.target(service("postgres"))
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        while True:
            held.callback(postgres.connect(target.as_admin(), 5).close)


def _mysql_full(engine: Engine, held: contextlib.ExitStack) -> None:
    import pymysql

    target = engine.target(service("mysql"))
    with pytest.raises(pymysql.err.OperationalError, match="Too many connections"):
        while True:
            held.callback(mysql.connect(target, 5, tls=False).close)


FULL: Mapping[str, tuple[Callable[[Engine, contextlib.ExitStack], None], str]] = {
    "redis": (_redis_full, "max number of clients reached"),
    "rabbitmq": (_rabbitmq_full, "connection limit (0) is reached"),
    "postgres": (_postgres_full, "sorry, too many clients already"),
    "mysql": (_mysql_full, "Too many connections"),
}


@pytest.mark.parametrize("name", FULL)
def test_a_server_without_a_connection_left_is_degraded(
    live: Cli, engine: Engine, name: str
) -> None:
    fill, why = FULL[name]
    with contextlib.ExitStack() as held:
        fill(engine, held)
        row = live.status()[name]
        up = live.run("up", name)
    assert (row["state"], row["reason"]) == ("degraded", NO_MORE + why)
    assert f"devstack-tui --stack {live.stack} restart {name}" in row["remedy"]
    assert up.returncode == 1
    assert why in up.stderr


def test_vault_without_its_audit_log_is_not_healthy_and_up_makes_it_anew(
    live: Cli, engine: Engine
) -> None:
    vault = service("vault")
    files = engine.files(vault)
    files.rename("audit.log", "audit.log.kept")
    gone = live.status()["vault"]
    files.write("audit.log", "another file, to which nothing is written\n", mtime_ns=10**18)
    replaced = live.status()["vault"]
    files.remove("audit.log")
    try:
        up = live.run("up", "vault")
        assert up.returncode == 0, up.stderr
        assert live.status()["vault"]["state"] == "healthy"
    finally:
        files.write("audit.log", files.read("audit.log.kept") + files.read("audit.log"))
        files.remove("audit.log.kept")
        engine.reload("vault")
    assert (gone["state"], replaced["state"]) == ("degraded", "degraded")
    assert gone["reason"] == "its audit.log is gone: what it is asked is not recorded"
    assert replaced["reason"] == "what it is asked does not get into its audit.log"
