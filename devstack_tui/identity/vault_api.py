"""A thin client of the Vault API: verified TLS, loopback, no proxy, errors as sentences."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Credentials, Target
from devstack_tui.core.errors import DevstackError, UnreachableError, cause_of
from devstack_tui.core.tls import client_context

if TYPE_CHECKING:
    import hvac
    from requests.adapters import HTTPAdapter


class VaultError(DevstackError):
    """Vault refused a request: `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _strict_adapter(ca: Path) -> HTTPAdapter:
    """How `requests` connects: by our context; its own differs from one Python to the next."""
    from requests.adapters import HTTPAdapter

    try:
        context = client_context(ca)
    except OSError as error:
        raise UnreachableError(
            f"Vault cannot be reached: its CA in {ca} cannot be used ({error.strerror})",
            "look at `devstack-tui logs vault`",
        ) from None

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **options)

    return Adapter()


class VaultApi:
    """One token's view of Vault. Use as a context manager; the token is revoked by `revoke`."""

    def __init__(self, target: Target, token: str = "", timeout: float = 10.0) -> None:
        import hvac
        import requests

        session = requests.Session()
        # A proxy from the environment must never see a token that is meant for loopback.
        session.trust_env = False
        session.verify = str(target.ca)
        session.mount("https://", _strict_adapter(target.ca))
        self._client: hvac.Client = hvac.Client(
            url=f"https://{target.endpoint}",
            token=token,
            timeout=timeout,
            session=session,
            verify=str(target.ca),
        )
        self._session = session

    def __enter__(self) -> VaultApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @property
    def token(self) -> str:
        return str(self._client.token or "")

    @token.setter
    def token(self, value: str) -> None:
        self._client.token = value

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """`method` on /v1/`path`; returns the JSON document, empty for none.

        Raises `VaultError` for a refusal and `UnreachableError` when nothing answers.
        """
        import hvac.exceptions
        import requests

        try:
            answer = self._client.adapter.request(method, f"/v1/{path}", json=body or None)
        except hvac.exceptions.VaultError as error:
            status = _STATUS.get(type(error).__name__, 500)
            why = "; ".join(error.errors or []) or str(error)
            raise VaultError(f"Vault refused {path}: {why.strip()}", status) from None
        except requests.RequestException as error:
            distrust = cause_of(error, ssl.SSLCertVerificationError)
            reason = "its certificate is not trusted" if distrust else "it does not answer"
            raise UnreachableError(
                f"Vault cannot be reached: {reason}", "look at `devstack-tui logs vault`"
            ) from None
        return answer if isinstance(answer, dict) else {}

    def health(self) -> dict[str, Any]:
        """`initialized`, `sealed`, `standby`, `version`, whatever the state is."""
        # The status code tells the state; these make every state a 200, so that none is an error.
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


_STATUS = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}


def approle_files(secrets: Path, name: str) -> tuple[Path, Path]:
    """Where the role_id and the secret_id of `name` are kept, 0600."""
    folder = secrets / "approles" / name
    return folder / "role-id", folder / "secret-id"


def login_as(target: Target, name: str, timeout: float = 10.0) -> VaultApi:
    """A client logged in by the AppRole of `name` (`postgres`, `reference-api`, `admin` …).

    Raises `UnreachableError` when the AppRole's files are not there.
    """
    role, secret = approle_files(target.secrets, name)
    try:
        role_id, secret_id = role.read_text(), secret.read_text()
    except OSError as error:
        raise UnreachableError(
            f"the AppRole of {name} is not here: {error.strerror}",
            "`devstack-tui up` makes it anew",
        ) from None
    client = VaultApi(target, timeout=timeout)
    client.login(role_id, secret_id)
    return client
