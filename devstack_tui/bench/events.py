"""The events of a benchmark while it runs. One JSON object each; `event` names its kind."""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.workload import Tick
from devstack_tui.core.check import Result, Status
from devstack_tui.core.events import Timed
from devstack_tui.core.fingerprint import Fingerprint
from devstack_tui.core.histogram import Buckets


class BenchPlanned(Timed, frozen=True, tag="bench_planned"):
    """Which workloads will run, how often each, and about how long all of it takes (seconds)."""

    workloads: tuple[str, ...]
    size: str
    runs: int
    expected_s: float


class RunStarted(Timed, frozen=True, tag="run_started"):
    """Run `run` of `of` (from 1) of a workload begins: `phase` is `preparing`, `running`,
    or what is waited for, in words."""

    workload: str
    title: str
    unit: str
    phase: str
    run: int
    of: int


class LatencyMs(msgspec.Struct, frozen=True):
    """Percentiles of a merged histogram, milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class RunResult(msgspec.Struct, frozen=True):
    """One run, as it is kept in the history.

    `client_cpu` and `server_cpu` are cores used on average; `client_bound` means that the client
    was the limit; `littles_law` is clients ÷ mean latency ÷ throughput of requests, 1 when the
    measurement is consistent. `dispersion`, `drift`, `drift_interval` and `steady` are those of
    `bench/steadiness.py`. `setup_s` is how long preparing took, `elapsed_s` measuring with all that
    belongs to it (connecting, the warm-up, emptying a table). `problem` is why the run is no
    measurement, or is empty.
    `depends` is what `fingerprint` is the digest of.
    """

    id: str
    workload: str
    size: str
    run: int
    started: float
    seconds: float
    operations: int
    requests: int
    throughput: float
    unit: str
    clients: int
    latency_ms: LatencyMs
    histogram: Buckets
    errors: dict[str, int]
    client_cpu: float
    server_cpu: float
    client_bound: bool
    littles_law: float | None
    engine: str
    engine_version: str
    settings: dict[str, str]
    fingerprint: str
    ticks: tuple[Tick, ...] = ()
    problem: str = ""
    depends: Fingerprint | None = None
    dispersion: float | None = None
    drift: float | None = None
    drift_interval: tuple[float, float] | None = None
    steady: bool | None = None
    setup_s: float = 0.0
    elapsed_s: float = 0.0


class RunEnded(Timed, frozen=True, tag="run_ended"):
    """A run is over, measured or not."""

    result: RunResult
    of: int


class WorkloadSummary(msgspec.Struct, frozen=True):
    """All runs of one workload: the run is the sample. `spread` is (max - min) ÷ median of two
    runs or more; `dispersion` that of the seconds of the median run. `steady` is what more than
    half of the runs say; `seconds` what the shortest of them was measured for."""

    workload: str
    size: str
    unit: str
    engine: str
    throughput: float
    samples: tuple[float, ...]
    spread: float | None
    latency_ms: LatencyMs
    errors: dict[str, int]
    client_bound: bool
    fingerprint: str
    problem: str = ""
    dispersion: float | None = None
    steady: bool | None = None
    seconds: float = 0.0


class BenchDone(Timed, frozen=True, tag="bench_done"):
    """The last event."""

    summaries: tuple[WorkloadSummary, ...]
    exit_code: int
    seconds: float
    message: str = ""
    remedy: str = ""


class RegressDone(Timed, frozen=True, tag="regress_done"):
    """The last event of a gate, or of its self-test; `size` is that of its runs. `message` and
    `remedy` say why nothing was measured, if so."""

    verdict: Status
    checks: tuple[Result, ...]
    exit_code: int
    seconds: float
    size: str = ""
    message: str = ""
    remedy: str = ""


BenchEvent = BenchPlanned | RunStarted | Tick | RunEnded | BenchDone
