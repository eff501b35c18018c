"""The part of a service that a drill needs: what it breaks, watches and asserts, and its events.

A drill runs once for each repeat. It yields `DrillEvent`s; the engine (`drill/`) holds the lock,
proves that the stack is ours, journals, heals, judges the repeats together and keeps the history.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

import msgspec

from devstack_tui.contracts.client import Client
from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.check import Result
from devstack_tui.core.events import Now, Timed


class DrillPhase(Timed, frozen=True, tag="drill_phase"):
    """Where a repeat is: preconditions, warming, fault, waiting, healing, settling,
    verifying, cleaning."""

    repeat: int
    phase: str
    detail: str = ""


class NodeView(msgspec.Struct, frozen=True):
    """One node of the cluster map. `state` is up, suspected, failed, down, frozen, cut off or
    loading; `role` master or replica; `slots` as `0-5460`; `link` of a replica to its master."""

    name: str
    role: str
    state: str
    slots: str = ""
    master: str = ""
    link: str = ""
    epoch: int = 0
    endpoint: str = ""


class ClusterMap(msgspec.Struct, frozen=True, tag_field="event", tag="cluster_map"):
    """What the observers see of the cluster, when that changes."""

    repeat: int
    ms: float
    nodes: tuple[NodeView, ...]


class Cells(msgspec.Struct, frozen=True, tag_field="event", tag="cells"):
    """A stretch of every lane: one character for `cell_ms`, from `from_ms` after the fault (before
    it: negative). `o` answered, `x` an error, `.` silent. Lanes are `shard 1 write` …

    The counters are of the whole repeat so far.
    """

    repeat: int
    from_ms: float
    cell_ms: int
    lanes: dict[str, str]
    acknowledged: int
    failed: int
    indeterminate: int


class Marker(msgspec.Struct, frozen=True, tag_field="event", tag="marker"):
    """Something happened, `ms` after the fault: fault, suspected, failed, promoted, agreed,
    covered, healed, rejoined, resynced, back (the first success after the window)."""

    repeat: int
    ms: float
    kind: str
    node: str = ""
    text: str = ""


class Step(msgspec.Struct, frozen=True, tag_field="event", tag="step"):
    """One step is decided."""

    repeat: int
    result: Result


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard's, or one single service's, share of the outcome. Windows in seconds: from the
    last success before to the first one after; 0.0 when it never paused, None when nothing of the
    kind was done. What was lost and so on is None when it could not be read back."""

    name: str
    write_window_s: float
    read_window_s: float | None
    acknowledged: int = 0
    lost: int | None = 0
    lost_s: float = 0.0
    resurrected: int | None = 0
    out_of_order: int | None = 0
    duplicated: int | None = 0
    indeterminate: int = 0
    errors: dict[str, int] = {}


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """One repeat. `timings` in seconds after the fault: detect, promote, agree, cover, first_write,
    rejoin, resync, recover. `expected` is the theory's window (low, high) in seconds and
    `theory` its formula. `void` is why the measurement counts for nothing (our own process
    starved)."""

    drill: str
    fault: str
    victim: str
    repeat: int
    started: Now
    seconds: float
    verdict: str
    steps: tuple[Result, ...]
    shards: tuple[Shard, ...]
    timings: dict[str, float] = {}
    expected: tuple[float, float] | None = None
    theory: str = ""
    split_brain: int | None = 0
    shard: str = ""
    """The one of the node that was hit; empty when that owned no slot."""
    begun: bool = True
    """False: the preconditions did not hold, so nothing was broken."""
    markers: tuple[Marker, ...] = ()
    lanes: dict[str, str] = {}
    """The whole course, `cell_ms` each, from `lanes_from_ms` on."""
    lanes_from_ms: float = 0.0
    cell_ms: int = 50
    instrument_cpu: float = 0.0
    """Of one core, while it measured."""
    late_ms: float = 0.0
    """The worst delay of the instrument's own clock."""
    void: str = ""
    starved: str = ""
    """Why a window that is too long proves nothing, if so: the machine was out of CPU."""
    notes: tuple[str, ...] = ()

    @property
    def write_window_s(self) -> float | None:
        """The longest of all shards; None when it was not measured."""
        return worst(shard.write_window_s for shard in self.shards)

    @property
    def own_window_s(self) -> float | None:
        """The write window of the shard that was hit."""
        return worst(one.write_window_s for one in self.shards if one.name == self.shard)

    @property
    def read_window_s(self) -> float | None:
        """The longest of all shards; None when it was not measured."""
        return worst(shard.read_window_s for shard in self.shards)

    @property
    def lost(self) -> int | None:
        """Of all shards; None when it could not be read back."""
        return total(shard.lost for shard in self.shards)


