"""A thin client of the Vault API: verified TLS, loopback, no proxy, errors as sentences."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import ADMIN_SUFFIX, Credentials, Target
from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError, UnreachableError, cause_of
from devstack_tui.core.http_connection import CANNOT, HttpConnection
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    from devstack_tui.contracts.service import Service


class VaultError(DevstackError):
    """Vault refused a request: `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class VaultApi:
    """One token's view of Vault. Use as a context manager; the token is revoked by `revoke`."""

    def __init__(self, target: Target, token: str = "", timeout: float = 10.0) -> None:
        try:
            context = client_context(target.ca, target.name)
        except OSError as error:
            raise UnreachableError(
                f"Vault cannot be reached: its CA in {target.ca} cannot be used ({error.strerror})",
                "`devstack-tui up` writes it again",
            ) from None
        self.token = token
        where = target.endpoint
        self._connection = HttpConnection(where.host, where.port, timeout, context)

    def __enter__(self) -> VaultApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        """`method` on /v1/`path`; returns the JSON document, empty for none.

        Raises `VaultError` for a refusal and `UnreachableError` when nothing answers.
        """
        headers = {"X-Vault-Request": "true"}
        if self.token:
            headers["X-Vault-Token"] = self.token
        sent = json.dumps(body).encode() if body else None
        try:
            reply = self._connection.request(method.upper(), f"/v1/{path}", sent, headers)
        except CANNOT as error:
            distrust = cause_of(error, ssl.SSLCertVerificationError)
            reason = "its certificate is not trusted" if distrust else "it does not answer"
            raise UnreachableError(
                f"Vault cannot be reached: {reason}",
                "`devstack-tui up vault`; what it said last: `devstack-tui logs vault`",
            ) from None
        try:
            answer = reply.json() if reply.body else {}
        except ValueError:
            answer = reply.body.decode(errors="replace")
        if reply.status >= 400:
            errors = answer.get("errors") if isinstance(answer, dict) else [answer]
            why = "; ".join(map(str, errors or [])) or f"HTTP {reply.status}"
            raise VaultError(f"Vault refused {path}: {why.strip()}", reply.status)
        return answer if isinstance(answer, dict) else {}

    def health(self) -> dict[str, Any]:
        """`initialized`, `sealed`, `standby`, `version`, whatever the state is."""
        # The status code reports the state; these make every state a 200, so that none is an error.
        codes = "standbyok=true&sealedcode=200&uninitcode=200&perfstandbyok=true"
        return self.call("get", f"sys/health?{codes}")

    def login(self, role_id: str, secret_id: str) -> dict[str, Any]:
        """Log in by AppRole and use the token from now on; returns `auth`."""
        answer = self.call("post", "auth/approle/login", role_id=role_id, secret_id=secret_id)
        auth: dict[str, Any] = answer["auth"]
        self.token = auth["client_token"]
        return auth

    def revoke(self) -> None:
        """Revoke the token in use, if there is one."""
        if self.token:
            self.call("post", "auth/token/revoke-self")
            self.token = ""

    def credentials(self, name: str) -> Credentials:
        """The secret of service `name`: user, password, database or vhost."""
        data = self.call("get", f"secret/data/{name}")["data"]["data"]
        return Credentials(data.get("user", ""), data.get("password", ""), data.get("database", ""))


def approle_files(secrets: Path, name: str) -> tuple[Path, Path]:
    """Where the role_id and the secret_id of `name` are kept, 0600."""
    folder = secrets / "approles" / name
    return folder / "role-id", folder / "secret-id"


def approle_pair(secrets: Path, name: str) -> tuple[str, str]:
    """The role_id and the secret_id of `name`. Raises `UnreachableError` where a file is not there,
    or is no text."""
    role, secret = approle_files(secrets, name)
    try:
        return files.read_word(role), files.read_word(secret)
    except OSError as error:
        raise UnreachableError(
            f"{error.filename}, by which {name} logs in, cannot be read: {error.strerror}",
            "`devstack-tui up` makes it anew",
        ) from None


def credentials_path(secrets: Path, name: str) -> Path:
    """The 0600 copy of a service's secret, for clients while Vault itself is down."""
    return secrets / "credentials" / f"{name}.json"


def admin_path(secrets: Path, name: str) -> Path:
    """The 0600 copy of the account by which the service `name` is administrated."""
    return credentials_path(secrets, f"{name}{ADMIN_SUFFIX}")


def read_credentials(secrets: Path, service: Service) -> Credentials:
    """What its last login kept; empty credentials where the service was never started."""
    return _kept(credentials_path(secrets, service.name))


def read_admin(secrets: Path, service: Service) -> Credentials:
    """The same of the account that administrates it; empty where it has no such account."""
    return _kept(admin_path(secrets, service.name)) if service.admin else Credentials()


def _kept(path: Path) -> Credentials:
    try:
        raw = files.read_bytes(path)
        return codec.decode(raw, Credentials)
    except (OSError, ValueError):
        return Credentials()


def spoilt(secrets: Path, service: Service) -> str:
    """Which file with an account of a service that was started is damaged or gone, in words; empty
    if none is. A stack of the release that had one account a service has no administrators'."""
    own, admin = credentials_path(secrets, service.name), admin_path(secrets, service.name)
    wanted = [path for path, has in ((admin, service.admin), (own, service.credentials)) if has]
    started = any(path.exists() for path in wanted)
    for path in wanted if started else ():
        if path.exists():
            if not _kept(path).user:
                return f"{path}, by which we log in, cannot be read or is damaged"
        elif path != admin or any(own.parent.glob(f"*{ADMIN_SUFFIX}.json")):
            return f"{path}, by which we log in, is gone"
    return ""


def login_as(target: Target, name: str, timeout: float = 10.0) -> VaultApi:
    """A client logged in by the AppRole of `name` (`postgres`, `reference-api`, `admin` …).

    Raises `UnreachableError` as `approle_pair` does.
    """
    role_id, secret_id = approle_pair(target.secrets, name)
    client = VaultApi(target, timeout=timeout)
    try:
        client.login(role_id, secret_id)
    except BaseException:
        client.__exit__()
        raise
    return client
