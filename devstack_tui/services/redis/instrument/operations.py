"""What the writer and the reader of a shard ask for, one after the other. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from devstack_tui.loadgen.acknowledged_writes import ADD, READ, REMOVE, Operation
from devstack_tui.services.redis.instrument import hash_tags
from devstack_tui.services.redis.instrument.messages import ShardOrder
from devstack_tui.services.redis.loader import encode

REMOVE_EACH = 8
"""One write in so many takes an old number out again."""
SETTLED_US = 1_000_000
"""How long a number must have been acknowledged before it is taken out."""


class Ask(NamedTuple):
    """One operation: see `loadgen.acknowledged_writes.Operation`."""

    kind: str
    tag: str
    value: int
    command: bytes


class Source(Protocol):
    """`next` makes operation `number` at `now` (microseconds); `kept` hears of each success."""

    name: str

    def next(self, number: int, now: int) -> Ask: ...

    def record(self, operation: Operation) -> None: ...


class WriteOperations:
    """Appends increasing numbers to the lists of a shard, and takes some of them out again.

    So a write that comes twice, too late or back from the dead shows in the list.
    """

    name = "write"

    def __init__(self, run: str, shard: ShardOrder) -> None:
        self._tags = shard.tags
        self._keys = {tag: hash_tags.key(run, tag).encode() for tag in shard.tags}
        self._settled: dict[str, deque[Operation]] = {tag: deque() for tag in shard.tags}

    def next(self, number: int, now: int) -> Ask:
        if number % REMOVE_EACH == 0:
            # Of the lists in turn; `number` alone would always meet the same one.
            tag = self._tags[number // REMOVE_EACH % len(self._tags)]
            settled = self._settled[tag]
            if settled and settled[0].done < now - SETTLED_US:
                value = settled.popleft().value
                command = encode(b"LREM", self._keys[tag], b"1", b"%d" % value)
                return Ask(REMOVE, tag, value, command)
        tag = self._tags[number % len(self._tags)]
        return Ask(ADD, tag, number, encode(b"RPUSH", self._keys[tag], b"%d" % number))

    def record(self, operation: Operation) -> None:
        if operation.kind == ADD:
            self._settled[operation.tag].append(operation)


class ReadOperations:
    """Reads the newest number of each list of a shard."""

    name = "read"

    def __init__(self, run: str, shard: ShardOrder) -> None:
        self._asks = [
            Ask(READ, tag, 0, encode(b"LINDEX", hash_tags.key(run, tag).encode(), b"-1"))
            for tag in shard.tags
        ]

    def next(self, number: int, now: int) -> Ask:  # noqa: ARG002 - the same at any time
        return self._asks[number % len(self._asks)]

    def record(self, operation: Operation) -> None:
        """Nothing depends on what was read."""
