"""The reference API: its token, its guard, its counters and its errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from devstack_tui.core.errors import UnreachableError
from devstack_tui.services.reference_api import token
from devstack_tui.services.reference_api.app import create_app, reaches_write
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
    inner = create_app(backends)
    app: Any = Guard(inner, "127.0.0.1", token.ensure(tmp_path), partial(reaches_write, inner))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:8000", transport=transport) as found:
        yield found


@pytest.fixture
def owner(tmp_path: Path) -> dict[str, str]:
    """The headers of a write by who has the stack's secrets."""
    token.ensure(tmp_path)
    return token.headers(tmp_path)


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


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "", "[", "/", "x@127.0.0.1", "[::1]:8000"),
        *("x@127.0.0.1:8000", "127.0.0.1:8000@evil", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:"),
        *("localhost.:8000", "127.1:8000", " 127.0.0.1:8000", "127.0.0.1:08000", "0:8000"),
        *("127.0.0.1:8000, evil", "127.0.0.1:8000/", "http://127.0.0.1:8000", "2130706433:8000"),
    ],
)
async def test_a_foreign_or_odd_host_is_refused(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/health/", headers={"Host": host})).status_code == 403


async def test_a_host_that_is_there_twice_is_refused(client: httpx.AsyncClient) -> None:
    twice = [("Host", "127.0.0.1:8000"), ("Host", "127.0.0.1:8000")]
    assert (await client.get("/health/", headers=twice)).status_code == 403


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "reference-api.dev-services.local"])
async def test_the_listener_s_own_names_are_known(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get("/health/", headers={"Host": f"{name}:8000"})).status_code == 200


WRITE = "/examples/cache/key?value=x"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "", "http://localhost:8000", "http://127.0.0.1:3000"),
        *("https://127.0.0.1:8000", "http://127.0.0.1", "http://127.0.0.1:8000/", "127.0.0.1:8000"),
    ],
)
async def test_a_page_of_another_site_or_port_can_do_nothing(
    client: httpx.AsyncClient, owner: dict[str, str], origin: str
) -> None:
    for headers in (JSON, owner):
        told = {**headers, "Origin": origin}
        assert (await client.post(WRITE, headers=told)).status_code == 403
    assert (await client.get("/health/", headers={"Origin": origin})).status_code == 403


async def test_what_a_browser_says_of_another_site_is_believed(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    link = {"Sec-Fetch-Mode": "navigate"}
    for site in ("cross-site", "same-site"):
        told = {"Sec-Fetch-Site": site}
        assert (await client.get("/docs", headers=told)).status_code == 403
        assert (await client.get("/docs", headers={**told, **link})).status_code == 200
        assert (await client.post(WRITE, headers={**owner, **told, **link})).status_code == 403
    assert (await client.get("/docs", headers={"Sec-Fetch-Site": "none"})).status_code == 200


async def test_a_write_needs_the_token_or_the_page_s_own_origin(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    own = {"Origin": "http://127.0.0.1:8000"}
    wrong = {"Authorization": "Bearer " + "x" * 43}
    basic = {"Authorization": owner["Authorization"].replace("Bearer", "Basic")}
    for method, path in (
        ("POST", WRITE),
        ("PUT", WRITE),
        ("DELETE", "/examples/cache/key"),
        ("POST", "/examples/messaging/publish"),
    ):
        for headers, status in (
            # Let through is 404 or 422: no backend is here.
            ({}, {415}),
            (JSON, {401}),
            ({**JSON, **wrong}, {401}),
            ({**JSON, **basic}, {401}),
            ({**JSON, **own, **wrong}, {401}),
            ({**JSON, **own}, {404, 422}),
            (owner, {404, 422}),
        ):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code in status, (method, path, headers)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json", ""]
)
async def test_a_form_is_no_write(
    client: httpx.AsyncClient, owner: dict[str, str], kind: str
) -> None:
    for origin in ({}, {"Origin": "http://127.0.0.1:8000"}):
        headers = {**owner, **origin, "Content-Type": kind}
        assert (await client.post(WRITE, headers=headers)).status_code == 415


async def test_methods_beyond_the_routes_are_405(client: httpx.AsyncClient) -> None:
    for method, path in (
        *((method, "/health/") for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE")),
        ("CONNECT", "/examples/cache/key"),
        ("PATCH", "/examples/cache/key"),
        ("PROPFIND", "/"),
    ):
        assert (await client.request(method, path)).status_code == 405, (method, path)


@pytest.mark.parametrize(
    "path",
    [
        *("/..%2f..%2fetc/passwd", "//health/", "/health//all", "/%2e%2e/health/"),
        *("/examples/cache/..", "/examples/cache/a%2fb", "/examples/vault/secret/%252e%252e"),
        *("/docs/../../etc/passwd", "/health/./", "/health/%00", "/static/x", "/health\\all"),
    ],
)
async def test_a_path_that_leads_elsewhere_is_404(tmp_path: Path, path: str) -> None:
    inner = create_app(Backends(config(tmp_path)))
    app: Any = Guard(inner, "127.0.0.1", "", partial(reaches_write, inner))
    seen: list[Any] = []

    async def send(message: Any) -> None:
        seen.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    # A client would tidy the path before it asks.
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000")],
    }
    await app(scope, receive, send)
    assert seen[0]["status"] == 404


def test_a_token_is_kept_and_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    first = token.ensure(tmp_path)
    assert token.ensure(tmp_path) == first
    assert token.path(tmp_path).stat().st_mode & 0o777 == 0o600
    token.path(tmp_path).write_text("short\n")
    assert token.digest_of(tmp_path) == ""
    with pytest.raises(UnreachableError, match="token of the reference API"):
        token.headers(tmp_path)
    assert token.ensure(tmp_path) != first


def test_without_a_digest_no_token_is_right() -> None:
    for given in (b"", b"Bearer ", b"Bearer", b"Bearer " + b"x" * 43):
        assert not token.matches(given, "")


async def test_a_body_that_is_too_large_is_refused(
    client: httpx.AsyncClient, owner: dict[str, str]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500_000

    for body in (b"x" * 1_100_000, chunks()):
        answer = await client.put("/examples/cache/key", content=body, headers=owner)
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
    client: httpx.AsyncClient,
    owner: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    answer = await client.request(method, path, json=body, headers=owner)
    assert answer.status_code == 422


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
