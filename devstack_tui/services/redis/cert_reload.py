"""Reload of running Redis nodes' certificates, and CONFIG SET for other settings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from devstack_tui.contracts.acks import kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import CERT, KEY, ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.redis.client import node_count, node_name, session

TIMEOUT_S = 5.0


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """On each node CONFIG SET of the file that it has: it reads certificate and key anew, for the
    bus too, and keeps what it had where it cannot use them. Connections keep theirs.

    A node that does not run reads them when it starts.
    """
    names = {"tls-cert-file": files.path(CERT), "tls-key-file": files.path(KEY)}
    for index in range(node_count(target)):
        with contextlib.suppress(ConnectionRefusedError):
            configure(target, index, names)
    return True


def configure(target: Target, index: int, values: Mapping[str, str], *, tls: bool = False) -> None:
    """CONFIG SET on one node, all or nothing. Raises `DevstackError` for a refusal and
    `ConnectionRefusedError` where no node runs.

    Without `tls`: the certificate that is served now may be the very thing that is wrong.
    """
    import redis

    words = [word for pair in values.items() for word in pair]
    try:
        with session(target.as_admin(), index, TIMEOUT_S, tls=tls) as client:
            # The driver has no type for it.
            send: Any = client.execute_command
            send("CONFIG SET", *words)
    except redis.RedisError as error:
        if kind_of(error) == "refused":
            raise ConnectionRefusedError(f"{node_name(index)} does not run") from None
        raise DevstackError(f"{node_name(index)} refuses {', '.join(values)}: {error}") from None
