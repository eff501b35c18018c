"""The lanes: an operation at each tick whatever became of the last one, and none is retried.

Where it goes: to the node that answered the last one. After anything but a success, to the node
that newly claims the slots, or that a MOVED names, if it lives; else to the living nodes of the
shard in turn; else, when none of them lives, to each of them in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devstack_tui.loadgen.acknowledged_writes import FAILED, INDETERMINATE, OK, READ, Operation
from devstack_tui.loadgen.lane_cells import LaneCells
from devstack_tui.services.redis.instrument import hash_tags
from devstack_tui.services.redis.instrument.clock_loop import Loop
from devstack_tui.services.redis.instrument.cluster_view import ClusterView
from devstack_tui.services.redis.instrument.connection import Address, Answer, Wire
from devstack_tui.services.redis.instrument.messages import Mark, ShardOrder
from devstack_tui.services.redis.instrument.operations import Ask, Source
from devstack_tui.services.redis.instrument.resp import Refusal

NOISE_S = 0.05
"""By how much a pause without any error must at least exceed two periods to be an outage."""


@dataclass(frozen=True, slots=True)
class LaneContext:
    """What all lanes share. `record` takes each operation as it ends, `mark` each mark."""

    loop: Loop
    cluster: ClusterView
    addresses: Sequence[Address]
    rate_hz: float
    timeout_s: float
    record: Callable[[Operation], None]
    mark: Callable[[Mark], None]


class Lane:
    """One writer or one reader. `counts` is by outcome; `fault` is when the last fault was."""

    def __init__(self, means: LaneContext, shard: ShardOrder, source: Source) -> None:
        self.name = f"{shard.name} {source.name}"
        self.cells = LaneCells(0.0)
        self.counts = {OK: 0, FAILED: 0, INDETERMINATE: 0}
        self.fault = float("inf")
        self._means = means
        self._shard = shard
        self._source = source
        self._period = 1 / means.rate_hz
        self._number = 0
        self._wires: dict[int, Wire] = {}
        # Twice what can be under way before the first of it is too late.
        self._most = max(16, round(2 * means.rate_hz * means.timeout_s))
        self._slot = hash_tags.slot(shard.tags[0])
        self._members = {shard.owner}
        self._node = shard.owner
        self._hint: int | None = None
        self._claim: tuple[int, int] | None = None
        self._trouble = False
        self._succeeded = 0.0
        # Since then: for how long we were late ourselves, which looks like a pause of the server.
        self._held = 0.0
        self._ticked = 0.0

    def begin(self, start: float) -> None:
        """The first tick comes soon after `start`."""
        self.cells = LaneCells(start)
        self._succeeded = self._ticked = start

    def tick(self, due: float) -> None:
        """Send the next operation; it was due at `due`."""
        now = self._means.loop.clock()
        self._held += now - max(due, self._ticked)
        self._ticked = now
        self._number += 1
        number, node = self._number, self._pick()
        ask = self._source.next(number, micros(due))

        def done(answer: Answer) -> None:
            self._settle(number, ask, node, due, answer)

        if self.waiting >= self._most:
            done(Answer(None, 0.0, now, "full"))
            return
        wire = self._wires.get(node)
        if wire is None or wire.broken:
            wire = self._wires[node] = Wire(self._means.loop, self._means.addresses[node])
        wire.ask(ask.command, due + self._means.timeout_s, done)

    def expire(self, now: float) -> None:
        """Give up what is overdue."""
        for wire in self._wires.values():
            if not wire.broken:
                wire.expire(now)

    @property
    def waiting(self) -> int:
        """How many operations have no outcome yet."""
        return sum(len(wire) for wire in self._wires.values())

    def close(self) -> None:
        """Break every connection: what waits is settled."""
        for wire in self._wires.values():
            wire.close()

    def _pick(self) -> int:
        cluster = self._means.cluster
        if not self._trouble:
            self._members |= cluster.replicas(self._node)
            return self._node
        observed = cluster.observed
        hint, self._hint = self._hint, None
        known, self._claim = self._claim, cluster.claimant(self._slot)
        if self._claim is not None and self._claim != known:
            self._node = self._claim[0]
        elif hint is not None and hint != self._node and observed[hint].lives:
            self._node = hint
        else:
            turn = sorted(i for i in self._members if observed[i].lives) or sorted(self._members)
            self._node = next((i for i in turn if i > self._node), turn[0])
        self._members.add(self._node)
        return self._node

    def _settle(self, number: int, ask: Ask, node: int, due: float, answer: Answer) -> None:
        outcome, why = answer.outcome
        if isinstance(answer.reply, Refusal):
            self._hint = self._moved(answer.reply)
        value = ask.value
        if ask.kind == READ and isinstance(answer.reply, bytes) and answer.reply.isdigit():
            value = int(answer.reply[:18])
        operation = Operation(
            shard=self._shard.name,
            kind=ask.kind,
            number=number,
            tag=ask.tag,
            value=value,
            node=self._means.cluster.observed[node].name,
            due=micros(due),
            sent=micros(answer.sent),
            done=micros(answer.at),
            outcome=outcome,
            why=why,
            reply=answer.reply if isinstance(answer.reply, int) else 0,
        )
        self.counts[outcome] += 1
        self.cells.put(answer.at, outcome == OK)
        self._means.record(operation)
        if outcome == OK:
            self._succeed(node, answer.at)
            self._source.record(operation)
        elif not self._trouble:
            self._trouble = True
            self._claim = self._means.cluster.claimant(self._slot)

    def _succeed(self, node: int, at: float) -> None:
        gap = at - self._succeeded
        outage = self._trouble or gap - self._held > 2 * self._period + NOISE_S
        if outage and at > self.fault:
            self._means.mark(Mark(at, "back", self.name, f"after {gap:.3f} s"))
        self._succeeded, self._held = at, 0.0
        self._node, self._trouble = node, False

    def _moved(self, refusal: Refusal) -> int | None:
        """The node that a MOVED names, if it is one that has answered."""
        if refusal.kind != "MOVED":
            return None
        where = refusal.rpartition(" ")[2]
        for index, observed in enumerate(self._means.cluster.observed):
            if (
                observed.report is not None
                and where == f"{observed.report.me.host}:{observed.report.me.port}"
            ):
                return index
        return None


def micros(seconds: float) -> int:
    """The time as the journal has it."""
    return round(seconds * 1_000_000)
