"""MongoDB's probe: a journaled write, read back, over verified TLS."""

from __future__ import annotations

import ssl
import time
from typing import Any

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import SaturatedError
from devstack_tui.services.mongodb.wire import Wire

RELAXABLE = ("journalCommitInterval",)
"""Settings that can be relaxed, in milliseconds: see configs/parameters."""
COLLECTION = "devstack_tui_probe"
# Of serverStatus only the connections are read; the other sections cost the server time.
_STATUS: dict[str, Any] = {
    "serverStatus": 1,
    **dict.fromkeys(("metrics", "wiredTiger", "locks", "tcmalloc", "repl", "opLatencies"), 0),
}
_READ: dict[str, Any] = {"find": COLLECTION, "filter": {"_id": 1}, "limit": 1, "singleBatch": True}


def probe(target: Target, timeout: float) -> Observation:
    """Replace the one document and read it back, by the applications' account. The latency is of
    the write and the read."""
    problems: list[str] = []
    database = target.credentials.database
    ours, began = target.as_admin().credentials, time.monotonic()
    with _connected(target, timeout) as wire:
        wire.login(ours.user, ours.password)
        status = wire.command("admin", _STATUS)
        found = wire.command("admin", {"getParameter": 1, **dict.fromkeys(RELAXABLE, 1)})
    with _connected(target, timeout - (time.monotonic() - began)) as wire:
        tls = wire.tls
        role = _role(wire.command("admin", {"hello": 1}))
        wire.login(target.credentials.user, target.credentials.password)
        token = time.time_ns()
        started = time.perf_counter()
        if role == "primary":
            wire.command(database, _write(token, timeout))
            batch = wire.command(database, _READ)["cursor"]["firstBatch"]
            seen = batch[0].get("token") if batch else None
            # Another probe may have written a newer token in between; an older one is a lost write.
            if not isinstance(seen, int) or seen < token:
                problems.append("a journaled write could not be read back")
        else:
            wire.command("admin", {"ping": 1})
            problems.append(f"read-only: it is {role}")
        latency = (time.perf_counter() - started) * 1000
    connections = status.get("connections", {})
    clients, free = int(connections.get("current", 0)), int(connections.get("available", 1))
    if free < 3:
        problems.append(f"{clients} of {clients + free} connections are in use")
    return Observation(
        latency_ms=latency,
        version=str(status.get("version", "")),
        role=role,
        tls=tls,
        problems=tuple(problems),
        facts={
            "connections": f"{clients} of {clients + free}",
            "storage": str(status.get("storageEngine", {}).get("name", "")),
        },
        settings={name: (f"{found[name]}ms",) for name in RELAXABLE if name in found},
    )


def _connected(target: Target, timeout: float) -> Wire:
    """mongod has no words for a connection above its limit: it accepts, and closes at once."""
    try:
        return Wire(target, timeout)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        raise SaturatedError(
            target.service, "it closes each at once, as above net.maxIncomingConnections"
        ) from None


def _write(token: int, timeout: float) -> dict[str, Any]:
    """The replacement of the one document, acknowledged when it is in the journal."""
    return {
        "update": COLLECTION,
        "updates": [{"q": {"_id": 1}, "u": {"_id": 1, "token": token}, "upsert": True}],
        "writeConcern": {"w": "majority", "j": True, "wtimeout": int(timeout * 1000)},
    }


def _role(hello: dict[str, Any]) -> str:
    """A server alone is its own primary."""
    if hello.get("isWritablePrimary"):
        return "primary"
    return "secondary" if hello.get("secondary") else "in no state to serve"
