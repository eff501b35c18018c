"""The failover drill: one fault on one node, and the sixteen steps of what it brought."""

from __future__ import annotations

import time
from typing import Any

from devstack_tui.contracts.drill import PUBLISHED_WINDOW_S, Context, DrillEvent
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Status
from devstack_tui.core.cpu_pressure import CpuPressure, waited
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import Emit
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.client import node_name, session
from devstack_tui.services.redis.drills import keys, setting, steps
from devstack_tui.services.redis.drills.lag import measured_lag
from devstack_tui.services.redis.drills.limits import GRACEFUL, PLANNED, Limits, limits_of
from devstack_tui.services.redis.drills.preconditions import (
    ClusterSnapshot,
    NotReadyError,
    cluster_check,
    look_at,
    problems,
    resolve,
    shape_problems,
    slot_problems,
    state_problems,
)
from devstack_tui.services.redis.drills.repeat import KEYS, REJOIN_WITHIN_S, ClusterRepeat
from devstack_tui.services.redis.drills.steps import Outcome, decide, pass_or_problems
from devstack_tui.services.redis.instrument import Instrument

COMMAND_S = 5.0
PATIENCE_S, PATIENCE_TIMEOUTS = 4.0, 4
"""A failover that has not come after so many seconds and node timeouts does not come."""


