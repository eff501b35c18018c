"""The reference API's workloads: one GET after another over plain HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen import http_client
from devstack_tui.loadgen.closed_loop import run_for_seconds
from devstack_tui.loadgen.driver_errors import driver_errors


@dataclass(frozen=True)
class Get:
    """See `devstack_tui.contracts.workload.Workload`. Whatever is not 200 is an error of the
    run."""

    name: str
    path: str
    unit: str = "requests/s"
    drivers: tuple[str, ...] = ("fastapi", "uvicorn")

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """Our own client: one connection for each."""
        return http_client.ENGINE

    def prepare(self, bench: Bench) -> None:
        """Nothing is made."""

    def settings(self, bench: Bench) -> dict[str, str]:
        """The version that the API reports, and how it is run."""
        import importlib.util

        import httpx

        target = bench.target
        url = f"http://{target.endpoint.host}:{target.ports['main']}/health/"
        with driver_errors("asking the reference API for its settings"):
            answer = httpx.get(url, timeout=http_client.TIMEOUT_S, trust_env=False)
            answer.raise_for_status()
            version = str(answer.json().get("version", ""))
        # It runs by the Python that runs us, with uvloop and httptools where they are installed.
        there = {name: importlib.util.find_spec(name) for name in ("uvloop", "httptools")}
        return {
            "version": version,
            "workers": "1",
            "loop": "uvloop" if there["uvloop"] else "asyncio",
            "http": "httptools" if there["httptools"] else "h11",
        }

    def run(self, bench: Bench) -> Measurement:
        """Every client has a connection of its own."""
        host, port = bench.target.endpoint.host, bench.target.ports["main"]
        return run_for_seconds(bench, lambda _: http_client.HttpClient(host, port, self.path))

    def cleanup(self, target: Target) -> None:
        """Nothing was made."""


WORKLOADS: tuple[Workload, ...] = (
    Get("api.health", "/health/"),
    Get("api.database_query", "/examples/database/postgres/query"),
)
