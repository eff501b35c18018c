"""Vault's probe: log in by AppRole over verified TLS and read a secret."""

from __future__ import annotations

import time

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.core.errors import UnreachableError
from devstack_tui.identity.vault_api import VaultApi, approle_pair


def probe(target: Target, timeout: float) -> Observation:
    """Read `secret/vault` with a fresh login. The latency is of the read alone."""
    with VaultApi(target, timeout=timeout) as client:
        health = client.health()
        if not health["initialized"]:
            raise UnreachableError("Vault is not initialised", "`devstack-tui up` initialises it")
        if health["sealed"]:
            raise UnreachableError("Vault is sealed", "`devstack-tui up vault` unseals it")
        client.login(*approle_pair(target.secrets, "vault"))
        started = time.perf_counter()
        data = client.call("get", "secret/data/vault")["data"]
        latency = (time.perf_counter() - started) * 1000
    problems = () if data["data"].get("probe") else ("the probe's secret is empty",)
    return Observation(
        latency_ms=latency,
        version=str(health["version"]),
        role="standby" if health["standby"] else "active",
        tls="TLS only",
        problems=problems,
        facts={"seal": "unsealed", "cluster": str(health.get("cluster_name", ""))},
    )
