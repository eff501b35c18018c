"""memcached as a service of devstack-tui: TLS, a login, and items that outlive a restart."""

from pathlib import Path
from typing import Annotated

import msgspec

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.memcached]`: port `main` (TLS) and the memory for items, MiB."""

    ports: dict[str, int] = msgspec.field(default_factory=lambda: {"main": 11311})
    memory_mib: Annotated[int, msgspec.Meta(ge=16, le=4096)] = 64


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:  # noqa: ARG001
    """The command line of a client: memcached has none, OpenSSL's reaches it."""
    return f"openssl s_client -quiet -verify_return_error -CAfile {ca} -connect {endpoint}"


SERVICE = Service(
    name="memcached",
    title="memcached",
    scheme="memcached",
    settings=Settings,
    hint=Hint(apt=("memcached",)),
    account="memcache",
    credentials=Credentials(user="devstack"),
    connect=connect,
    contract=1,
)
