"""How a Redis Cluster reports itself, and how one of ours is laid out. Pure: no connection."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devstack_tui.core.errors import DevstackError

SLOTS = 16384
Range = tuple[int, int]
"""The first and the last slot of a run."""


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One line of CLUSTER NODES: a node as the asked one sees it.

    `connected` is the state of the asked node's bus link to it; `master_id` is empty for a master.
    """

    id: str
    host: str
    port: int
    bus_port: int
    flags: frozenset[str]
    master_id: str
    config_epoch: int
    connected: bool
    slots: tuple[Range, ...]

    @property
    def myself(self) -> bool:
        """Whether this is the node that was asked."""
        return "myself" in self.flags

    @property
    def master(self) -> bool:
        """Whether it is a master (it may own no slot)."""
        return "master" in self.flags

    @property
    def failed(self) -> bool:
        """Whether the majority of the masters holds it for dead."""
        return "fail" in self.flags

    @property
    def suspected(self) -> bool:
        """Whether the asked node alone cannot reach it (PFAIL)."""
        return "fail?" in self.flags

    @property
    def joining(self) -> bool:
        """Whether the handshake that follows MEET has not ended: its id is provisional."""
        return "handshake" in self.flags

    @property
    def slot_count(self) -> int:
        return count(self.slots)


class ViewError(DevstackError, ValueError):
    """What a node says of the cluster is not as Redis says it."""


@dataclass(frozen=True, slots=True)
class View:
    """The cluster as the node number `index` (from 0) sees it.

    `info` is CLUSTER INFO; `replication` and `server` are the sections of INFO.
    """

    index: int
    nodes: tuple[ClusterNode, ...]
    info: Mapping[str, str]
    replication: Mapping[str, object]
    server: Mapping[str, object]

    @property
    def me(self) -> ClusterNode:
        """The node that was asked."""
        found = next((node for node in self.nodes if node.myself), None)
        if found is None:
            raise ViewError("a node's view of the cluster lacks the node itself")
        return found

    @property
    def ok(self) -> bool:
        """Whether this node serves its slots."""
        return self.info.get("cluster_state") == "ok"

    @property
    def link_up(self) -> bool:
        """Whether it is a master, or a replica whose link to its master stands."""
        return (
            self.replication.get("role") == "master"
            or self.replication.get("master_link_status") == "up"
        )

    @property
    def offset(self) -> int:
        """Its place in the replication stream, bytes."""
        replica = self.replication.get("slave_repl_offset")
        return _number(
            str(self.replication.get("master_repl_offset", 0) if replica is None else replica)
        )

    def slots(self, state: str) -> int:
        """How many slots it holds for `assigned`, `ok`, `pfail` or `fail`."""
        return _number(self.info.get(f"cluster_slots_{state}", "0"))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ViewError(f"a node's view of the cluster has {text[:40]!r} for a number") from None


def parse_nodes(text: str) -> tuple[ClusterNode, ...]:
    """The reply of CLUSTER NODES. Slots that are being moved count for the node that has them.

    Raises `ViewError` for what is none."""
    try:
        return tuple(_parse_node(line) for line in text.splitlines() if line.strip())
    except ValueError:
        raise ViewError("CLUSTER NODES cannot be read: a node's view of the cluster") from None


def _parse_node(line: str) -> ClusterNode:
    name, address, flags, master, _ping, _pong, epoch, link, *slots = line.split(" ")
    # 127.0.0.1:7001@17001, and since 7.0 ",hostname" and since 7.2 ",shard-id=…" behind it.
    where, _, bus = address.partition(",")[0].partition("@")
    host, _, port = where.rpartition(":")
    ranges: list[Range] = []
    for part in slots:
        if part and not part.startswith("["):
            first, _, last = part.partition("-")
            run = int(first), int(last or first)
            # Who looks at single slots would not end with a range without bounds.
            if not 0 <= run[0] <= run[1] < SLOTS:
                raise ValueError(f"slots {part}")
            ranges.append(run)
    return ClusterNode(
        id=name,
        host=host,
        port=int(port or 0),
        bus_port=int(bus or 0),
        flags=frozenset(flags.split(",")) - {"noflags"},
        master_id="" if master == "-" else master,
        config_epoch=int(epoch),
        connected=link == "connected",
        slots=tuple(ranges),
    )


def parse_info(text: str) -> dict[str, str]:
    """The reply of CLUSTER INFO."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, _, value in pairs}


def count(ranges: Iterable[Range]) -> int:
    """How many slots the ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def runs(slots: Iterable[int]) -> tuple[Range, ...]:
    """The slots as runs, in order."""
    found: list[Range] = []
    for slot in sorted(slots):
        if found and found[-1][1] == slot - 1:
            found[-1] = (found[-1][0], slot)
        else:
            found.append((slot, slot))
    return tuple(found)


def describe(ranges: Iterable[Range]) -> str:
    """The ranges as Redis writes them: `0-5460 10923`."""
    return " ".join(f"{a}-{b}" if a != b else str(a) for a, b in ranges)


def plan(masters: int) -> tuple[Range, ...]:
    """The slots of each master of a new cluster, in even shares."""
    bounds = [round(i * SLOTS / masters) for i in range(masters + 1)]
    return tuple((first, last - 1) for first, last in itertools.pairwise(bounds))


def planned_master(index: int, masters: int) -> int:
    """Whose replica node `index` is in a new cluster; a master is its own."""
    return index % masters


def unassigned(views: Iterable[View]) -> frozenset[int]:
    """The slots that no node claims for itself."""
    return _without(view.me for view in views)


def unknown(view: View) -> frozenset[int]:
    """The slots of which this node knows no owner."""
    return _without(view.nodes)


def _without(nodes: Iterable[ClusterNode]) -> frozenset[int]:
    missing = set(range(SLOTS))
    for node in nodes:
        for first, last in node.slots:
            missing.difference_update(range(first, last + 1))
    return frozenset(missing)


def shard_of(index: int, views: Mapping[int, View]) -> int:
    """The index of the master of node `index` as it is now, or its own."""
    me = views[index].me
    found = (i for i, view in views.items() if view.me.id == me.master_id)
    return next(found, index)


def owners(views: Mapping[int, View], missing: frozenset[int], masters: int) -> dict[int, set[int]]:
    """Which master, by index, is to have which of the slots that no node claims for itself: the one
    that another node still holds for the owner, else the one that a new cluster gives it to."""
    found = {
        slot: shard_of(i, views)
        for i, (a, b) in enumerate(plan(masters))
        for slot in range(a, b + 1)
    }
    places = {view.me.id: index for index, view in views.items() if view.me.master}
    for node in (node for view in views.values() for node in view.nodes if node.id in places):
        for first, last in node.slots:
            found.update(
                dict.fromkeys(missing.intersection(range(first, last + 1)), places[node.id])
            )
    given: dict[int, set[int]] = {}
    for slot in missing:
        given.setdefault(found[slot], set()).add(slot)
    return given


def replicas_of(views: Mapping[int, View]) -> dict[int, int]:
    """How many replicas each master with slots has, by index."""
    counts = {i: 0 for i, view in views.items() if view.me.master and view.me.slots}
    for i, view in views.items():
        shard = shard_of(i, views)
        if not view.me.master and shard in counts:
            counts[shard] += 1
    return counts
