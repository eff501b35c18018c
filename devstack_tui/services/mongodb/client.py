"""The driver's connections to MongoDB, over TLS and verified unless configured otherwise.

The probe has its own: `wire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target

if TYPE_CHECKING:
    from pymongo import MongoClient


def connect(
    target: Target,
    timeout: float,
    login: bool = True,
    tls: bool = True,
    find_within: float | None = None,
) -> MongoClient[dict[str, Any]]:
    """A client of that one server, without retries; `timeout` (seconds) covers finding the
    server, connecting and each answer; `find_within` is for finding it alone. Without `login`
    nothing but the localhost exception works; without `tls` it is plain, as a benchmark's own
    tools connect.
    """
    from pymongo import MongoClient

    limit = int(timeout * 1000)
    more: dict[str, Any] = {}
    if login:
        more = {
            "username": target.credentials.user,
            "password": target.credentials.password,
            "authSource": "admin",
        }
    if tls:
        # Our own certificates name no OCSP responder.
        more |= {"tls": True, "tlsCAFile": str(target.ca), "tlsDisableOCSPEndpointCheck": True}
    return MongoClient(
        target.endpoint.host,
        target.endpoint.port,
        directConnection=True,
        serverSelectionTimeoutMS=limit if find_within is None else int(find_within * 1000),
        connectTimeoutMS=limit,
        socketTimeoutMS=limit,
        retryWrites=False,
        retryReads=False,
        appname="devstack-tui",
        **more,
    )
