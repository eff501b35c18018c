"""The report as data: `report --json`. Texts are free of secrets; times are Unix times, seconds."""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.model import RelaxedSetting
from devstack_tui.core.check import Headline

MEASURED = "MEASURED"
"""The verdict of what measures and judges nothing."""
UNKNOWN = "UNKNOWN"
NOT_RUN = "NOT RUN"
NOT_BUILT = "NOT BUILT"
STALE = "STALE"
"""There is a result, of servers that are not those of now."""
QUICK = "QUICK"
"""There is a result, of runs that are too short to decide."""
NOT_APPLICABLE = "N/A"
"""What the check is about is not installed, or not allowed on this stack."""
INCOMPLETE = "INCOMPLETE"
"""A report's verdict: nothing failed, and something has no result that decides."""


class Item(msgspec.Struct, frozen=True):
    """One check, step or gate with its last result; `at` when that was."""

    id: str
    title: str
    status: str
    evidence: str = ""
    remedy: str = ""
    severity: str = ""
    core: str = ""
    proven: bool | None = None
    at: float = 0.0
    service: str = ""
    declared: bool = False
    stale: str = ""
    """Why it is not of now: `redis was restarted 2026-11-27 14:02`."""


class SuiteRun(msgspec.Struct, frozen=True):
    """One run of a suite; `figures` in one line."""

    id: str
    at: float
    verdict: str
    figures: str
    fingerprint: str = ""


class Series(msgspec.Struct, frozen=True):
    """A benchmark's run second by second: throughput in `unit`, percentiles in milliseconds."""

    unit: str
    throughput: tuple[float, ...]
    p50: tuple[float | None, ...] = ()
    p95: tuple[float | None, ...] = ()
    p99: tuple[float | None, ...] = ()


class Interval(msgspec.Struct, frozen=True):
    """B ÷ A of the throughput with its bounds (None: too few pairs); `margin` counts as none."""

    ratio: float
    low: float | None
    high: float | None
    margin: float
    pairs: tuple[float, ...] = ()


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The last result of one suite. `kind` is the capability, `name` what ran, `id` the run's in
    the history; `counts` how many of its checks have which status; `history` newest first.
    `stale`: why it is not of now; `beside`: why it decides no core check; `runs` how many it is the
    median of."""

    key: str
    kind: str
    name: str
    verdict: str
    at: float
    age_s: float
    id: str
    fingerprint: str
    command: str
    figures: str
    counts: dict[str, int] = {}
    results: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()
    history: tuple[SuiteRun, ...] = ()
    series: Series | None = None
    interval: Interval | None = None
    stale: str = ""
    beside: str = ""
    runs: int = 1


class CoverageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of the core checks. `status` is that of the last result that counts, or why there is none
    (NOT RUN, NOT BUILT, STALE, QUICK, N/A), and `reason` says what decided it; `was` is the last
    status of one that is stale or quick. `missing`: nothing decides it now. `proven`: a sabotage
    was seen to turn it red, None where none is declared; `kind_proven`: another of its kind;
    `seen_red` when the history saw it FAIL or WARN last; `explained` why no sabotage of its own
    can turn it red."""

    core: str
    id: str
    title: str
    suite: str
    status: str
    reason: str = ""
    proven: bool | None = None
    at: float | None = None
    seen_red: float | None = None
    command: str = ""
    kind_proven: bool = False
    explained: str = ""
    was: str = ""
    stale: str = ""
    missing: bool = False
    declared: bool = False


class Missing(msgspec.Struct, frozen=True):
    """Checks that nothing decides, why, and the command that brings a result: `Failover 1–16`."""

    what: str
    checks: tuple[str, ...]
    why: str
    command: str = ""


class Published(msgspec.Struct, frozen=True):
    """A throughput that DevStack Core published, on a machine that it did not, and the median of
    this host's own baseline (None: none that can be compared). It decides nothing."""

    workload: str
    unit: str
    published: float
    baseline: float | None = None


class Warnings(msgspec.Struct, frozen=True):
    """How many WARNs there are, and how many of them the declared configuration brings about."""

    total: int = 0
    declared: int = 0


class Counts(msgspec.Struct, frozen=True):
    """Checks of one suite: how many there are, are proven, and have which last status; of how many
    kinds they are instances, and how many of those are proven."""

    suite: str
    total: int
    proven: int
    by_status: dict[str, int]
    kinds: int = 0
    kinds_proven: int = 0


class Coverage(msgspec.Struct, frozen=True):
    """The core checks one by one; of them and of those beyond them, the counts by suite."""

    core: tuple[CoverageRow, ...]
    core_counts: tuple[Counts, ...]
    beyond: tuple[Counts, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`report --json`. `verdict`: FAIL when a result that counts is FAIL or ERROR, INCOMPLETE while
    there is something `missing`, else PASS; `inapplicable` why core checks do not apply, by reason;
    `not_audited` what they say nothing about, by service; `development_only` the settings that
    were in force when it was made."""

    stack: str
    at: float
    version: str
    verdict: str
    suites: tuple[Suite, ...]
    coverage: Coverage
    notes: tuple[str, ...] = ()
    headline: Headline | None = None
    not_audited: dict[str, tuple[str, ...]] = {}
    development_only: tuple[RelaxedSetting, ...] = ()
    missing: tuple[Missing, ...] = ()
    inapplicable: dict[str, tuple[str, ...]] = {}
    warnings: Warnings = Warnings()
    published: tuple[Published, ...] = ()
