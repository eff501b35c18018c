"""What an A/B needs of the runner of a workload. CLI and console connect the two."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from devstack_tui.contracts.workload import Tick


class Sample(msgspec.Struct, frozen=True):
    """One run: the sample of every statistic. `problem` is why it is none; `seconds` how long it
    was measured; `client_bound`: the client was the limit, not the server; `steady` whether it
    reached a steady state (None: undecided)."""

    throughput: float
    p99: float | None
    unit: str
    problem: str = ""
    settings: dict[str, str] = {}
    seconds: float | None = None
    client_bound: bool = False
    steady: bool | None = None


class MeasureRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What every order to measure has: the workload, and whether changes of somebody else are no
    obstacle (`force`)."""

    workload: str
    size: str = "full"
    force: bool = False


class Measurer(Protocol):
    """Runs one workload once, on fresh data, in a process of its own; keeps nothing in the
    history of the benchmarks."""

    def service(self, workload: str) -> str:
        """The service that it loads. Raises `UsageError` for an unknown workload."""

    def unit(self, workload: str) -> str:
        """Of its throughput."""

    def seconds(self, workload: str, size: str) -> float:
        """About how long one run takes, preparing included."""

    def fingerprint(self, workload: str, size: str) -> str:
        """What its results depend on."""

    def run(self, workload: str, size: str) -> AsyncGenerator[str | Tick | Sample, None]:
        """Each phase by its name, the seconds, then the one sample."""
