"""What the tuning reports: the editor, the events of an apply, an A/B, a cost, a search."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import msgspec

from devstack_tui.contracts.tunable import Advice, Parameter, Problem, Share
from devstack_tui.contracts.workload import Tick
from devstack_tui.core.events import Now, Timed


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `tune show` and of the editor. Values are canonical texts.

    `pending`, `baseline` and the values of `profiles` are None where there is none; `tuned` is
    what the stack's own configuration sets, `set_by` who did (`profile optimized`, `set`, `ab`).
    `lives` is where the value that won is kept; `warning` what is to be known of it (changed by
    somebody else, nodes differ, waits for a restart, relaxed durability).
    """

    service: str
    name: str
    effective: str
    source: str
    pending: str | None
    default: str
    apply: str
    durability: str
    baseline: str | None = None
    profiles: dict[str, str] = {}
    tuned: str | None = None
    set_by: str = ""
    lives: str = ""
    understood: str = ""
    """How the pending text was understood (`524288 → 4 GB`), where it was written otherwise."""
    changed: bool = False
    relaxed: bool = False
    restart: bool = False
    warning: str = ""
    unit: str = ""
    help: str = ""
    cost: str = ""
    """What `tune cost` measured last with this value, in a sentence."""
    elsewhere: str = ""
    """What somebody else has made of it, in a sentence: an apply refuses it unless forced."""


class Budget(msgspec.Struct, frozen=True):
    """One memory budget for the whole stack, bytes. `sure` is taken whatever happens, `worst`
    with every connection busy."""

    limit: int
    limit_from: str
    sure: int
    worst: int
    shares: tuple[Share, ...] = ()


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """`tune show --json`. `catalogue` is what the editor validates against; `counters` by service;
    `machine_*` what the budget and the advice were made for."""

    stack: str
    parameters: tuple[Row, ...]
    catalogue: tuple[Parameter, ...] = ()
    budget: Budget | None = None
    problems: tuple[Problem, ...] = ()
    advice: tuple[Advice, ...] = ()
    profiles: tuple[str, ...] = ()
    down: dict[str, str] = {}
    """Services that could not be asked, and why."""
    counters: dict[str, dict[str, float]] = {}
    options: dict[str, dict[str, int | str | bool]] = {}
    memory_bytes: int = 0
    cores: float = 0.0
    history: tuple[HistoryRow, ...] = ()


class HistoryRow(msgspec.Struct, frozen=True):
    """One applied change: `values` are before and after by `service.parameter` (None: default)."""

    number: int
    at: Now
    by: str
    values: dict[str, tuple[str | None, str | None]]
    undone: bool = False
    sources: dict[str, str] = {}
    """Which source won for each parameter when it was read back."""


class Change(msgspec.Struct, frozen=True):
    """One parameter that an apply will change. None: the server's default."""

    service: str
    parameter: str
    before: str | None
    after: str | None
    apply: str
    durability: str = ""
    understood: str = ""
    """How what was written for `after` was understood (`524288 → 4 GB`), where it differs."""


