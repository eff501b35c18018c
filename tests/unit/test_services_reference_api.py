"""The reference API: its token, its guard, its counters and its errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack_tui.services.reference_api.app import create_app
from devstack_tui.services.reference_api.backends import Backends
from devstack_tui.services.reference_api.backends.base import (
    Backend,
    RefusedError,
    UnavailableError,
    explain,
)
from devstack_tui.services.reference_api.backends.pool import ThreadedPool
from devstack_tui.services.reference_api.backends.vault import Vault
from devstack_tui.services.reference_api.config import ApiConfig, Peer
from devstack_tui.services.reference_api.guard import Guard
from devstack_tui.services.reference_api.metrics import Metrics
from devstack_tui.services.reference_api.probe import failing

PASSWORD = "canary-password-1"


def config(tmp_path: Path, *peers: str) -> ApiConfig:
    for name in ("role-id", "secret-id"):
        (tmp_path / name).write_text(f"{name}\n")
    return ApiConfig(
        stack="test",
        host="127.0.0.1",
        http_port=1,
        https_port=2,
        cert="",
        key="",
        ca="",
        role_id=str(tmp_path / "role-id"),
        secret_id=str(tmp_path / "secret-id"),
        peers={name: Peer("127.0.0.1", 1) for name in ("vault", *peers)},
    )


class FakeVault:
    """Answers as Vault does; `valid` is the token that it accepts."""

    def __init__(self, lease: int = 3600) -> None:
        self.lease = lease
        self.logins = 0
        self.renewals = 0
        self.valid = ""
        self.bodies: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/")
        if path == "auth/approle/login":
            self.logins += 1
            self.bodies.append(json.loads(request.content))
            self.valid = f"token-{self.logins}"
            return self._auth()
        if request.headers.get("X-Vault-Token") != self.valid:
            return httpx.Response(403, json={"errors": ["permission denied"]})
        if path == "auth/token/renew-self":
            self.renewals += 1
            return self._auth()
        return httpx.Response(
            200, json={"data": {"data": {"user": "u", "password": PASSWORD, "database": "d"}}}
        )

    def _auth(self) -> httpx.Response:
        auth = {"client_token": self.valid, "lease_duration": self.lease}
        return httpx.Response(200, json={"auth": auth})


def vault(tmp_path: Path, server: Callable[[httpx.Request], httpx.Response]) -> Vault:
    found = Vault(config(tmp_path, "mysql"))
    found._client = httpx.AsyncClient(
        base_url="https://vault", transport=httpx.MockTransport(server)
    )
    return found


async def test_one_login_serves_many_reads(tmp_path: Path) -> None:
    server = FakeVault()
    client = vault(tmp_path, server)
    await asyncio.gather(*(client.secret("mysql") for _ in range(20)))
    assert server.logins == 1
    assert server.bodies == [{"role_id": "role-id", "secret_id": "secret-id"}]


async def test_a_token_is_renewed_when_two_thirds_of_its_life_are_over(tmp_path: Path) -> None:
    server = FakeVault()
    client = vault(tmp_path, server)
    await client.secret("mysql")
    client._renew_at = 0
    await client.secret("mysql")
    assert (server.logins, server.renewals) == (1, 1)


async def test_a_token_at_the_end_of_its_life_is_replaced(tmp_path: Path) -> None:
    server = FakeVault(lease=30)
    client = vault(tmp_path, server)
    await client.secret("mysql")
    client._renew_at = 0
    await client.secret("mysql")
    assert server.logins == 2


async def test_a_revoked_token_is_replaced_once_for_all_who_meet_it(tmp_path: Path) -> None:
    server = FakeVault()
    client = vault(tmp_path, server)
    await client.secret("mysql")
    server.valid = "another"
    await asyncio.gather(*(client.secret("mysql") for _ in range(5)))
    assert server.logins == 2


async def test_a_refused_login_is_said_in_vaults_words(tmp_path: Path) -> None:
    client = vault(tmp_path, lambda _: httpx.Response(400, json={"errors": ["invalid secret id"]}))
    with pytest.raises(UnavailableError, match="invalid secret id"):
        await client.secret("mysql")


async def test_only_the_secrets_of_backends_can_be_asked_for(tmp_path: Path) -> None:
    client = vault(tmp_path, FakeVault())
    with pytest.raises(RefusedError):
        await client.secret("../sys/policy")


class Connection:
    """One that fails when it is reported so."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.broken = False
        self.closed = False

    def use(self) -> int:
        if self.broken:
            raise OSError("broken pipe")
        return self.number

    def close(self) -> None:
        self.closed = True


async def test_work_on_a_pooled_connection_that_broke_is_done_again_on_a_new_one() -> None:
    made: list[Connection] = []

    def open_one() -> Connection:
        made.append(Connection(len(made)))
        return made[-1]

    pool = ThreadedPool("test", open_one, 1)
    assert await pool.run(Connection.use) == 0
    assert await pool.run(Connection.use) == 0
    made[0].broken = True
    assert await pool.run(Connection.use) == 1
    assert made[0].closed
    await pool.close()
    assert made[1].closed


