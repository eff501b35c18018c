"""One node's report on the cluster, parsed strictly: it is the evidence of the drill. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devstack_tui.services.redis import topology
from devstack_tui.services.redis.instrument.resp import ProtocolError, Reply
from devstack_tui.services.redis.loader import encode
from devstack_tui.services.redis.topology import ClusterNode

QUESTIONS = (
    encode(b"CLUSTER", b"NODES"),
    encode(b"CLUSTER", b"INFO"),
    encode(b"INFO", b"replication"),
)
UNWELL = frozenset(("fail", "fail?", "handshake", "noaddr"))
# When the nodes last pinged each other: changes at every look, and nobody asks for it.
_PINGS = re.compile(rb" \d+ \d+ (?=\d+ (?:dis)?connected)")


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of the cluster as one of them sees them. `owners` is who has which slots."""

    me: ClusterNode
    by_id: dict[str, ClusterNode]
    owners: frozenset[tuple[str, tuple[topology.Range, ...]]]

    def owner(self, slot: int) -> ClusterNode | None:
        """Who owns the slot."""
        for node in self.by_id.values():
            if owns(node, slot):
                return node
        return None


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One look. `offset` is the node's place in the replication stream, bytes."""

    nodes: Nodes
    ok: bool
    slots_ok: int
    slots_bad: int
    replica: bool
    link_up: bool
    offset: int

    @property
    def me(self) -> ClusterNode:
        return self.nodes.me


def owns(node: ClusterNode, slot: int) -> bool:
    """Whether the node is a master and has the slot."""
    return node.master and any(first <= slot <= last for first, last in node.slots)


def parse_nodes(text: str) -> Nodes:
    """The reply of CLUSTER NODES. Raises `ProtocolError` unless it is one, whole and possible."""
    try:
        nodes = topology.parse_nodes(text)
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"CLUSTER NODES cannot be read: {error}"[:200]) from None
    mine = [node for node in nodes if node.myself]
    if len(mine) != 1:
        raise ProtocolError(f"CLUSTER NODES has {len(mine)} lines of the node itself")
    for node in nodes:
        for first, last in node.slots:
            if not 0 <= first <= last < topology.SLOTS:
                raise ProtocolError(f"CLUSTER NODES has slots {first}-{last}"[:200])
    return Nodes(
        me=mine[0],
        by_id={node.id: node for node in nodes},
        owners=frozenset((node.id, node.slots) for node in nodes if node.master and node.slots),
    )


class Reader:
    """Reads the answers of one node; the nodes only when they changed."""

    def __init__(self) -> None:
        self._raw = b""
        self._nodes: Nodes | None = None

    def read(self, nodes: Reply, info: Reply, replication: Reply) -> NodeReport:
        """The report from the three answers. Raises `ProtocolError`."""
        raw = _PINGS.sub(b" 0 0 ", _text(nodes))
        if self._nodes is None or raw != self._raw:
            self._nodes = parse_nodes(raw.decode(errors="replace"))
            self._raw = raw
        cluster = topology.parse_info(_text(info).decode(errors="replace"))
        stream = topology.parse_info(_text(replication).decode(errors="replace"))
        replica = stream.get("role") == "slave"
        return NodeReport(
            nodes=self._nodes,
            ok=cluster.get("cluster_state") == "ok",
            slots_ok=_count(cluster, "cluster_slots_ok"),
            slots_bad=_count(cluster, "cluster_slots_pfail")
            + _count(cluster, "cluster_slots_fail"),
            replica=replica,
            link_up=not replica
            or (
                stream.get("master_link_status") == "up"
                and stream.get("master_sync_in_progress") == "0"
            ),
            offset=_count(stream, "slave_repl_offset" if replica else "master_repl_offset"),
        )


def _text(reply: Reply) -> bytes:
    if not isinstance(reply, bytes):
        raise ProtocolError(f"a node answers {str(reply)[:80]!r} when it is asked what it sees")
    return reply


def _count(values: dict[str, str], name: str) -> int:
    try:
        return int(values[name][:32])
    except (KeyError, ValueError):
        raise ProtocolError(f"a node does not say its {name}") from None
