"""Dual mode: every service answers verified TLS, and plain beside it, with work done on both."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pika
import psycopg
import pymongo
import pymysql
import pytest
import redis
import redis.cluster

from tests.conftest import Cli
from tests.stack.clients import ca, ports, postgres, secret, trusting

MODES = pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])


@MODES
def test_postgres(live: Cli, tls: bool) -> None:
    with postgres(live, "verify-full" if tls else "disable") as connection:
        row = connection.execute(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (tls,)


@MODES
def test_mysql(live: Cli, tls: bool) -> None:
    found = secret(live, "mysql")
    connection = pymysql.connect(
        host="127.0.0.1",
        port=ports(live, "mysql")["main"],
        user=found["user"],
        password=found["password"],
        database=found["database"],
        ssl=trusting(live) if tls else None,
        ssl_disabled=not tls,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        (_, version) = cursor.fetchone() or ("", "")
    assert bool(version) is tls


@MODES
def test_mongodb(live: Cli, tls: bool) -> None:
    found = secret(live, "mongodb")
    options: dict[str, Any] = {"tls": True, "tlsCAFile": ca(live)} if tls else {"tls": False}
    with pymongo.MongoClient(
        "127.0.0.1",
        ports(live, "mongodb")["main"],
        username=found["user"],
        password=found["password"],
        serverSelectionTimeoutMS=3000,
        **options,
    ) as client:
        assert client[found["database"]].command("ping")["ok"] == 1.0


@MODES
def test_every_redis_node(live: Cli, tls: bool) -> None:
    found = secret(live, "redis")
    base = ports(live, "redis")["tls" if tls else "main"]
    options: dict[str, Any] = {"ssl": True, "ssl_ca_certs": ca(live)} if tls else {}
    options |= {"username": found["user"], "password": found["password"]}
    for port in range(base, base + 6):
        with redis.Redis("127.0.0.1", port, **options) as node:
            assert node.ping()
    cluster = redis.cluster.RedisCluster("127.0.0.1", base, **options)
    for n in range(50):
        cluster.set(f"test:{n}", n, ex=30)
    assert [cluster.get(f"test:{n}") for n in range(50)] == [str(n).encode() for n in range(50)]
    cluster.close()


@MODES
def test_rabbitmq(live: Cli, tls: bool) -> None:
    found = secret(live, "rabbitmq")
    port = ports(live, "rabbitmq")["tls" if tls else "main"]
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1",
            port,
            found["database"],
            pika.PlainCredentials(found["user"], found["password"]),
            ssl_options=pika.SSLOptions(trusting(live), "localhost") if tls else None,
        )
    )
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"hello", mandatory=True)
    assert channel.basic_get(queue, auto_ack=True)[2] == b"hello"
    connection.close()


@MODES
def test_reference_api(live: Cli, tls: bool) -> None:
    port = ports(live, "reference_api")["tls" if tls else "main"]
    scheme = "https" if tls else "http"
    with httpx.Client(verify=trusting(live), base_url=f"{scheme}://localhost:{port}") as client:
        assert client.get("/health/all").status_code == 200


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("vault", "main"),
        ("redis", "tls"),
        ("rabbitmq", "tls"),
        ("reference_api", "tls"),
    ],
)
def test_the_chain_ends_at_our_root_and_the_names_are_as_declared(
    live: Cli, service: str, port: str
) -> None:
    import socket

    name = service.replace("_", "-")
    with socket.create_connection(("127.0.0.1", ports(live, service)[port]), 5) as raw:
        context = trusting(live)
        with context.wrap_socket(raw, server_hostname=f"{name}.dev-services.local") as tls:
            leaf = tls.getpeercert()
    assert leaf is not None
    sans = {value for _, value in leaf["subjectAltName"]}
    assert sans >= {name, f"{name}.dev-services.local", "localhost", "127.0.0.1"}


def test_a_stranger_to_our_root_is_told_that_verification_failed(live: Cli) -> None:
    import socket

    port = ports(live, "vault")["main"]
    with (
        socket.create_connection(("127.0.0.1", port), 5) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")


def test_a_wrong_password_is_refused(live: Cli) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=ports(live, "postgres")["main"],
            user=secret(live, "postgres")["user"],
            password="wrong",
            dbname="postgres",
        )