def worst(values: Iterable[float | None]) -> float | None:
    """The highest of what was measured; None when nothing was."""
    return max((value for value in values if value is not None), default=None)


def total(values: Iterable[int | None]) -> int | None:
    """The sum; None when nothing was counted, or a part of it could not be."""
    counted = list(values)
    known = [value for value in counted if value is not None]
    return sum(known) if known and len(known) == len(counted) else None


class RepeatEnded(msgspec.Struct, frozen=True, tag_field="event", tag="repeat_ended"):
    """A repeat is over, healed and judged."""

    result: DrillResult


class PlannedStep(msgspec.Struct, frozen=True):
    """One step of the plan: the check's id, what it asserts, and where its limit comes from."""

    id: str
    title: str
    detail: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill will do, before it does anything. `actions` are sentences in order; `touches`
    what it stops or changes and how that comes back; `refusal` why it cannot run now. With
    `only_reports` a run breaks nothing, but reports the refusal: its first steps FAIL."""

    drill: str
    fault: str
    victim: str
    actions: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    touches: tuple[str, ...]
    expected_s: float
    thresholds: dict[str, float] = {}
    refusal: str = ""
    remedy: str = ""
    only_reports: bool = False
    notes: tuple[str, ...] = ()
    """What drills.toml says and is not read."""


PUBLISHED_WINDOW_S = 5.0
"""DevStack Core's promise for a failover: no window may be longer. It is published: no setting."""

Timeouts = Annotated[float, msgspec.Meta(ge=0, le=100)]
"""So many node timeouts."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Writes = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class FaultLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one kind of fault may cost, by drills.toml: seconds of writing to the shard that is hit.

    Lost, which counts what came back as well: so many node timeouts as they are in force, `lost_s`
    more, and with `lost_lag` the replication lag that is measured before the fault; times
    `rate_hz`, the writes (and the reads) a second to each shard with this fault."""

    lost_node_timeouts: Timeouts = 0.0
    lost_s: Seconds = 0.0
    lost_lag: bool = False
    lost_why: str = ""
    split_brain_node_timeouts: Timeouts = 0.0
    split_brain_why: str = ""
    rate_hz: Annotated[float, msgspec.Meta(ge=50, le=1000)] = 50.0


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of drills.toml: windows in seconds. `planned_median_s` is judged over `planned_repeats`
    switch-overs or more."""

    planned_window_s: Seconds = 0.1
    planned_median_s: Seconds = 0.05
    planned_repeats: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    other_pause_s: Seconds = 0.25
    restart_s: Seconds = 15.0
    lost: Writes = 0
    faults: dict[str, FaultLimits] = {}

    @property
    def losses(self) -> str:
        """How many acknowledged writes may be lost, as a sentence."""
        if not self.lost:
            return "none of the acknowledged writes is lost"
        return f"at most {self.lost} of the acknowledged writes are lost"

    def of(self, fault: str) -> FaultLimits:
        """What this fault may cost: nothing, where drills.toml says nothing."""
        return self.faults.get(fault, FaultLimits())


class FaultInjector(Protocol):
    """What the engine lets a drill do. Every change is journaled with its undo before it is made,
    and undone by `heal`, by the next change, or by the watchdog when we are killed."""

    def installation(self) -> Installation:
        """What the service runs from. Raises `DevstackError` where that is not found."""

    def client(self, *names: str) -> Client:
        """The first of these client programs of the service that is found. Raises
        `NotInstalledError`."""

    def units(self, service: str) -> tuple[str, ...]:
        """The units that the service consists of now, in the order of their start."""

    def kill(self, unit: str) -> float:
        """SIGKILL to every process of the unit at once. All return when (monotonic seconds)."""

    def terminate(self, unit: str) -> float:
        """Ask the unit to end as `down` does, by its stop signal; does not wait for its end."""

    def freeze(self, unit: str) -> float:
        """SIGSTOP to every process of the unit."""

    def thaw(self, unit: str) -> float:
        """SIGCONT to them."""

    def partition(self, unit: str) -> float:
        """Cut the unit's node off from the other nodes; clients still reach it. Raises
        `DevstackError` with the reason where that is not possible."""

    def reconnect(self, unit: str) -> float:
        """Remove the partition."""

    async def start(self, service: str) -> None:
        """Start what is missing of the service, and wait until it is whole."""

    def cycle(self, service: str) -> AsyncGenerator[str, None]:
        """Restart the service node by node; yields each unit before it is ended."""

    def alive(self, unit: str) -> bool:
        """Whether its main process runs."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What one repeat gets. `run` is unique, of [a-z0-9]: all keys begin with
    `devstack-tui:drill:<run>:`. `folder` is the run's own directory (0700)."""

    stack: str
    service: str
    target: Target
    files: ServiceFiles
    run: str
    folder: Path
    fault: str
    victim: str
    repeat: int
    rate_hz: float
    observe_hz: float
    thresholds: Thresholds
    injector: FaultInjector
    options: Mapping[str, int | float | str | bool] = {}


