"""What goes between the instrument's process and its parent process: JSON, one message a line.

All times are seconds of CLOCK_MONOTONIC, which is the same clock in every process.
"""

from __future__ import annotations

import msgspec

from devstack_tui.contracts.drill import NodeView
from devstack_tui.contracts.peer import Peer


class ShardOrder(msgspec.Struct, frozen=True):
    """One shard: the index of the node that owns it now, and a hash tag for each of its keys."""

    name: str
    owner: int
    tags: tuple[str, ...]


class InstrumentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The first line on the child's input. Node `i` listens on `port + i`, without TLS."""

    run: str
    journal: str
    host: str
    port: int
    nodes: tuple[str, ...]
    user: str
    password: str
    peer: Peer
    shards: tuple[ShardOrder, ...]
    rate_hz: float
    observe_hz: float
    timeout_s: float

    def __repr__(self) -> str:
        return f"Order(run={self.run!r}, nodes={len(self.nodes)}, password=…)"


class Expect(msgspec.Struct, frozen=True, tag_field="message", tag="expect"):
    """A fault is about to hit this node (index): what follows is recognised for it."""

    victim: int


class Fault(msgspec.Struct, frozen=True, tag_field="message", tag="fault"):
    """When it was hit."""

    at: float


class Stop(msgspec.Struct, frozen=True, tag_field="message", tag="stop"):
    """Send nothing more, wait for the answers that are due, write all down and end."""


Instruction = Expect | Fault | Stop


class Ready(msgspec.Struct, frozen=True, tag_field="message", tag="ready"):
    """The first writes are due at `at`."""

    at: float


class Batch(msgspec.Struct, frozen=True, tag_field="message", tag="batch"):
    """Finished cells of every lane, from `at` on, and the counters of all writes so far."""

    at: float
    lanes: dict[str, str]
    acknowledged: int
    failed: int
    indeterminate: int


class ClusterChanged(msgspec.Struct, frozen=True, tag_field="message", tag="seen"):
    """The cluster changed in what the observers see."""

    at: float
    nodes: tuple[NodeView, ...]


class Mark(msgspec.Struct, frozen=True, tag_field="message", tag="mark"):
    """Something happened."""

    at: float
    kind: str
    node: str = ""
    text: str = ""


class Ended(msgspec.Struct, frozen=True, tag_field="message", tag="ended"):
    """The last message; nothing was sent after `at`. `cpu` is of one core; `void`, if it is not
    empty, why the measurement says nothing."""

    at: float
    cpu: float
    late_ms: float
    void: str = ""


Message = Ready | Batch | ClusterChanged | Mark | Ended
