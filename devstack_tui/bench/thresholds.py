"""thresholds.toml, typed: what the regression gate asks for."""

from __future__ import annotations

from typing import Annotated

import msgspec

from devstack_tui.core.config import convert, read_toml
from devstack_tui.core.errors import unknown_name
from devstack_tui.core.paths import resource

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class CanaryLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much the machine itself may have changed."""

    cpu: Share
    fsync: Share


class GateCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of the gate: which workload it is about."""

    id: str
    title: str
    workload: str


class ThroughputCheck(GateCheck, frozen=True, forbid_unknown_fields=True):
    """A throughput against the baseline's. `counter` is what the server itself counts of it, by
    its name in `tune advise`: what a slowdown on purpose is measured by."""

    counter: str = ""


class LatencyCheck(GateCheck, frozen=True, forbid_unknown_fields=True):
    """A 95th percentile against a limit in milliseconds."""

    p95_ms: Annotated[float, msgspec.Meta(gt=0)]


class Regress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[regress]`."""

    tolerance: Share
    confidence: Share
    runs: Annotated[int, msgspec.Meta(ge=1, le=100)]
    canary: CanaryLimits
    throughput: tuple[ThroughputCheck, ...]
    latency: tuple[LatencyCheck, ...]
    self_test: str = ""
    """The workload of one of the throughput checks; empty: that of the first."""

    @property
    def checks(self) -> tuple[GateCheck, ...]:
        """All of them, in the order of the core checks."""
        return (*self.throughput, *self.latency)

    @property
    def self_tested(self) -> ThroughputCheck:
        """The check that `regress --self-test` tests the gate with."""
        named = (check for check in self.throughput if check.workload == self.self_test)
        return next(named, self.throughput[0])

    def throughput_of(self, workload: str) -> ThroughputCheck:
        """The check that measures this workload. Raises `UsageError`."""
        for check in self.throughput:
            if check.workload == workload:
                return check
        raise unknown_name("workload", workload, [check.workload for check in self.throughput])

    @property
    def workloads(self) -> tuple[str, ...]:
        """Every workload that the gate needs, each once."""
        return tuple(dict.fromkeys(check.workload for check in self.checks))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    regress: Regress


def load() -> Regress:
    """The gate's thresholds. Raises `ConfigError` with file, line and key."""
    path = resource("configs/thresholds.toml")
    return convert(read_toml(path), _File, path).regress
