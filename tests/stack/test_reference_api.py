"""The reference API's connections: they are pooled, they outlive a restart of the server behind
them, and a server that is gone is named at once. The drivers and the servers are real."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import httpx
import pytest

from devstack_tui.services.reference_api import token
from tests.conftest import Cli

ASKS = {
    "postgres": "/examples/database/postgres/query",
    "mysql": "/examples/database/mysql/query",
    "mongodb": "/examples/database/mongodb/query",
    "redis": "/examples/cache/devstack-tui:test",
    "rabbitmq": "/health/rabbitmq",
}
AT_ONCE = 40


@pytest.fixture
def api(live: Cli) -> Iterator[httpx.Client]:
    """A client of the API of the shared stack."""
    row = live.status()["reference_api"]
    limits = httpx.Limits(max_connections=AT_ONCE)
    url = f"http://{row['endpoint']}"
    with httpx.Client(base_url=url, timeout=60, trust_env=False, limits=limits) as client:
        yield client


def test_more_requests_at_once_than_connections_are_all_answered(api: httpx.Client) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for path in ASKS.values():
            answers = list(threads.map(api.get, repeat(path, 3 * AT_ONCE)))
            assert {answer.status_code for answer in answers} == {200}, path


def test_a_message_is_published_into_a_queue_that_is_made_for_it(
    live: Cli, api: httpx.Client
) -> None:
    owner = token.headers(live.root / "secrets")
    queue = f"devstack-tui.test.{time.time_ns()}"
    about = f"/examples/messaging/queue/{queue}/info"
    assert api.get(about).json()["exists"] is False
    for count in (1, 2):
        body = {"queue": queue, "message": {"number": count}}
        sent = api.post("/examples/messaging/publish", json=body, headers=owner)
        assert sent.status_code == 200, sent.text
        seen = api.get(about).json()
        assert (seen["exists"], seen["message_count"], seen["consumer_count"]) == (True, count, 0)


HOST = "Host: 127.0.0.1:{port}\r\n"
RAW = {
    "GET /health/ HTTP/1.1\r\n" + HOST: 200,
    "GET /health/ HTTP/1.1\r\n": 403,
    "GET /health/ HTTP/1.0\r\n": 403,
    "GET /health/ HTTP/1.1\r\n" + HOST + HOST: 403,
    "GET /health/ HTTP/1.1\r\nHost: /\r\n": 403,
    "GET /health/ HTTP/1.1\r\nHost: x@127.0.0.1\r\n": 403,
    "GET /health/ HTTP/1.1\r\nHost: x@127.0.0.1:{port}\r\n": 403,
    "GET /health/ HTTP/1.1\r\nHost: 127.0.0.1\r\n": 403,
    "GET http://evil.example/health/ HTTP/1.1\r\n" + HOST: 400,
    "GET http://127.0.0.1:{port}/health/ HTTP/1.1\r\nHost: evil.example\r\n": 400,
    "GET * HTTP/1.1\r\n" + HOST: 400,
    "CONNECT evil.example:443 HTTP/1.1\r\n" + HOST: 400,
    "TRACE /health/ HTTP/1.1\r\n" + HOST: 405,
    "GET /..%2f..%2fetc/passwd HTTP/1.1\r\n" + HOST: 404,
    "GET /../../etc/passwd HTTP/1.1\r\n" + HOST: 404,
    "GET //evil.example/%2e%2e HTTP/1.1\r\n" + HOST: 404,
    "POST /examples/cache/k?value=x HTTP/1.1\r\n" + HOST: 415,
    "POST /examples/cache/k?value=x HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST: 401,
    "POST /health/ HTTP/1.1\r\n" + HOST: 405,
    "POST /examples/cache/k?value=x HTTP/1.1\r\nContent-Type: application/json\r\n"
    "X-Forwarded-Proto: https\r\nOrigin: https://127.0.0.1:{port}\r\n" + HOST: 403,
}
"""Requests as they stand on the wire, and the status of the answer."""


@pytest.mark.parametrize("head", RAW)
def test_an_odd_request_is_refused_before_it_does_anything(api: httpx.Client, head: str) -> None:
    port = api.base_url.port
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(f"{head.format(port=port)}Connection: close\r\n\r\n".encode())
        answer = sock.recv(65536)
    assert answer.split()[1] == str(RAW[head]).encode()


def test_the_token_is_private_and_is_made_again_when_it_is_lost(
    live: Cli, api: httpx.Client
) -> None:
    path = token.path(live.root / "secrets")
    assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o600, os.geteuid())
    before = token.headers(path.parent)
    url = "/examples/cache/devstack-tui:test:token"
    assert api.put(url, json={"value": "x", "ttl": 60}, headers=before).status_code == 200
    path.unlink()
    healed = live.run("up")
    assert healed.returncode == 0, healed.stderr
    after = token.headers(path.parent)
    assert api.delete(url, headers=before).status_code == 401
    assert api.delete(url, headers=after).status_code == 200


@pytest.mark.parametrize("service", ["postgres", "mysql", "rabbitmq"])
def test_a_server_that_is_gone_is_named_and_one_that_came_back_is_used(
    service: str, live: Cli, api: httpx.Client
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(api.get, repeat(ASKS[service], AT_ONCE)))
    stopped = live.run("down", service)
    try:
        assert stopped.returncode == 0, stopped.stderr
        for _ in range(3):
            answer = api.get(f"/health/{service}")
            assert answer.status_code == 503
            assert answer.json()["reason"] == "the connection is refused"
    finally:
        started = live.run("up")
        assert started.returncode == 0, started.stderr
    for _ in range(3):
        again = api.get(ASKS[service])
        assert again.status_code == 200, again.text


@pytest.mark.parametrize("service", ["postgres", "mysql", "redis"])
def test_a_restart_that_nobody_noticed_costs_no_request(
    service: str, live: Cli, api: httpx.Client
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(api.get, repeat(ASKS[service], AT_ONCE)))
        restarted = live.run("restart", service)
        assert restarted.returncode == 0, restarted.stderr
        answers = list(threads.map(api.get, repeat(ASKS[service], 3 * AT_ONCE)))
    assert [answer.text for answer in answers if answer.status_code != 200] == []
