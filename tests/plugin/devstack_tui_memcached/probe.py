"""memcached's probe: an item stored and fetched again, over verified TLS."""

from __future__ import annotations

import secrets
import time

from devstack_tui.contracts.model import Observation, Target
from devstack_tui_memcached.client import Connection

KEY = "devstack-tui:probe"


def probe(target: Target, timeout: float) -> Observation:
    """Store a fresh value and fetch it; the latency is of both."""
    value = secrets.token_hex(8).encode()
    with Connection(target, timeout) as connection:
        started = time.perf_counter()
        connection.set(KEY, value)
        seen = connection.get(KEY).get(KEY)
        latency = (time.perf_counter() - started) * 1000
        return Observation(
            latency_ms=latency,
            version=connection.version(),
            role="cache",
            tls=connection.socket.version() or "",
            problems=() if seen == value else ("an item that was stored is not there",),
        )
