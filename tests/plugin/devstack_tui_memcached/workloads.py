"""memcached's workload: GET of items that are there, by several clients."""

from __future__ import annotations

import random
from dataclasses import dataclass

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Workload
from devstack_tui.loadgen.closed_loop import run_clients
from devstack_tui.loadgen.driver_errors import WrongAnswer, driver_errors
from devstack_tui_memcached.client import Connection

PREFIX = "devstack-tui:bench:"
MOST_KEYS = 100_000
TIMEOUT_S = 5.0


class GetClient:
    """See `devstack_tui.loadgen.client_process.Client`."""

    def __init__(self, target: Target, number: int, keys: int) -> None:
        self._connection = Connection(target, TIMEOUT_S)
        self._random = random.Random(number)
        self._keys = keys

    def request(self) -> int:
        """One item."""
        key = f"{PREFIX}{self._random.randrange(self._keys)}"
        if key not in self._connection.get(key):
            raise WrongAnswer("an item is missing")
        return 1

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True)
class Get:
    """See `devstack_tui.contracts.workload.Workload`."""

    name: str = "memcached.get"
    unit: str = "ops/s"
    drivers: tuple[str, ...] = ()

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """Our own client."""
        return "devstack-tui-memcached", "1.0.0"

    def prepare(self, bench: Bench) -> None:
        """Store the items."""
        value = b"x" * int(bench.params["value_bytes"])
        with driver_errors("storing the items"), Connection(bench.target, TIMEOUT_S) as connection:
            for number in range(_keys(bench)):
                connection.set(f"{PREFIX}{number}", value)

    def settings(self, bench: Bench) -> dict[str, str]:
        """Those that decide how fast it is."""
        with (
            driver_errors("reading the settings"),
            Connection(bench.target, TIMEOUT_S) as connection,
        ):
            found = connection.settings()
        return {name: found.get(name, "") for name in ("maxbytes", "num_threads", "ssl_enabled")}

    def run(self, bench: Bench) -> Measurement:
        """Every client on a connection of its own."""
        keys = _keys(bench)
        return run_clients(
            bench,
            lambda number: GetClient(bench.target, number, keys),
            int(bench.params["clients"]),
            seconds=float(bench.params["seconds"]),
        )

    def cleanup(self, target: Target) -> None:
        """Remove the items, from the first to the last one that is there."""
        with driver_errors("removing the items"), Connection(target, TIMEOUT_S) as connection:
            for number in range(MOST_KEYS):
                key = f"{PREFIX}{number}"
                if key not in connection.get(key):
                    break
                connection.delete(key)


def _keys(bench: Bench) -> int:
    return min(int(bench.params["keys"]), MOST_KEYS)


WORKLOADS: tuple[Workload, ...] = (Get(),)
