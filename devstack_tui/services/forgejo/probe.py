"""Forgejo's probe: its own health check, which goes through its database and its cache."""

from __future__ import annotations

import time

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.forgejo.client import connect


def probe(target: Target, timeout: float) -> Observation:
    """GET /api/healthz, whose latency is reported, and the version of the API."""
    with connect(target, timeout) as client:
        started = time.perf_counter()
        health = client.get("/api/healthz")
        latency = (time.perf_counter() - started) * 1000
        if health.status not in (200, 503):
            raise UnreachableError(f"/api/healthz answered {health.status}")
        checks = health.json().get("checks") or {}
        answer = client.get("/api/v1/version")
        version = str(answer.json().get("version", "")) if answer.status == 200 else ""
    problems = tuple(
        redact(f"{name}: {one.get('output') or one.get('status')}")
        for name, ones in checks.items()
        for one in ones
        if one.get("status") != "pass"
    )
    if health.status != 200 and not problems:
        problems = ("it says that it is not healthy",)
    # "11.0.1+gitea-1.22.0": what follows the sign is whose API it keeps to.
    return Observation(
        latency_ms=latency,
        version=version.partition("+")[0],
        role="forge",
        problems=problems,
        facts={"checks": ", ".join(sorted(checks))} if checks else {},
    )