DrillEvent = DrillPhase | ClusterMap | Cells | Marker | Step | RepeatEnded


class Drill(Protocol):
    """`services/<name>/drills.py` holds `DRILLS`."""

    name: str
    """`redis.failover`: service, dot, what it does."""
    title: str
    faults: tuple[str, ...]
    """The first is the default."""

    def victims(self, target: Target) -> tuple[str, ...]:
        """What may be chosen, the default first; `all` stands for one after the other."""

    def plan(
        self, target: Target, files: ServiceFiles, fault: str, victim: str, thresholds: Thresholds
    ) -> Plan:
        """What would be done; asks the running service, changes nothing. A refusal is in it.
        `files` are the service's own."""

    def run(self, context: Context) -> AsyncGenerator[DrillEvent, None]:
        """One repeat. Closing it early ends the instrument; the engine heals. When the
        preconditions do not hold, nothing is broken: its result says so, or it raises
        `DevstackError`."""


class NodeTraffic(msgspec.Struct, frozen=True):
    """What distinguishes one node's traffic from the others' on loopback, for a partition.

    It calls the others from `source` and listens on `own`; they call from anywhere in `network` and
    listen on `peers`. Clients call from elsewhere and are not touched.
    """

    source: str
    network: str
    own: tuple[int, ...]
    peers: tuple[int, ...]


@runtime_checkable
class PartitionDrill(Protocol):
    """A drill that can cut a node off the others."""

    def cut(self, target: Target, unit: str) -> NodeTraffic:
        """What to cut. Raises `DevstackError` with the reason where that is not possible."""


@runtime_checkable
class SequenceDrill(Protocol):
    """A drill whose `victim` may stand for several, one fault after the other. Each is a repeat
    of its own; `Context.options` then holds `turn` (from 1) and `turns`."""

    def sequence(self, target: Target, victim: str) -> tuple[str, ...]:
        """The single victims. Raises `UsageError` for an unknown one."""


@runtime_checkable
class ConcludingDrill(Protocol):
    """A drill of which all repeats together say more than the worst of each step."""

    def conclude(
        self, steps: Sequence[Result], results: Sequence[DrillResult], thresholds: Thresholds
    ) -> tuple[Result, ...]:
        """The merged steps, with what only several repeats can decide."""

    def core(self, victim: str, results: Sequence[DrillResult]) -> bool:
        """Whether this run decides the core checks; `victim` as it was asked for."""


@runtime_checkable
class Cleanable(Protocol):
    """A drill whose run others can remove: where it was broken off in the middle of its fault, or
    was killed."""

    def cleanup(self, target: Target, run: str) -> None:
        """Remove all of the run, once the service is healed. Idempotent; raises what a driver
        raises."""


class QuietPeriod(msgspec.Struct, frozen=True):
    """A stretch without a fault: nodes suspected, agreed to have failed, and replaced by a
    failover although nothing was wrong with them. Counts of distinct times."""

    seconds: float
    suspected: int
    failed: int
    failovers: int


@runtime_checkable
class Sweepable(Protocol):
    """A drill whose outcome depends on a setting that the running service takes at once."""

    setting: str
    """Its name for the user, with its unit: `node timeout (ms)`."""

    def read_setting(self, target: Target) -> int:
        """What all nodes have now. Raises `DevstackError` when they differ or one is silent."""

    def write_setting(self, target: Target, value: int) -> None:
        """Make every node that answers take it; not written to any file."""

    def false_alarms(self, target: Target, seconds: float) -> QuietPeriod:
        """Watch for `seconds` without any fault: how often a living node was taken for dead."""
