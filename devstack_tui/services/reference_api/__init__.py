"""The reference API: an HTTP service that uses every other one as an application would."""

import shlex
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings, own_name
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint

TOKEN_FILE = "reference-api-token"
"""Among the stack's secrets: what a write needs."""


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.reference_api]`: ports `main` (HTTP) and `tls` (HTTPS)."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:  # noqa: ARG001
    """The curl command; reading needs no login."""
    name, port = own_name("reference_api"), endpoint.tls_port
    return (
        f"curl --cacert {shlex.quote(str(ca))} --resolve {name}:{port}:{endpoint.host} "
        f"https://{name}:{port}/health/all"
    )


SERVICE = Service(
    name="reference_api",
    title="Reference API",
    scheme="https",
    settings=Settings,
    hint=Hint(pip=("fastapi", "uvicorn", "psycopg-pool")),
    connect=connect,
    after=("postgres", "mysql", "mongodb", "redis", "rabbitmq"),
)
