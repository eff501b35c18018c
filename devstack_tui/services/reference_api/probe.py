"""The reference API's probe: it is asked whether it lives and whether it reaches its backends."""

from __future__ import annotations

import time
from typing import Any

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.http_connection import HttpConnection
from devstack_tui.core.redact import redact
from devstack_tui.core.tls import client_context
from devstack_tui.services.reference_api import TOKEN_FILE


def connect(target: Target, timeout: float) -> HttpConnection:
    """A connection to the HTTPS port; `timeout` (seconds) covers each step. Close it after use."""
    context = client_context(target.ca, target.name)
    return HttpConnection(target.endpoint.host, target.ports["tls"], timeout, context)


def probe(target: Target, timeout: float) -> Observation:
    """GET /health/ decides whether it is up; the backends of /health/all are its problems.

    The latency is of /health/all, which goes through every backend.
    """
    with connect(target, timeout) as client:
        alive = client.get("/health/")
        if alive.status != 200:
            raise UnreachableError(f"/health/ answered {alive.status}")
        about, tls = alive.json(), client.tls_version
        started = time.perf_counter()
        try:
            answer = client.get("/health/all")
        except TimeoutError:
            backends: dict[str, Any] = {}
            problems = [f"/health/all had no answer within {timeout:g} s"]
        else:
            backends = answer.json().get("services", {})
            problems = failing(backends)
            if answer.status != 200 and not problems:
                problems = [f"/health/all answered {answer.status}"]
        latency = (time.perf_counter() - started) * 1000
    healthy = sum(one.get("status") == "healthy" for one in backends.values())
    return Observation(
        latency_ms=latency,
        version=str(about.get("version", "")),
        tls=tls,
        problems=tuple(problems),
        facts={
            "backends": f"{healthy} of {len(backends)} healthy",
            "token of writes": str(target.secrets / TOKEN_FILE),
        },
    )


def failing(backends: dict[str, Any]) -> list[str]:
    """A sentence for each backend of /health/all that fails; an absent one does not."""
    return [
        f"{name}: {redact(str(one.get('reason') or one.get('status')))}"
        for name, one in backends.items()
        if one.get("status") not in ("healthy", "absent")
    ]