class FailoverRepeat(ClusterRepeat):
    """A master, or a replica, is hit."""

    def __init__(self, drill: str, context: Context, emit: Emit[DrillEvent]) -> None:
        super().__init__(drill, context, emit)
        self._turn, self._turns = int(context.options["turn"]), int(context.options["turns"])
        self._values: dict[int, dict[str, str]] = {}
        self._timeout_ms = int(context.target.options["node_timeout_ms"])

    async def perform(self) -> None:
        """All of it. Raises `DevstackError` when it cannot begin, or is broken off."""
        try:
            await self._perform()
        except DevstackError as error:
            self.broken_off(steps.titles(self._asked(), self._turn), error)
            raise

    async def _perform(self) -> None:
        try:
            before = await self.ready()
        except NotReadyError as error:
            self._not_begun(error.seen)
            return
        outcome = await self._outcome(before)
        if self._turn == 1:
            self._before(before)
            if not await self._first_writes(before):
                await self.thread(bulk.clear, self.target, KEYS, 0.0)
                self._skip(outcome.limits)
                return
        async with self.measuring() as instrument:
            shards = {node: shard for shard, node in instrument.shards.items()}
            outcome.shard = shards.get(outcome.name, "")
            self.phase("warming", f"{self.option('warm_s'):g} s of writes and reads")
            await self.pause("warm_s")
            if outcome.shard and outcome.replicas and self.context.fault not in GRACEFUL:
                lag = await self.thread(
                    measured_lag, self.target, before, outcome.victim, self.context.run
                )
                outcome.limits = self._limits(before, outcome.victim, lag)
            await self._hit(instrument, outcome)
            await self._recover(instrument, outcome)
            self.phase("settling", f"{self.option('settle_s'):g} s of writes and reads")
            await self.pause("settle_s")
            recording = await instrument.stop()
            outcome.markers, outcome.void = recording.markers, recording.void
            outcome.late_s = recording.late_ms / 1000
            await self._look_after(outcome)
            await self.read_back(recording, outcome)
            self._judge(outcome)
        self.decide(await self.cleaned())
        self.measured(recording, outcome, dict(steps.timings(outcome)))

    async def _outcome(self, before: ClusterSnapshot) -> Outcome:
        self._timeout_ms = await self.thread(setting.read_setting, self.target)
        victim = resolve(before, self.context.victim)
        outcome = Outcome(
            limits=self._limits(before, victim),
            fault=self.context.fault,
            victim=victim,
            before=before,
            replicas=len(before.replicas(victim)),
            waited_s=PATIENCE_S + self._timeout_ms / 1000 * PATIENCE_TIMEOUTS,
        )
        if before.views[victim].me.master and not outcome.replicas:
            # Nothing will come: it is waited for as long as DevStack Core promises.
            outcome.waited_s = PUBLISHED_WINDOW_S
        return outcome

    def _limits(self, before: ClusterSnapshot, victim: int, lag: float | None = None) -> Limits:
        return limits_of(
            self.context.fault,
            self.context.thresholds,
            self._timeout_ms,
            replicas=len(before.replicas(victim)),
            master=before.views[victim].me.master,
            lag_s=lag,
        )

    def _not_begun(self, seen: ClusterSnapshot) -> None:
        """The cluster is not well: that is the result, and nothing is broken."""
        if self._turn == 1:
            self._before(seen)
        else:
            why = "; ".join(problems(seen, self.target))
            well_first = f"{steps.NOT_BEGUN}: after the first node the cluster is not whole: {why}"
            self.decide(decide("13", Status.FAIL, well_first, "", self._asked()))
        self._skip(self._asked())

    def _asked(self) -> Limits:
        """The limits of the fault on a master, as far as they are known without a cluster."""
        return limits_of(
            self.context.fault,
            self.context.thresholds,
            self._timeout_ms,
            replicas=int(self.target.options["replicas"]),
            master=True,
        )

    def _skip(self, limits: Limits) -> None:
        for result in steps.skipped(self.results, limits, self._turn):
            self.decide(result)
        self.ended(self.context.victim, (), "", split_brain=None, begun=False)

    def _before(self, seen: ClusterSnapshot) -> None:
        owners, nodes = len(seen.owners()), len(seen.views)
        self.decide(
            pass_or_problems(
                "01", state_problems(seen), f"{nodes} nodes: ok, 16384 slots, none pfail"
            )
        )
        shape = f"{owners} masters and {nodes - owners} replicas, all connected and in sync"
        self.decide(pass_or_problems("02", shape_problems(seen, self.target), shape))
        agree = f"{nodes} nodes name the same owners, nothing migrates or is imported"
        self.decide(pass_or_problems("03", slot_problems(seen), agree))

    async def _first_writes(self, seen: ClusterSnapshot) -> bool:
        """Steps 4 and 5: whether every shard takes writes, and has them."""
        self._values = keys.values_of(seen, self.context.run)
        total = f"{keys.count(self._values)} keys computed to lie on {len(self._values)} shards"
        wrong = await self.thread(keys.write, self.target, self._values)
        self.decide(pass_or_problems("04", wrong, f"{total}, every SET acknowledged"))
        wrong = await self.thread(keys.read, self.target, self._values)
        self.decide(pass_or_problems("05", wrong, f"{total}, every GET answered with what was set"))
        return all(result.status is Status.PASS for result in self.results)

    # -- the fault and the way back ----------------------------------------------------------

    async def _hit(self, instrument: Instrument, outcome: Outcome) -> None:
        fault, name = self.context.fault, outcome.name
        self.phase("fault", f"{fault} on {name}")
        instrument.expect(name)
        pressure = CpuPressure()
        at = await self.thread(self._strike, outcome)
        instrument.fault(at, f"{fault} on {name}")
        await self._await_successor(instrument, outcome)
        outcome.starved = waited(pressure.share())

    async def _await_successor(self, instrument: Instrument, outcome: Outcome) -> None:
        if not outcome.shard:
            self.phase("waiting", "for the masters to agree that the replica is gone")
            await instrument.until("failed", outcome.waited_s)
            return
        self.phase("waiting", "for the slots of it to be served again")
        await instrument.until("covered", outcome.waited_s)
        if self.context.fault != PLANNED and outcome.replicas:
            await instrument.until("back", outcome.waited_s, f"{outcome.shard} write")

    def _strike(self, outcome: Outcome) -> float:
        injector, name = self.context.injector, outcome.name
        match self.context.fault:
            case "sigkill":
                return injector.kill(name)
            case "sigterm":
                return injector.terminate(name)
            case "sigstop":
                return injector.freeze(name)
            case "partition":
                return injector.partition(name)
        return _hand_over(self.target, outcome)

    async def _recover(self, instrument: Instrument, outcome: Outcome) -> None:
        """Bring the node back, and wait until it is in sync and nothing is flagged."""
        self.phase("healing", outcome.name)
        if self.context.fault in ("sigstop", "partition"):
            # The stale master must still be there when its successor works.
            await self.pause("frozen_s")
        try:
            await self.undo()
        except DevstackError as error:
            outcome.failure = error.message
            outcome.notes.append(f"{outcome.name} is gone for good: {error}")
            return
        self.phase("waiting", f"for {outcome.name} to rejoin and catch up")
        await instrument.until("healed", REJOIN_WITHIN_S)

    async def undo(self) -> None:
        injector, fault = self.context.injector, self.context.fault
        if fault == "sigstop":
            for unit in injector.units(self.context.service):
                injector.thaw(unit)
        elif fault == "partition":
            for unit in injector.units(self.context.service):
                await self.thread(injector.reconnect, unit)
        elif fault != PLANNED:
            await injector.start(self.context.service)

    async def _look_after(self, outcome: Outcome) -> None:
        """The cluster once all is over; what it still lacks is waited for, but not for long."""
        if outcome.failure:
            outcome.after = await self.thread(look_at, self.target)
            return
        try:
            outcome.after = await self.whole_again()
        except DevstackError as error:
            outcome.after = await self.thread(look_at, self.target)
            outcome.notes.append(error.message)

    # -- the verdict -------------------------------------------------------------------------

    def _judge(self, outcome: Outcome) -> None:
        after = outcome.after
        assert after is not None
        if self._values:
            now = keys.reowned(after, self._values)
            lacks = keys.read(self.target, now)
            total = keys.count(self._values)
            outcome.kept = (keys.count(now) - len(lacks), total)
        if self._turn == 1:
            self.decide(steps.replica_took_over(outcome))
            self.decide(steps.others_unharmed(outcome))
            self.decide(steps.classed(outcome))
            self.decide(steps.rejoined(outcome))
            self.decide(steps.healthy_again(outcome, state_problems(after)))
            shape = "the expected masters and replicas, all connected and in sync"
            self.decide(pass_or_problems("11", shape_problems(after, self.target), shape))
        else:
            self.decide(steps.next_node(outcome))
            self.decide(steps.rejoined(outcome, "14"))
        self.decide(steps.all_there(outcome))
        if self._turns == 1:
            for number in ("13", "14"):
                self.decide(outcome.decide(number, Status.SKIPPED, "a single victim was asked for"))
        if self._turn == self._turns:
            context = self.context
            good, answer = cluster_check(self.target, context.injector.client, context.folder)
            wrong = problems(after, self.target)
            self.decide(steps.whole_at_the_end(outcome, wrong, good, answer))


def _hand_over(target: Target, outcome: Outcome) -> float:
    """CLUSTER FAILOVER at a replica of the victim. Returns when it was asked for."""
    import redis

    before = outcome.before
    replicas = before.replicas(outcome.victim)
    if not replicas:
        raise DevstackError(
            f"{outcome.name} has no replica that could take over: nothing was touched",
            "`redis.failover --fault planned` needs a master with a replica",
        )
    best = max(replicas, key=lambda index: before.views[index].offset)
    try:
        with session(target.as_admin(), best, COMMAND_S) as client:
            send: Any = client.execute_command
            at = time.monotonic()
            send("CLUSTER", "FAILOVER")
    except (OSError, redis.RedisError) as error:
        why = redact(str(error).partition("\n")[0])
        raise DevstackError(f"{node_name(best)} refused CLUSTER FAILOVER: {why}") from None
    return at
