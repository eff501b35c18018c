"""Vault: the API's own AppRole, a token that is renewed, and the secrets of the backends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Credentials, own_name
from devstack_tui.core.tls import client_context
from devstack_tui.services.reference_api.backends.base import (
    CONNECT_S,
    LIMIT_S,
    AbsentError,
    Backend,
    RefusedError,
    UnavailableError,
)
from devstack_tui.services.reference_api.config import ApiConfig, Peer

if TYPE_CHECKING:
    import httpx

SIZE = 8
READABLE = ("postgres", "mysql", "mongodb", "redis", "rabbitmq")
"""The secrets that the API's policy lets it read."""


class Vault(Backend):
    """A client with one token. The token never leaves this object."""

    name = "vault"

    def __init__(self, config: ApiConfig) -> None:
        super().__init__(config.peers.get("vault", Peer("", 0)), config.ca, self)
        self._config = config
        self._client: httpx.AsyncClient | None = None
        self._token = ""
        self._renew_at = 0.0
        self._login = asyncio.Lock()
        self._secrets: dict[str, dict[str, str]] = {}

    async def check(self) -> dict[str, str]:
        """A secret read from Vault's storage, and Vault's report on itself."""
        readable = [name for name in READABLE if name in self._config.peers]
        if readable:
            await self._read(readable[0])
        else:
            await self._call("GET", "auth/token/lookup-self")
        answer = await self._http().get("/v1/sys/health")
        return {"version": str(answer.json().get("version", "")), "sealed": "no"}

    async def secret(self, name: str) -> dict[str, str]:
        """The secret of service `name`, freshly read. Raises `RefusedError` (404) for any other
        name than a backend's, and `AbsentError` for a backend that the stack has not."""
        if name not in READABLE:
            raise RefusedError(404, f"there is no such secret: known are {', '.join(READABLE)}")
        if name not in self._config.peers:
            raise AbsentError(name)
        return await self._read(name)

    async def credentials_of(self, name: str) -> Credentials:
        """The secret of a backend, from memory after the first time."""
        if name not in self._secrets:
            self._secrets[name] = await self.ask(self._read(name))
        data = self._secrets[name]
        return Credentials(data.get("user", ""), data.get("password", ""), data.get("database", ""))

    def forget_secret(self, name: str) -> None:
        """Read the secret of `name` again when it is next asked for."""
        self._secrets.pop(name, None)

    async def close(self) -> None:
        """Revoke the token: it would outlive the process by an hour."""
        if self._client is None:
            return
        with contextlib.suppress(Exception):
            if self._token:
                await self._send("POST", "auth/token/revoke-self")
        await self._client.aclose()

    async def _read(self, name: str) -> dict[str, str]:
        answer = await self._call("GET", f"secret/data/{name}")
        return {key: str(value) for key, value in answer["data"]["data"].items()}

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(
                base_url=f"https://{self.peer.host}:{self.peer.port}",
                verify=client_context(self.ca, own_name(self.name)),
                timeout=httpx.Timeout(CONNECT_S, pool=LIMIT_S),
                # All of them are kept: a handshake costs more than a read.
                limits=httpx.Limits(max_connections=SIZE, max_keepalive_connections=SIZE),
                trust_env=False,
            )
        return self._client

    async def _send(self, method: str, path: str, **body: str) -> httpx.Response:
        headers = {"X-Vault-Token": self._token} if self._token else {}
        return await self._http().request(method, f"/v1/{path}", headers=headers, json=body or None)

    async def _call(self, method: str, path: str) -> dict[str, Any]:
        """A request with a valid token. A token that was revoked is replaced, once."""
        await self._authenticate()
        used = self._token
        answer = await self._send(method, path)
        if answer.status_code == 403:
            await self._authenticate(instead_of=used)
            answer = await self._send(method, path)
        return _document(answer, path)

    async def _authenticate(self, instead_of: str = "") -> None:
        """Log in, or renew the token when two thirds of its life are over."""
        async with self._login:
            if self._token and self._token != instead_of:
                if time.monotonic() < self._renew_at:
                    return
                answer = await self._send("POST", "auth/token/renew-self")
                if answer.is_success and self._accept(answer):
                    return
            self._token = ""
            answer = await self._send(
                "POST",
                "auth/approle/login",
                role_id=Path(self._config.role_id).read_text(encoding="utf-8").strip(),
                secret_id=Path(self._config.secret_id).read_text(encoding="utf-8").strip(),
            )
            _document(answer, "the login by AppRole")
            self._accept(answer)

    def _accept(self, answer: httpx.Response) -> bool:
        """Take the token; False when it is about to reach its maximum life."""
        auth = answer.json()["auth"]
        lease = float(auth["lease_duration"])
        if self._token and lease < 60:
            return False
        self._token = str(auth["client_token"])
        self._renew_at = time.monotonic() + lease * 2 / 3
        return True


def _document(answer: httpx.Response, path: str) -> dict[str, Any]:
    """The JSON of a success. Raises `UnavailableError` with Vault's own words for a refusal."""
    if answer.is_success:
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document
    errors: list[str] = []
    with contextlib.suppress(ValueError, AttributeError):
        errors = answer.json().get("errors") or []
    why = "; ".join(" ".join(error.split()) for error in errors) or str(answer.status_code)
    raise UnavailableError("vault", f"{path}: {why}")
