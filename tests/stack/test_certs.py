"""`certs`: other certificates for servers that run, without losing a connection."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pika
import pymongo
import pymysql
import pytest
import redis

from tests.conftest import Cli
from tests.stack.clients import ca, ports, postgres, secret, trusting

Work = Callable[[], object]
"""Does work on one connection and returns what shows that connection from every other."""
TLS = ("vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq", "reference_api")


@contextlib.contextmanager
def sessions(cli: Cli) -> Iterator[dict[str, Work]]:
    """A client of each service with a connection over verified TLS."""
    with contextlib.ExitStack() as stack:
        row = stack.enter_context(postgres(cli, "verify-full"))
        yield {
            "postgres": lambda: row.execute("SELECT pg_backend_pid()").fetchone(),
            "mysql": _mysql(cli, stack),
            "mongodb": _mongodb(cli, stack),
            "redis": _redis(cli, stack),
            "rabbitmq": _rabbitmq(cli, stack),
            "vault": _https(cli, stack, ports(cli, "vault")["main"], "/v1/sys/health"),
            "reference_api": _https(cli, stack, ports(cli, "reference_api")["tls"], "/health/"),
        }


def _mysql(cli: Cli, stack: contextlib.ExitStack) -> Work:
    found = secret(cli, "mysql")
    link = stack.enter_context(
        pymysql.connect(
            host="127.0.0.1",
            port=ports(cli, "mysql")["main"],
            user=found["user"],
            password=found["password"],
            ssl=trusting(cli),
        )
    )

    def work() -> object:
        with link.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            return cursor.fetchone()

    return work


def _mongodb(cli: Cli, stack: contextlib.ExitStack) -> Work:
    found = secret(cli, "mongodb")
    client: pymongo.MongoClient[dict[str, Any]] = stack.enter_context(
        pymongo.MongoClient(
            "127.0.0.1",
            ports(cli, "mongodb")["main"],
            username=found["user"],
            password=found["password"],
            tls=True,
            tlsCAFile=ca(cli),
            maxPoolSize=1,
        )
    )
    return lambda: client.admin.command("hello")["connectionId"]


def _redis(cli: Cli, stack: contextlib.ExitStack) -> Work:
    nodes = [
        stack.enter_context(
            redis.Redis(
                "127.0.0.1",
                ports(cli, "redis")["tls"] + index,
                username=secret(cli, "redis")["user"],
                password=secret(cli, "redis")["password"],
                ssl=True,
                ssl_ca_certs=ca(cli),
                single_connection_client=True,
            )
        )
        for index in range(6)
    ]
    return lambda: [node.client_id() for node in nodes]


def _rabbitmq(cli: Cli, stack: contextlib.ExitStack) -> Work:
    found = secret(cli, "rabbitmq")
    link = pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1",
            ports(cli, "rabbitmq")["tls"],
            found["database"],
            pika.PlainCredentials(found["user"], found["password"]),
            ssl_options=pika.SSLOptions(trusting(cli), "127.0.0.1"),
        )
    )
    stack.callback(link.close)
    channel = link.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    # The queue is this connection's alone, and goes with it.
    return lambda: channel.queue_declare(queue, passive=True).method.queue


def _https(cli: Cli, stack: contextlib.ExitStack, port: int, path: str) -> Work:
    link = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=trusting(cli))
    stack.callback(link.close)
    link.connect()
    held = link.sock

    def work() -> object:
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
        assert link.sock is held, "the library opened another connection"
        return answer.status, held.getsockname()

    return work


def serial(cli: Cli, port: int) -> str:
    """What is served now at a port that begins with TLS, by the standard library alone."""
    context = trusting(cli)
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        found = secure.getpeercert()
    assert found
    return str(found["serialNumber"]).lower().lstrip("0")


def leaves(cli: Cli) -> dict[str, dict[str, Any]]:
    """The leaf of every service, by name."""
    rows = cli.json("certs", "list")["certificates"]
    return {row["name"]: row for row in rows if row["kind"] == "leaf"}


def test_every_server_takes_another_certificate_while_its_clients_go_on(live: Cli) -> None:
    before = leaves(live)
    assert set(TLS) <= set(before)
    with sessions(live) as open_before:
        seen = {name: work() for name, work in open_before.items()}
        rounds: list[dict[str, object]] = []
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.05):
                rounds.append({name: work() for name, work in open_before.items()})

        with ThreadPoolExecutor(1) as pool:
            clients = pool.submit(go_on)
            try:
                document = live.json("certs", "rotate")
            finally:
                ended.set()
            clients.result()
        rounds.append({name: work() for name, work in open_before.items()})
    # Each on the very connection that it had, which a restart would have ended.
    assert len(rounds) > 5
    assert all(one == seen for one in rounds)
    assert document["exit_code"] == 0, document
    rotated = {row["service"]: row for row in document["rotated"]}
    assert set(rotated) == set(TLS)
    after = leaves(live)
    for name in TLS:
        assert rotated[name]["how"] == "reloaded"
        assert rotated[name]["held"] == "still works"
        assert rotated[name]["before"] == before[name]["serial"] != after[name]["serial"]
        assert rotated[name]["after"] == after[name]["serial"]
        assert after[name]["served"], name
        assert all(one["current"] for one in after[name]["served"]), after[name]
    assert len(after["redis"]["served"]) == 12
    for name, port in {
        "vault": ports(live, "vault")["main"],
        "mongodb": ports(live, "mongodb")["main"],
        "redis": ports(live, "redis")["tls"] + 5,
        "rabbitmq": ports(live, "rabbitmq")["tls"],
        "reference_api": ports(live, "reference_api")["tls"],
    }.items():
        assert serial(live, port) == after[name]["serial"].lstrip("0"), name
    assert live.run("status").returncode == 0
    assert not list(live.root.glob("data/*/tls/before.json"))
    audit = live.run("check", "run", "trust")
    assert audit.returncode == 0, audit.stdout


def test_a_wrong_name_is_refused_with_the_close_match(live: Cli) -> None:
    ended = live.run("certs", "rotate", "postgress")
    assert ended.returncode == 2
    assert "did you mean postgres?" in ended.stderr
    ended = live.run("certs", "rotate", "forgejo")
    assert ended.returncode == 2
    assert "Forgejo has no TLS" in ended.stderr


def test_the_list_shows_root_and_intermediate(live: Cli) -> None:
    rows = {row["name"]: row for row in live.json("certs", "list")["certificates"]}
    assert rows["root"]["issuer"] == rows["root"]["subject"] == "CN=devstack-tui root CA"
    assert rows["intermediate"]["issuer"] == rows["root"]["subject"]
    assert rows["postgres"]["issuer"] == rows["intermediate"]["subject"]
    assert rows["postgres"]["key"] == "EC 256"
    assert rows["postgres"]["state"] == "ok"
    assert 360 <= rows["postgres"]["days_left"] <= 365


def _killed_at(cli: Cli, point: str) -> None:
    run = cli.start("certs", "rotate", "redis", "--jsonl")
    assert run.stdout is not None
    reached = any(point in line for line in run.stdout)
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)
    assert reached, f"it ended before it said {point!r}"
    assert run.returncode == -signal.SIGKILL
    assert (cli.root / "journal.jsonl").exists(), "it came to its end before it was killed"


@pytest.mark.parametrize("point", ["Vault issues a certificate", "the server takes it"])
def test_a_rotation_that_is_killed_is_taken_back_by_the_next_change(live: Cli, point: str) -> None:
    files = sorted(Path(live.root / "data" / "redis" / "tls").glob("server.*"))
    before = {path: path.read_bytes() for path in files}
    _killed_at(live, point)
    journal = (live.root / "journal.jsonl").read_bytes()
    assert "an interrupted `certs rotate` of redis" in live.run("certs", "list").stderr
    assert (live.root / "journal.jsonl").read_bytes() == journal
    healed = live.heal()
    assert "taking back an interrupted `certs rotate` of redis" in healed.stderr
    assert "not undone" not in healed.stderr
    assert healed.returncode == 0
    assert live.json("status")["needs_healing"] == []
    assert {path: path.read_bytes() for path in files} == before
    assert not (live.root / "journal.jsonl").exists()
    assert not (files[0].parent / "before.json").exists()
    assert all(one["current"] for one in leaves(live)["redis"]["served"])
    with redis.Redis(
        "127.0.0.1",
        ports(live, "redis")["main"],
        username=secret(live, "redis")["user"],
        password=secret(live, "redis")["password"],
    ) as node:
        assert not list(node.scan_iter("*acks*"))
    assert live.run("certs", "rotate", "redis").returncode == 0


def test_without_vault_nothing_changes_and_the_reason_is_told(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    before = leaves(fresh)["postgres"]["serial"]
    assert fresh.run("down", "vault").returncode == 0
    ended = fresh.run("certs", "rotate", "postgres")
    assert ended.returncode == 1
    assert "no certificate was issued: Vault cannot be reached" in ended.stderr
    found = leaves(fresh)["postgres"]
    assert found["serial"] == before
    assert [one["current"] for one in found["served"]] == [True]
    assert not (fresh.root / "journal.jsonl").exists()


def test_a_server_that_does_not_run_serves_it_at_its_next_start(fresh: Cli) -> None:
    assert fresh.run("up", "postgres").returncode == 0
    assert fresh.run("down", "postgres").returncode == 0
    document = fresh.json("certs", "rotate", "postgres")
    (row,) = document["rotated"]
    assert row["how"] == "at its next start"
    assert fresh.run("up", "postgres").returncode == 0
    found = leaves(fresh)["postgres"]
    assert found["serial"] == row["after"]
    assert [one["serial"] for one in found["served"]] == [row["after"]]
