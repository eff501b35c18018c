"""Vault's workload: read a KV v2 secret over verified TLS, with one login for all of it."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.core.tls import client_context
from devstack_tui.identity.vault_api import VaultApi, login_as
from devstack_tui.loadgen import http_client
from devstack_tui.loadgen.closed_loop import run_for_seconds
from devstack_tui.loadgen.driver_errors import driver_errors

ROLE = "vault"
PATH = "/v1/secret/data/vault"


@dataclass(frozen=True)
class ReadSecret:
    """See `devstack_tui.contracts.workload.Workload`. It reads the secret that the probe reads."""

    name: str = "vault.read_secret"
    unit: str = "requests/s"
    drivers: tuple[str, ...] = ()

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """Our own client: one connection for each."""
        return http_client.ENGINE

    def prepare(self, bench: Bench) -> None:
        """Nothing is made: the secret is the stack's own."""

    def settings(self, bench: Bench) -> dict[str, str]:
        """Its version, and how it stores and is sealed."""
        with driver_errors("asking Vault for its settings"), VaultApi(bench.target) as vault:
            health = vault.health()
            seal = vault.call("get", "sys/seal-status")
        return {
            "version": str(health.get("version", "")),
            "storage": str(seal.get("storage_type", "")),
            "seal": str(seal.get("type", "")),
            "standby": str(bool(health.get("standby"))).lower(),
        }

    def run(self, bench: Bench) -> Measurement:
        """One login by the AppRole, then reads by every client.

        The token is in memory alone. Being a batch token, it ends by itself: nothing is left.
        """
        target = bench.target
        with driver_errors("logging in to Vault"), login_as(target, ROLE) as vault:
            headers = {"X-Vault-Token": vault.token}
            context = client_context(target.ca, target.name)
        host, port = target.endpoint.host, target.endpoint.port
        return run_for_seconds(
            bench, lambda _: http_client.HttpClient(host, port, PATH, headers, context)
        )

    def cleanup(self, target: Target) -> None:
        """Nothing was made."""


WORKLOADS: tuple[Workload, ...] = (ReadSecret(),)