class TunePlanned(Timed, frozen=True, tag="tune_planned"):
    """What will be changed, before anything is; `steps` are sentences in order."""

    stack: str
    by: str
    changes: tuple[Change, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    disturbs: tuple[str, ...] = ()
    """Who works on the stack now and would suffer from it, in sentences."""


class TuneStep(Timed, frozen=True, tag="tune_step"):
    """`phase` is journal, configure, live, reload, restart, read, restore."""

    service: str
    phase: str
    detail: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """One parameter read back: `ok` if it is in effect; if not, `reason` is what won."""

    service: str
    parameter: str
    wanted: str | None
    effective: str
    source: str
    ok: bool
    reason: str = ""


class TuneDone(Timed, frozen=True, tag="tune_done"):
    """The last event of an apply. `restored`: the last good configuration is back."""

    exit_code: int
    seconds: float
    outcomes: tuple[Outcome, ...] = ()
    restored: bool = False
    message: str = ""
    remedy: str = ""


class Note(Timed, frozen=True, tag="tune_note"):
    """A sentence for the user."""

    text: str


# --- A/B ----------------------------------------------------------------------------------------


class AbPlanned(Timed, frozen=True, tag="ab_planned"):
    """Before the first run: how long it will take, and what it will be able to see.

    `detectable` is the smallest gain (0.06: 6 %) that this many pairs call IMPROVED four times out
    of five, the margin included; None while no run has shown the spread yet. Where they do not
    decide there may be `most_pairs` of them.
    """

    workload: str
    size: str
    unit: str
    a: str
    b: str
    changes: tuple[Change, ...]
    pairs: int
    expected_s: float
    detectable: float | None
    margin: float
    command: str
    most_pairs: int = 0


class AbRun(Timed, frozen=True, tag="ab_run"):
    """A run of arm `a` or `b` begins a phase: applying, preparing, running. `title` is how a user
    calls the arm: a profile, or the candidate of a search."""

    pair: int
    arm: str
    phase: str
    pairs: int
    title: str = ""


class AbTick(Tick, frozen=True, kw_only=True, tag="ab_tick"):
    """One second of a run of an arm."""

    pair: int
    arm: str


class AbPair(msgspec.Struct, frozen=True, tag_field="event", tag="ab_pair"):
    """A pair is complete: its own ratio B ÷ A, and the estimate of all pairs so far."""

    pair: int
    a: float
    b: float
    ratio: float
    estimate: float
    low: float | None
    high: float | None
    ends_at: Now | None = None
    """When the last pair will be done, about."""


class Ablation(msgspec.Struct, frozen=True):
    """B with this one parameter as in A, against B: what the parameter carries of the gain."""

    parameter: str
    ratio: float
    low: float | None
    high: float | None
    pairs: int


class RunTiming(msgspec.Struct, frozen=True):
    """How long one run took on average, seconds: putting its arm into effect (`restart`: by a
    restart of the service), and the rest, its preparing and its cleaning up included."""

    restart: bool
    applying_s: float
    measuring_s: float


class AbReport(msgspec.Struct, frozen=True, kw_only=True):
    """`tune ab --json`: `verdict` is IMPROVED, REGRESSED, NO DIFFERENCE or INCONCLUSIVE.

    `ratio` is B ÷ A of the throughput, `interval` its ends at 95 % (None: not bounded by so few
    pairs). `needed_pairs` would decide an inconclusive one. `costs` are the sentences of what B
    can lose. `kept` is the configuration that the stack has now: `a`, `b` or `before`.
    """

    id: str
    at: Now
    workload: str
    size: str
    unit: str
    a: str
    b: str
    changes: tuple[Change, ...]
    verdict: str
    ratio: float
    interval: tuple[float | None, float | None]
    pairs: int
    margin: float
    samples: tuple[tuple[float, float], ...]
    """(A, B) of each pair."""
    order: str
    p99_ratio: float | None = None
    detectable: float | None = None
    needed_pairs: int | None = None
    sentence: str = ""
    kept: str = "before"
    stopped: str = ""
    """Why it ended before its last pair, if it did."""
    ablation: tuple[Ablation, ...] = ()
    costs: tuple[str, ...] = ()
    settings: dict[str, dict[str, str]] = {}
    """The effective settings that each arm's runs saw: `a` and `b`."""
    fingerprint: str = ""
    command: str = ""
    seconds: float = 0.0
    timing: RunTiming | None = None
    remarks: tuple[str, ...] = ()
    """What of the runs makes the verdict say less than it seems to."""


class AbDone(Timed, frozen=True, tag="ab_done"):
    """The end. Without a report it failed, and `message` is why."""

    report: AbReport | None
    exit_code: int
    message: str = ""
    remedy: str = ""


# --- cost ---------------------------------------------------------------------------------------


class CostPhase(Timed, frozen=True, tag="cost_phase"):
    """`phase` is applying, writing, killing, restarting, counting, returning."""

    service: str
    phase: str
    detail: str = ""


class CostReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a SIGKILL of the server cost: `lost` of `acknowledged` writes are missing after the
    restart, the last `lost_s` seconds before the kill. `indeterminate` were never answered. All of
    it took `seconds`."""

    service: str
    profile: str
    at: Now
    acknowledged: int
    lost: int
    lost_s: float
    indeterminate: int
    rate: float
    """Acknowledged writes a second before the kill."""
    recovery_s: float
    kills: int
    relaxed: tuple[str, ...] = ()
    sentence: str = ""
    seconds: float = 0.0


class CostDone(Timed, frozen=True, tag="cost_done"):
    """The end."""

    reports: tuple[CostReport, ...]
    exit_code: int
    message: str = ""
    remedy: str = ""


# --- search -------------------------------------------------------------------------------------


class AutoPlanned(Timed, frozen=True, tag="auto_planned"):
    """The search: how many candidates enter, how many rounds, what is left for confirming."""

    workload: str
    size: str
    candidates: int
    budget_s: float
    confirm_s: float
    durable: bool


class AutoRound(Timed, frozen=True, tag="auto_round"):
    """A round begins with so many candidates, each against the best so far."""

    round: int
    candidates: int
    detail: str = ""


class AutoCandidate(Timed, frozen=True, tag="auto_candidate"):
    """One candidate's standing: its ratio over so many runs to what its round compares with, the
    baseline in the first round and then the best so far. Round 0: it was never let in."""

    round: int
    values: dict[str, str]
    ratio: float | None
    pairs: int
    kept: bool
    reason: str = ""


class AutoReport(msgspec.Struct, frozen=True, kw_only=True):
    """`tune auto --json`: what was found, and the two confirming A/Bs."""

    workload: str
    profile: str
    path: str
    values: dict[str, str]
    tried: int
    against_baseline: AbReport | None
    against_optimized: AbReport | None
    seconds: float
    durable: bool
    command: str = ""


class AutoDone(Timed, frozen=True, tag="auto_done"):
    """The end."""

    report: AutoReport | None
    exit_code: int
    message: str = ""
    remedy: str = ""


TAKEN = "taken"


class ImportedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of the file. `status` is taken, refused, unknown or irrelevant; `value` the
    canonical text of what was taken; `understood` as `524288 → 4 GB`, where it is another text."""

    line: int
    name: str
    status: str
    service: str = ""
    value: str = ""
    understood: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """`LINE: NAME: REASON`; of what was taken `SERVICE.NAME = VALUE`."""
        if self.status != TAKEN:
            return f"{self.line}: {self.name}: {self.reason}"
        understood = f" (understood: {self.understood})" if self.understood else ""
        return f"{self.service}.{self.name} = {self.value}{understood}"


class ImportedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`tune import --json`. `exit_code` is 1 when a value was refused: the profile lacks it."""

    profile: str
    path: str
    file: str
    values: dict[str, dict[str, str]]
    lines: tuple[ImportedLine, ...]
    exit_code: int


TuneEvent = (
    TunePlanned
    | TuneStep
    | TuneDone
    | Note
    | AbPlanned
    | AbRun
    | AbTick
    | AbPair
    | AbDone
    | CostPhase
    | CostDone
    | AutoPlanned
    | AutoRound
    | AutoCandidate
    | AutoDone
)

Emit = Callable[[TuneEvent], None]
Events = AsyncGenerator[TuneEvent, None]
