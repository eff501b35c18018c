"""The drills of the cluster: the sixteen core checks, and a restart node by node."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

from devstack_tui.contracts.drill import (
    PUBLISHED_WINDOW_S,
    Context,
    Drill,
    DrillEvent,
    DrillResult,
    NodeTraffic,
    Plan,
    QuietPeriod,
    Thresholds,
)
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.proof import RunProofPart
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.check import Result
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import task_events
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.client import node_count, node_name, session, source_address
from devstack_tui.services.redis.drills import conclusion, rolling, steps
from devstack_tui.services.redis.drills import setting as drill_setting
from devstack_tui.services.redis.drills.failover import FailoverRepeat
from devstack_tui.services.redis.drills.limits import PLANNED, Limits, limits_of
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    NotReadyError,
    require_ready,
    resolve,
    sequence,
    victim_names,
)
from devstack_tui.services.redis.instrument import hash_tags
from devstack_tui.services.redis.server import BUS
from devstack_tui.services.redis.topology import describe

TURN_S = 10.0
"""What a fault and its healing take beside the failover, about."""
ROLLING_NODE_S = 3.0
KEYS = "keys that begin with devstack-tui:drill:<run>: are written on every shard, and removed"
_DOES = {
    "sigkill": "SIGKILL to {name}: it ends at once",
    "sigterm": "SIGTERM to {name}: it saves and ends",
    "sigstop": "SIGSTOP to {name}: it is silent but not gone",
    "partition": "cut {name} off the other nodes; clients still reach it",
    "planned": "CLUSTER FAILOVER at a replica of {name}",
}
_BACK = {
    "sigkill": "start {name} again",
    "sigterm": "start {name} again",
    "sigstop": "SIGCONT to {name}, once its successor works: it finds itself replaced",
    "partition": "connect {name} again, once its successor works: it finds itself replaced",
    "planned": "{name} follows its successor by itself",
}
_TOUCHES = {
    "sigkill": "{name} is killed; started again by the drill",
    "sigterm": "{name} is ended; started again by the drill",
    "sigstop": "{name} is held still; let go on by the drill",
    "partition": "a packet filter table of our own cuts {name} off; deleted by the drill",
    "planned": "{name} becomes a replica, and stays one",
}
BEFORE = (
    "see that the cluster is whole and every replica in sync, three times in a row",
    "write and read on every shard at a fixed rate, by a process of its own",
)
HEALED_BY = "if the drill is killed: a watchdog heals at once, or the next change does"


class _KeyCleanup:
    """See `contracts.drill.Cleanable`."""

    def cleanup(self, target: Target, run: str) -> None:
        """Delete the run's keys; a failover is waited for."""
        bulk.clear(target, hash_tags.prefix(run))


class Failover(_KeyCleanup):
    """See `contracts.drill.Drill`, `SequenceDrill`, `PartitionDrill` and `Sweepable`, and
    `contracts.proof.Sabotaged`."""

    name = steps.PREFIX
    title = "A node fails under writes: who takes over, how fast, what is lost"
    faults: tuple[str, ...] = tuple(_DOES)
    setting = "node timeout (ms)"

    def proof(self) -> RunProofPart:
        """See `contracts.proof.Sabotaged`."""
        from devstack_tui.services.redis.drills import sabotages

        return RunProofPart(sabotages.CHECKS, sabotages.SABOTAGES, sabotages.FILES)

    def victims(self, target: Target) -> tuple[str, ...]:
        """The sequence of the core checks, then each master and each node."""
        return ("first,second", *victim_names(target), "all")

    def sequence(self, target: Target, victim: str) -> tuple[str, ...]:
        """See the Protocol."""
        return sequence(target, victim)

    def cut(self, target: Target, unit: str) -> NodeTraffic:
        """By the address from which each node calls the others."""
        names = [node_name(index) for index in range(node_count(target))]
        victim = names.index(unit)
        for index in range(len(names)):
            _require_source(target, index)
        ports = {
            i: (target.ports["tls"] + i, target.ports["tls"] + i + BUS) for i in range(len(names))
        }
        return NodeTraffic(
            source=source_address(target, victim),
            network=target.nodes,
            own=ports[victim],
            peers=tuple(port for i, pair in ports.items() if i != victim for port in pair),
        )

    def plan(
        self, target: Target, files: ServiceFiles, fault: str, victim: str, thresholds: Thresholds
    ) -> Plan:
        """See the Protocol."""
        seen: ClusterSnapshot | None = None
        refusal = remedy = ""
        only_reports = False
        names: list[str] = []
        try:
            seen = require_ready(target, files)
            for one in sequence(target, victim):
                names.append(_described(seen, one))
                self._require_possible(target, seen, fault, one)
        except DevstackError as error:
            refusal, remedy = error.message, error.remedy
            only_reports = isinstance(error, NotReadyError)
        names = names or list(sequence(target, victim))
        limits = self._limits(target, fault, victim, thresholds, seen)
        actions = list(BEFORE)
        for name in names:
            actions += [
                _DOES[fault].format(name=name),
                f"wait until its slots are served again; {limits.theory}",
                _BACK[fault].format(name=name),
            ]
        actions.append("read every acknowledged write back from its owner, and remove all of them")
        return Plan(
            drill=self.name,
            fault=fault,
            victim=victim,
            actions=tuple(actions),
            steps=steps.planned_steps(limits),
            touches=(*(_TOUCHES[fault].format(name=name) for name in names), KEYS, HEALED_BY),
            expected_s=len(names) * (TURN_S + (limits.expected[1] if limits.expected else 8.0)),
            thresholds={
                "published_window_s": PUBLISHED_WINDOW_S,
                "window_s": limits.window_s,
                "other_pause_s": thresholds.other_pause_s,
                "lost": float(limits.lost),
                "split_brain": float(limits.split_brain),
            },
            refusal=refusal,
            remedy=remedy,
            only_reports=only_reports,
        )

    def _limits(
        self,
        target: Target,
        fault: str,
        victim: str,
        thresholds: Thresholds,
        seen: ClusterSnapshot | None,
    ) -> Limits:
        """Of the first victim that is a master; the lag is measured when the drill runs."""
        timeout = int(target.options["node_timeout_ms"])
        with suppress(DevstackError):
            timeout = drill_setting.read_setting(target)
        master = True
        with suppress(DevstackError):
            hit = [resolve(seen, one) for one in sequence(target, victim)] if seen else []
            master = not hit or any(seen.views[i].me.master for i in hit if seen)
        replicas = int(target.options["replicas"])
        return limits_of(fault, thresholds, timeout, replicas=replicas, master=master)

    def _require_possible(
        self, target: Target, seen: ClusterSnapshot, fault: str, victim: str
    ) -> None:
        """Raise `DevstackError` where the fault cannot be made."""
        index = resolve(seen, victim)
        if fault == "partition":
            self.cut(target, node_name(index))
        if fault == PLANNED and not seen.replicas(index):
            raise DevstackError(
                f"{node_name(index)} has no replica that could take over as planned",
                "choose a master of a cluster with replicas",
            )

    def run(self, context: Context) -> AsyncGenerator[DrillEvent, None]:
        """See the Protocol."""
        return task_events(lambda emit: FailoverRepeat(self.name, context, emit).perform())

    def conclude(
        self, steps: Sequence[Result], results: Sequence[DrillResult], thresholds: Thresholds
    ) -> tuple[Result, ...]:
        """See `contracts.drill.ConcludingDrill`."""
        return conclusion.switch_overs(steps, results, thresholds)

    def core(self, victim: str, results: Sequence[DrillResult]) -> bool:
        """See `contracts.drill.ConcludingDrill`."""
        asked = ("master-1", "master-2") if victim == "all" else victim.split(",")
        return conclusion.core([one.strip() for one in asked], results)

    def read_setting(self, target: Target) -> int:
        """The node timeout, ms."""
        return drill_setting.read_setting(target)

    def write_setting(self, target: Target, value: int) -> None:
        """Set it in every node."""
        drill_setting.write_setting(target, value)

    def false_alarms(self, target: Target, seconds: float) -> QuietPeriod:
        """See the Protocol."""
        return drill_setting.false_alarms(target, seconds)


