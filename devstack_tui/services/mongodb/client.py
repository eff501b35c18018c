"""The driver's connections to MongoDB, over TLS and verified. The probe has its own: `wire`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from devstack_tui.stack.model import Target

if TYPE_CHECKING:
    from pymongo import MongoClient


def connect(target: Target, timeout: float, login: bool = True) -> MongoClient[dict[str, Any]]:
    """A client of that one server, without retries; `timeout` (seconds) covers finding the
    server, connecting and each answer. Without `login` nothing but the localhost exception works.
    """
    from pymongo import MongoClient

    limit = int(timeout * 1000)
    who: dict[str, Any] = {}
    if login:
        who = {
            "username": target.credentials.user,
            "password": target.credentials.password,
            "authSource": "admin",
        }
    return MongoClient(
        target.endpoint.host,
        target.endpoint.port,
        tls=True,
        tlsCAFile=str(target.ca),
        # Our own certificates name no OCSP responder.
        tlsDisableOCSPEndpointCheck=True,
        directConnection=True,
        serverSelectionTimeoutMS=limit,
        connectTimeoutMS=limit,
        socketTimeoutMS=limit,
        retryWrites=False,
        retryReads=False,
        appname="devstack-tui",
        **who,
    )
