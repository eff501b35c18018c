"""Redis: a cluster of masters and their replicas."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import msgspec

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import UsageError
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.redis]`: ports `main` (plain) and `tls` of the first node, the others count up.

    `replicas` is for each master; without any, a master's death leaves its slots unwritable.
    `node_timeout_ms` has its default, and the reason for it, in the shipped stack.toml alone.
    """

    masters: Annotated[int, msgspec.Meta(ge=3, le=50)] = 3
    replicas: Annotated[int, msgspec.Meta(ge=0, le=2)] = 1
    node_timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=60000)]


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:
    """The redis-cli command; it asks for the password."""
    return (
        f"redis-cli -c --tls --cacert {shlex.quote(str(ca))} -h {endpoint.host} "
        f"-p {endpoint.tls_port or endpoint.port} --user {shlex.quote(credentials.user)} --askpass"
    )


def masters_and_replicas(text: str) -> dict[str, int]:
    """`3+3`, masters and replicas, as settings. Raises `UsageError`."""
    found = re.fullmatch(r"(\d{1,2})\+(\d{1,2})", text)
    if not found:
        raise UsageError(f"--topology {text!r} is not masters+replicas", "use 3+3 or 3+0")
    masters, replicas = int(found[1]), int(found[2])
    if masters < 3:
        raise UsageError("a Redis Cluster needs at least 3 masters", "use 3+3 or 3+0")
    if replicas % masters:
        raise UsageError(
            f"{replicas} replicas cannot be shared equally by {masters} masters",
            f"use {masters}+{masters} or {masters}+0",
        )
    return {"masters": masters, "replicas": replicas // masters}


SERVICE = Service(
    name="redis",
    title="Redis Cluster",
    scheme="rediss",
    settings=Settings,
    hint=Hint(apt=("redis-server", "redis-tools")),
    account="redis",
    credentials=Credentials(user="devstack"),
    admin=Credentials(user="devstack_admin"),
    connect=connect,
    topology=masters_and_replicas,
    mutual_tls=True,
)