async def test_work_that_nobody_waits_for_any_more_is_aborted() -> None:
    import threading

    waiting, woken = threading.Event(), threading.Event()

    def work(_: Connection) -> None:
        waiting.set()
        woken.wait(10)

    pool = ThreadedPool("test", lambda: Connection(0), 1, abort=lambda _: woken.set())
    task = asyncio.create_task(pool.run(work))
    while not waiting.is_set():
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert woken.is_set()
    await pool.close()


class Broken(Backend):
    """A backend whose driver reports the password."""

    name = "mysql"

    async def check(self) -> dict[str, str]:
        await self.credentials()
        raise RuntimeError(f"Access denied for {PASSWORD}\nsecond line")

    async def close(self) -> None:
        return None


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = config(tmp_path, "mysql")
    backends = Backends(settings)
    backends.vault._client = httpx.AsyncClient(
        base_url="https://vault", transport=httpx.MockTransport(FakeVault())
    )
    backends._all["mysql"] = Broken(settings.peers["mysql"], "", backends.vault)
    app: Any = Guard(create_app(backends), "127.0.0.1")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:8000", transport=transport) as found:
        yield found


async def test_the_api_lives_without_its_backends(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")


async def test_a_failing_backend_is_503_with_a_reason_and_no_secret(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/health/mysql")
    assert answer.status_code == 503
    assert answer.json()["reason"].startswith("Access denied")
    assert PASSWORD not in answer.text


async def test_a_service_that_the_stack_has_not_is_absent(client: httpx.AsyncClient) -> None:
    for path in ("/health/postgres", "/examples/database/postgres/query"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, "absent")


async def test_all_fails_for_a_failing_backend_and_not_for_an_absent_one(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/health/all")
    found = answer.json()
    assert (answer.status_code, found["failing"]) == (503, ["mysql"])
    assert failing(found["services"]) == [f"mysql: {found['services']['mysql']['reason']}"]
    assert found["services"]["redis"]["status"] == "absent"


async def test_secrets_are_masked(client: httpx.AsyncClient) -> None:
    answer = await client.get("/examples/vault/secret/mysql")
    assert answer.json()["data"] == {"user": "u", "password": "***", "database": "d"}
    assert PASSWORD not in (await client.get("/examples/vault/secret/mysql/password")).text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "["])
async def test_a_foreign_host_is_refused(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health/", headers={"Host": host})).status_code == 403


async def test_a_page_of_another_site_cannot_write(client: httpx.AsyncClient) -> None:
    url = "/examples/cache/key?value=x"
    for origin in ("https://evil.example", "null"):
        assert (await client.post(url, headers={"Origin": origin})).status_code == 403
    own = await client.post(url, headers={"Origin": "http://localhost:8000"})
    assert own.status_code == 404  # let through: Redis is absent here


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500_000

    header = {"Content-Type": "application/json"}
    for body in (b"x" * 1_100_000, chunks()):
        answer = await client.put("/examples/cache/key", content=body, headers=header)
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/examples/cache/key", None),
        ("POST", "/examples/cache/key?value=x&ttl=0", None),
        ("PUT", "/examples/cache/key", {"ttl": 5}),
        ("POST", "/examples/messaging/publish", {"queue": "a b", "message": {"x": 1}}),
        ("POST", "/examples/messaging/publish", {"message": {"x": 1}}),
        ("POST", "/examples/messaging/publish?queue_name=q", {}),
        ("GET", "/examples/cache/a%20b", None),
    ],
)
async def test_bad_input_is_422(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    assert (await client.request(method, path, json=body)).status_code == 422


async def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert "/examples/cache/{key}" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_the_histogram_is_cumulative_and_routes_are_escaped() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.003, 9.0):
        metrics.count("GET", '/a"b', 200, seconds)
    metrics.count("INVENTED", "/", 405, 0.1)
    text = metrics.render()
    labels = 'method="GET",route="/a\\"b"'
    assert f'http_requests_total{{{labels},status="200"}} 3' in text
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.001"}} 1' in text
    assert f'http_request_duration_seconds_bucket{{{labels},le="0.005"}} 2' in text
    assert f'http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 3' in text
    assert 'method="other"' in text


def test_a_drivers_error_becomes_one_line() -> None:
    assert explain(OSError(111, "Connection refused")) == "the connection is refused"
    assert explain(OSError("The read operation timed out")) == "no answer in time"
    assert explain(ValueError("one\n two")) == "one two"
    assert explain(ValueError()) == "ValueError"
    assert PASSWORD not in explain(ValueError(f"with {PASSWORD}"), frozenset([PASSWORD]))
