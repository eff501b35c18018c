"""MySQL, or MariaDB in its place."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.mysql]`: port `main`, which answers TLS and plain."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:
    """The client's command; it asks for the password."""
    client = "mariadb" if shutil.which("mariadb") else "mysql"
    # The two clients have different words for "check the server's name and certificate".
    verify = "--ssl-verify-server-cert" if client == "mariadb" else "--ssl-mode=VERIFY_IDENTITY"
    return shlex.join(
        [
            client,
            f"--host={endpoint.host}",
            f"--port={endpoint.port}",
            f"--user={credentials.user}",
            f"--ssl-ca={ca}",
            verify,
            "-p",
            credentials.database,
        ]
    )


SERVICE = Service(
    name="mysql",
    title="MySQL/MariaDB",
    scheme="mysql",
    settings=Settings,
    hint=Hint(apt=("mariadb-server",)),
    account="mysql",
    credentials=Credentials(user="devstack", database="devstack"),
    admin=Credentials(user="devstack_admin", database="mysql"),
    connect=connect,
)
