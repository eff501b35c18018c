"""What an instrument recorded, and what follows from it. Pure but for reading the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devstack_tui.contracts.drill import ClusterMap, Marker, Shard
from devstack_tui.loadgen.ack_journal import Header, read
from devstack_tui.loadgen.acknowledged_writes import (
    READ,
    RIVAL,
    WRITES,
    Gap,
    Operation,
    outage,
    verdict,
)
from devstack_tui.loadgen.acknowledged_writes import shard as shard_of
from devstack_tui.services.redis.instrument.hash_tags import slot
from devstack_tui.services.redis.instrument.readback import ListContents
from devstack_tui.services.redis.instrument.split_brain import OwnershipChange, split


@dataclass(frozen=True)
class Recording:
    """One run of the instrument.

    `shards` are their names and the first owner of each. `started`, `fault` and `ended` are
    seconds of the monotonic clock, all `ms` count from `fault`, or from `started` if there was
    none. `cpu` is of one core, `late_ms` the worst delay of the child's own clock. A recording
    that is `void`, and why, says nothing.
    """

    journal: Path
    shards: dict[str, str]
    rate_hz: float
    markers: tuple[Marker, ...]
    views: tuple[ClusterMap, ...]
    lanes: dict[str, str]
    lanes_from_ms: float
    cell_ms: int
    cpu: float
    late_ms: float
    started: float
    fault: float | None
    ended: float
    void: str = ""

    @cached_property
    def log(self) -> tuple[Header, list[Operation]]:
        """The journal. Raises `DevstackError` when it is damaged."""
        return read(self.journal)

    @property
    def zero(self) -> float:
        """Where the `ms` begin."""
        return self.started if self.fault is None else self.fault

    def operations(self, shard: str, kinds: Iterable[str]) -> list[Operation]:
        """What was done of these kinds on one shard, in the order of the outcomes."""
        wanted = frozenset(kinds)
        return [o for o in self.log[1] if o.shard == shard and o.kind in wanted]

    def when(self, kind: str, node: str = "") -> float | None:
        """Seconds from the zero to the first marker of that kind, and of that node if given."""
        found = (m.ms / 1000 for m in self.markers if m.kind == kind and node in ("", m.node))
        return next(found, None)

    def window(self, shard: str, kinds: Iterable[str]) -> Gap | None:
        """The outage of a shard's writes or reads after the fault."""
        return outage(
            self.operations(shard, kinds),
            _us(self.zero),
            _us(self.started),
            _us(self.ended),
            round(1_000_000 / self.rate_hz),
        )


def judge(recording: Recording, present: ListContents | None) -> tuple[Shard, ...]:
    """What each shard suffered, and what became of its writes, where they could be read back."""
    period = round(1_000_000 / recording.rate_hz)
    return tuple(_judge(recording, present, shard, period) for shard in recording.shards)


def _judge(recording: Recording, present: ListContents | None, shard: str, period: int) -> Shard:
    writes = recording.operations(shard, WRITES)
    mine = None
    if present is not None:
        mine = {tag: present.lists[tag] for tag in recording.log[0].tags[shard]}
    found = verdict(writes, mine, period)
    was_read = recording.window(shard, (READ,))
    read_s = was_read.seconds if was_read else 0.0
    return shard_of(shard, found, recording.window(shard, WRITES), read_s)


def split_brain(recording: Recording) -> tuple[Operation, ...]:
    """The writes that a node acknowledged after it had been replaced; those of the lanes, and
    those that were sent to it to see whether it would."""
    return tuple(
        write
        for shard in recording.shards
        for write in split(
            recording.operations(shard, (*WRITES, RIVAL)), list(_claims(recording, shard))
        )
    )


def _claims(recording: Recording, shard: str) -> Iterator[OwnershipChange]:
    wanted = slot(recording.log[0].tags[shard][0])
    for view in recording.views:
        at = _us(recording.zero + view.ms / 1000)
        for node in view.nodes:
            owns = node.role == "master" and _holds(node.slots, wanted)
            yield OwnershipChange(at, node.name, node.epoch, owns)


def _holds(slots: str, wanted: int) -> bool:
    """Whether `0-5460 10923` has the slot."""
    ranges = (part.partition("-") for part in slots.split())
    return any(int(first) <= wanted <= int(last or first) for first, _, last in ranges)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
