"""Applications' accounts of Redis, MongoDB and RabbitMQ: an older stack is converted, and what is
administrative is denied to them."""

from __future__ import annotations

import msgspec
import pika
import pymongo.errors
import pytest
import redis

from devstack_tui.contracts.registry import service
from devstack_tui.services.rabbitmq import erl_call
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli
from tests.stack.clients import mongodb, ports, redis_node, secret, trusting

NODES = 6


def ready(cli: Cli, name: str) -> None:
    ended = cli.run("up", name)
    assert ended.returncode == 0, ended.stderr
    assert "was running" in cli.run("up", name).stderr
    checked = cli.run("check", "run", f"auth.{name}")
    assert checked.returncode == 0, checked.stdout


def test_redis_nodes_of_an_earlier_release_get_their_accounts_while_they_run(live: Cli) -> None:
    password = secret(live, "redis")["password"]
    for index in range(NODES):
        with redis_node(live, index) as node:
            # As requirepass and masterauth made it: one account, which may do everything.
            node.execute_command(
                "ACL SETUSER", "default", "reset", "on", f">{password}", "~*", "&*", "+@all"
            )
            node.config_set("masteruser", "")
            node.config_set("masterauth", password)
            node.execute_command("ACL DELUSER", "devstack", "replica", "devstack_admin")
    ready(live, "redis")
    ended = live.run("up", "reference-api")
    assert "was running" in ended.stderr
    for index in range(NODES):
        with redis_node(live, index) as node:
            assert node.execute_command("ACL USERS") == [
                "default",
                "devstack",
                "devstack_admin",
                "replica",
            ]
        with (
            redis_node(live, index, "default", password) as node,
            pytest.raises(redis.AuthenticationError),
        ):
            node.ping()


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET save",
        "CONFIG REWRITE",
        "ACL LIST",
        "KEYS *",
        "MONITOR",
        "REPLICAOF NO ONE",
        "CLUSTER FAILOVER",
        "CLIENT LIST",
        "MODULE LIST",
    ],
)
def test_an_application_can_do_nothing_to_redis_itself(live: Cli, command: str) -> None:
    found = secret(live, "redis")
    with (
        redis_node(live, 0, found["user"], found["password"]) as node,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        node.execute_command(*command.split())


def test_a_mongodb_of_an_earlier_release_is_converted_and_keeps_its_data(live: Cli) -> None:
    own = secret(live, "mongodb")["user"]
    with mongodb(live, "mongodb-admin") as client:
        client.kept_database.kept.insert_one({"kept": 1})
        client.admin.command("updateUser", own, roles=["root"])
    with mongodb(live) as client:
        client.devstack.kept.insert_one({"kept": 1})
        client.admin.command("dropUser", secret(live, "mongodb-admin")["user"])
    ready(live, "mongodb")
    with mongodb(live) as client:
        assert client.devstack.kept.count_documents({}) == 1
        client.devstack.drop_collection("kept")
        with pytest.raises(pymongo.errors.OperationFailure, match="not authorized"):
            client.kept_database.kept.find_one()
        with pytest.raises(pymongo.errors.OperationFailure, match="not authorized"):
            client.admin.command("shutdown")
    with mongodb(live, "mongodb-admin") as client:
        assert client.kept_database.kept.count_documents({}) == 1
        client.drop_database("kept_database")


def test_a_rabbitmq_of_an_earlier_release_loses_its_administrator(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.enter(monkeypatch)
    engine = Stack(live.stack).engine()
    files = engine.files(service("rabbitmq"))
    by = "<<100>>"
    user = "<<" + ",".join(map(str, secret(live, "rabbitmq")["user"].encode())) + ">>"
    tagged = f"rabbit_auth_backend_internal:set_tags({user}, [administrator], {by})"
    assert erl_call.evaluate(engine, files, tagged) == "ok"
    (live.root / "data" / "rabbitmq" / "definitions.json").unlink()
    ready(live, "rabbitmq")
    with pytest.raises(pika.exceptions.AMQPError):
        pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1",
                ports(live, "rabbitmq")["tls"],
                "/",
                pika.PlainCredentials(*list(secret(live, "rabbitmq").values())[:2]),
                ssl_options=pika.SSLOptions(trusting(live), "localhost"),
            )
        )


def failed(cli: Cli, name: str) -> set[str]:
    """The checks of the suite that fail for this service, without the service's name."""
    document = msgspec.json.decode(cli.run("check", "run", f"auth.{name}", "--json").stdout)
    return {one["id"].split(".", 2)[2] for one in document["checks"] if one["status"] == "FAIL"}


def test_functions_and_an_empty_password_of_redis_are_found(live: Cli) -> None:
    loaded = "#!lua name=mine\nredis.register_function('one', function() return 1 end)"
    with redis_node(live, 0) as node:
        node.config_set("requirepass", "x" * 40)
        node.config_set("requirepass", "")
        functions = int(node.info("server")["redis_version"].split(".")[0]) >= 7
        if functions:
            node.execute_command("FUNCTION LOAD", loaded)
        try:
            assert failed(live, "redis-1") == {"passwords"} | (
                {"functions"} if functions else set()
            )
        finally:
            node.execute_command("ACL SETUSER", "default", "resetpass")
            if functions:
                node.execute_command("FUNCTION DELETE", "mine")
    assert not failed(live, "redis-1")


def test_what_mongodb_records_of_contents_is_found(live: Cli) -> None:
    def command(verbosity: int) -> dict[str, object]:
        return {"command": {"verbosity": verbosity}}

    with mongodb(live, "mongodb-admin") as client:
        client.devstack.command("profile", 2)
        client.admin.command("setParameter", 1, logComponentVerbosity=command(5))
        try:
            assert failed(live, "mongodb") == {"profile", "verbosity"}
        finally:
            client.devstack.command("profile", 0)
            client.admin.command("setParameter", 1, logComponentVerbosity=command(-1))
            client.devstack.drop_collection("system.profile")
    assert not failed(live, "mongodb")


def test_a_permission_of_a_topic_in_rabbitmq_is_found(
    live: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.enter(monkeypatch)
    engine = Stack(live.stack).engine()
    files = engine.files(service("rabbitmq"))
    found = secret(live, "rabbitmq")
    user, host = (
        "<<" + ",".join(map(str, found[key].encode())) + ">>" for key in ("user", "database")
    )
    own, any = "rabbit_auth_backend_internal", '<<".*">>'
    made = f"{own}:set_topic_permissions({user}, {host}, {any}, {any}, {any}, <<100>>)"
    assert erl_call.evaluate(engine, files, made) == "ok"
    try:
        assert failed(live, "rabbitmq") == {"topic_permissions"}
    finally:
        cleared = f"{own}:clear_topic_permissions({user}, {host}, <<100>>)"
        erl_call.evaluate(engine, files, cleared)
    assert not failed(live, "rabbitmq")
