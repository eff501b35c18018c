"""The part of a service that puts load on it: what a workload is, and what it measures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import msgspec

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.core.histogram import Histogram

Params = Mapping[str, int | float | str | bool]
"""The numbers of one size of a workload, from workloads.toml: `clients`, `seconds`, `scale` …"""
NO_ERRORS: Mapping[str, int] = MappingProxyType({})


class Tick(msgspec.Struct, frozen=True, tag_field="event", tag="tick"):
    """One second of a run, to be shown, stored or compared.

    `second` counts from 1, `throughput` is in the workload's unit, `at` is Unix time. The
    percentiles are milliseconds, of the operations that ended in this second; None where the engine
    reports no latencies. `errors` are counted by class.
    """

    workload: str = ""
    run: int = 0
    second: int = 0
    throughput: float = 0.0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    errors: dict[str, int] = {}
    at: float = msgspec.field(default_factory=time.time)

    @classmethod
    def of(
        cls, second: int, operations: int, latency: Histogram, errors: Mapping[str, int] = NO_ERRORS
    ) -> Tick:
        """The second as a workload counted it; the runner adds the workload's name and the run."""
        shares = (0.5, 0.95, 0.99)
        p50, p95, p99 = (latency.quantile(s) if latency.count else None for s in shares)
        return cls("", 0, second, float(operations), p50, p95, p99, dict(errors))


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run measured. `operations` are in the workload's unit (rows, documents, requests);
    `requests` is how many latencies there are (one for a statement of 1,000 rows); `seconds` is the
    measured time alone, without preparing; `clients` how many were busy at once."""

    operations: int
    requests: int
    seconds: float
    latency: Histogram
    clients: int
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What a workload gets for one run. `tick` is called about once a second; a run ends early and
    quietly when `stop` is set (the user stopped it, or its parent process is gone). `client` finds
    client programs of the service."""

    target: Target
    params: Params
    tick: Callable[[Tick], None]
    stop: threading.Event
    client: FindClient


class Workload(Protocol):
    """One workload of one service. Runs in a child process of its own; every method may block.

    All that it makes carries its own name (database `devstack_tui_bench`, key prefix
    `devstack-tui:bench:`, queue prefix `devstack-tui.bench.`): never a user's data.
    """

    @property
    def name(self) -> str:
        """`postgres.tpcb`: service, dot, what it does."""

    @property
    def unit(self) -> str:
        """Of its throughput: `TPS`, `rows/s`, `docs/s`, `ops/s`, `requests/s`."""

    @property
    def drivers(self) -> tuple[str, ...]:
        """Python distributions or programs whose version belongs to the result."""

    def engine(self, client: FindClient) -> tuple[str, str]:
        """What makes the load, and its version: `("pgbench", "15.18")`.

        Raises `NotInstalledError` with the remedy."""

    def prepare(self, bench: Bench) -> None:
        """Make the data that the run needs; what an interrupted run left is replaced."""

    def settings(self, bench: Bench) -> dict[str, str]:
        """The effective server settings that matter, read in the workload's own kind of session."""

    def run(self, bench: Bench) -> Measurement:
        """Put the load on for as long, or as much, as `bench.params` asks for."""

    def cleanup(self, target: Target) -> None:
        """Remove all that `prepare` and `run` made. Also called for runs that were killed."""