class RollingRestart(_KeyCleanup):
    """See `contracts.drill.Drill`."""

    name = rolling.PREFIX
    title = "Every node is restarted, one by one, under writes"
    faults: tuple[str, ...] = ("restart",)

    def victims(self, target: Target) -> tuple[str, ...]:
        """All nodes."""
        return (target.service,)

    def plan(
        self, target: Target, files: ServiceFiles, fault: str, victim: str, thresholds: Thresholds
    ) -> Plan:
        """See the Protocol."""
        refusal = remedy = ""
        only_reports = False
        try:
            require_ready(target, files)
        except DevstackError as error:
            refusal, remedy = error.message, error.remedy
            only_reports = isinstance(error, NotReadyError)
        nodes = node_count(target)
        return Plan(
            drill=self.name,
            fault=fault,
            victim=victim,
            actions=(
                *BEFORE,
                "restart the replicas one by one, each waited for until it is in sync",
                "hand each master over to its replica, restart it, wait until it is in sync",
                "read every acknowledged write back from its owner, and remove all of them",
            ),
            steps=rolling.planned_steps(thresholds),
            touches=(
                f"all {nodes} nodes are restarted; the masters change their places",
                KEYS,
                HEALED_BY,
            ),
            expected_s=TURN_S + nodes * ROLLING_NODE_S,
            thresholds={"window_s": thresholds.planned_window_s, "lost": float(thresholds.lost)},
            refusal=refusal,
            remedy=remedy,
            only_reports=only_reports,
        )

    def run(self, context: Context) -> AsyncGenerator[DrillEvent, None]:
        """See the Protocol."""
        return task_events(lambda emit: rolling.RollingRepeat(self.name, context, emit).perform())


def _described(seen: ClusterSnapshot, victim: str) -> str:
    """`redis-1 (master of 0-5460)`."""
    index = resolve(seen, victim)
    me = seen.views[index].me
    role = f"master of {describe(me.slots)}" if me.master else "a replica"
    return f"{node_name(index)} ({role})"


def _require_source(target: Target, index: int) -> None:
    """The node must call the others from its own address, or their traffic looks alike."""
    import redis

    name = "bind-source-addr"
    try:
        with session(target.as_admin(), index, 2.0) as client:
            found: Any = client.config_get(name)
    except (OSError, redis.RedisError) as error:
        raise DevstackError(f"{node_name(index)} does not answer: {error}") from None
    if not found:
        raise DevstackError(
            f"{node_name(index)} is older than Redis 7.0, which first calls other nodes from an "
            "address of its own: its traffic cannot be distinguished from theirs",
            "install Redis 7.0 or newer, or choose --fault sigstop",
        )
    if found.get(name) != source_address(target, index):
        raise DevstackError(
            f"{node_name(index)} was started by an older devstack-tui: its traffic "
            "cannot be distinguished from the other nodes'",
            "`devstack-tui restart redis`, then again",
        )


DRILLS: tuple[Drill, ...] = (Failover(), RollingRestart())
