"""The documents of the history, as far as a report reads them: the keys of the CLI's contract."""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.workload import Tick
from devstack_tui.report.model import UNKNOWN
from devstack_tui.stack.basis import Basis


class CheckDoc(msgspec.Struct, frozen=True):
    """A check, step or gate with its result."""

    id: str
    title: str = ""
    status: str | None = None
    evidence: str = ""
    remedy: str = ""
    severity: str = ""
    core: str = ""
    suite: str = ""
    proven: bool | None = None
    at: float = 0.0
    service: str = ""
    declared: bool = False


class GateDoc(msgspec.Struct, frozen=True):
    """An audit, a regression gate, and what a later capability keeps."""

    verdict: str = UNKNOWN
    checks: tuple[CheckDoc, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""
    basis: Basis | None = None


class DrillDoc(msgspec.Struct, frozen=True):
    """A drill: the windows in seconds, the worst of all repeats; None: not measured."""

    verdict: str
    write_window_s: float | None
    read_window_s: float | None
    lost: int | None
    fault: str = ""
    victim: str = ""
    resurrected: int | None = 0
    indeterminate: int | None = 0
    steps: tuple[CheckDoc, ...] = ()
    core: bool = False
    basis: Basis | None = None


class LatencyDoc(msgspec.Struct, frozen=True):
    """Percentiles, milliseconds."""

    p50: float
    p95: float
    p99: float


class BenchDoc(msgspec.Struct, frozen=True):
    """One run of a benchmark."""

    throughput: float
    unit: str
    latency_ms: LatencyDoc
    errors: dict[str, int] = {}
    client_bound: bool = False
    ticks: tuple[Tick, ...] = ()
    problem: str = ""
    run: int = 1
    basis: Basis | None = None


class AbDoc(msgspec.Struct, frozen=True):
    """An A/B comparison."""

    verdict: str
    ratio: float
    interval: tuple[float | None, float | None]
    a: str
    b: str
    pairs: int = 0
    margin: float = 0.0
    samples: tuple[tuple[float, float], ...] = ()
    sentence: str = ""
    stopped: str = ""
    costs: tuple[str, ...] = ()
    command: str = ""


class CostDoc(msgspec.Struct, frozen=True):
    """What kills of a server lost."""

    acknowledged: int
    lost: int
    lost_s: float = 0.0
    recovery_s: float = 0.0
    kills: int = 1
    sentence: str = ""


class ConfirmedDoc(msgspec.Struct, frozen=True):
    """The result of the A/B that confirms a search."""

    verdict: str
    ratio: float


class AutoDoc(msgspec.Struct, frozen=True):
    """A search."""

    profile: str
    tried: int = 0
    against_baseline: ConfirmedDoc | None = None
    against_optimized: ConfirmedDoc | None = None
    command: str = ""
