"""Asks every node what it sees, at a fixed rate and on connections of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from devstack_tui.loadgen.acknowledged_writes import RIVAL, Operation
from devstack_tui.services.redis.instrument import hash_tags
from devstack_tui.services.redis.instrument.cluster_view import LOADING
from devstack_tui.services.redis.instrument.connection import GARBLED, REFUSED, Answer, Wire
from devstack_tui.services.redis.instrument.lanes import LaneContext, micros
from devstack_tui.services.redis.instrument.messages import ShardOrder
from devstack_tui.services.redis.instrument.node_view import QUESTIONS, Reader
from devstack_tui.services.redis.instrument.resp import ProtocolError, Refusal, Reply
from devstack_tui.services.redis.loader import encode

KNOCK_S = 0.01
"""How often a node that refuses connections is tried: it costs next to nothing, and how soon its
return is seen is how exact a window without a failover is."""


class ReplacedNodeWrites:
    """Writes to a node that has been replaced, which it should refuse: what it acknowledges is
    a split brain. Such writes go with the observer's questions, so the lanes never see them."""

    def __init__(self, run: str, means: LaneContext, shards: tuple[ShardOrder, ...]) -> None:
        self._means = means
        self._shards = {shard.name: shard for shard in shards}
        self._keys = {
            shard.name: f"{hash_tags.key(run, shard.tags[0])}:rival".encode() for shard in shards
        }
        self._owner = {shard.name: means.cluster.observed[shard.owner].name for shard in shards}
        self._replaced: dict[str, set[str]] = {}
        self._number = 0

    def acknowledged(self, shard: str, node: str) -> None:
        """A write of the shard was acknowledged by the node: whoever did before is replaced."""
        before = self._owner[shard]
        if node != before:
            self._owner[shard] = node
            self._replaced.setdefault(before, set()).add(shard)
            self._replaced.get(node, set()).discard(shard)

    def ask(self, wire: Wire, node: str, deadline: float) -> None:
        """Try each shard that the node has lost."""
        for shard in self._replaced.get(node, ()):
            self._number += 1
            command = encode(b"SET", self._keys[shard], b"%d" % self._number)
            due = self._means.loop.clock()
            wire.ask(command, deadline, partial(self._settle, shard, node, self._number, due))

    def _settle(self, shard: str, node: str, number: int, due: float, answer: Answer) -> None:
        outcome, why = answer.outcome
        self._means.record(
            Operation(
                shard=shard,
                kind=RIVAL,
                number=number,
                tag=self._shards[shard].tags[0],
                value=number,
                node=node,
                due=micros(due),
                sent=micros(answer.sent),
                done=micros(answer.at),
                outcome=outcome,
                why=why,
            )
        )


class Observer:
    """Of one node. `looked` is called with the time after every answer and every silence."""

    def __init__(
        self,
        means: LaneContext,
        index: int,
        rivals: ReplacedNodeWrites,
        looked: Callable[[float], None],
    ) -> None:
        self._means = means
        self._index = index
        self._rivals = rivals
        self._looked = looked
        self._observed = means.cluster.observed[index]
        self._reader = Reader()
        self._wire: Wire | None = None
        self._replies: list[Reply] = []
        self._knocking = False

    def tick(self, _due: float) -> None:
        """Ask, unless the last answer is still to come."""
        if self._wire is None or self._wire.broken:
            self._wire = Wire(self._means.loop, self._means.addresses[self._index])
            self._replies.clear()
        elif len(self._wire):
            return
        deadline = self._means.loop.clock() + self._means.timeout_s
        for question in QUESTIONS:
            self._wire.ask(question, deadline, self._on_answer)
        if self._observed.why != REFUSED:
            self._rivals.ask(self._wire, self._observed.name, deadline)

    def expire(self, now: float) -> None:
        """Give up what is overdue."""
        if self._wire is not None and not self._wire.broken:
            self._wire.expire(now)

    def close(self) -> None:
        """Break the connection, which says nothing about the node."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _on_answer(self, answer: Answer) -> None:
        if self._wire is None:
            return  # closed by us
        if answer.why:
            self._silent(answer.why, answer.at)
            return
        self._replies.append(answer.reply)
        if len(self._replies) < len(QUESTIONS):
            return
        replies = tuple(self._replies)
        self._replies.clear()
        if isinstance(replies[0], Refusal) and replies[0].kind == "LOADING":
            self._silent(LOADING, answer.at)
            return
        try:
            report = self._reader.read(*replies)
        except ProtocolError:
            self._silent(GARBLED, answer.at)
            return
        self._means.cluster.record_answer(self._index, report, answer.at)
        self._looked(answer.at)

    def _silent(self, why: str, at: float) -> None:
        news = self._observed.why != why
        self._means.cluster.silent(self._index, why)
        if why == REFUSED and not self._knocking:
            self._knocking = True
            self._means.loop.at(self._means.loop.clock() + KNOCK_S, self._knock)
        if news:
            self._looked(at)

    def _knock(self, due: float) -> None:
        self._knocking = False
        if self._wire is not None and self._wire.broken:
            self.tick(due)
