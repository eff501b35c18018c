"""A Redis Cluster of four nodes that is played for the instrument: two masters, two replicas."""

from __future__ import annotations

from devstack_tui.services.redis.instrument.cluster_view import ClusterView
from devstack_tui.services.redis.instrument.failover_timeline import FailoverTimeline
from devstack_tui.services.redis.instrument.messages import Mark
from devstack_tui.services.redis.instrument.node_view import NodeReport, Reader

NAMES = ("redis-1", "redis-2", "redis-3", "redis-4")


def lines(
    me: int,
    *,
    owners: dict[int, str] | None = None,
    flags: dict[int, str] | None = None,
    masters: dict[int, int] | None = None,
    epochs: dict[int, int] | None = None,
) -> str:
    """CLUSTER NODES of four nodes as node `me` sees them: 0 and 1 own slots, 2 and 3 follow."""
    owners = {0: "0-8191", 1: "8192-16383"} if owners is None else owners
    masters = {2: 0, 3: 1} if masters is None else masters
    made = []
    for i in range(4):
        role = "slave" if i in masters else "master"
        mine = "myself," if i == me else ""
        extra = (flags or {}).get(i, "")
        up = "disconnected" if "fail" in extra else "connected"
        master = f"id{masters[i]}" if i in masters else "-"
        epoch = (epochs or {}).get(masters.get(i, i), masters.get(i, i) + 1)
        made.append(
            f"id{i} 127.0.0.1:{7000 + i}@{17000 + i} {mine}{role}{extra} {master} "
            f"1 2 {epoch} {up} {owners.get(i, '')}".rstrip()
        )
    return "\n".join(made) + "\n"


def report(
    me: int,
    *,
    ok: int = 16384,
    link: str = "up",
    offset: int = 100,
    state: str = "ok",
    **told: object,
) -> NodeReport:
    text = lines(me, **told)  # type: ignore[arg-type]
    replica = "myself,slave" in text
    info = f"cluster_state:{state}\r\ncluster_slots_ok:{ok}\r\ncluster_slots_pfail:{16384 - ok}\r\n"
    stream = f"role:master\r\nmaster_repl_offset:{offset}\r\n"
    if replica:
        stream = (
            f"role:slave\r\nmaster_link_status:{link}\r\nmaster_sync_in_progress:0\r\n"
            f"slave_repl_offset:{offset}\r\n"
        )
    raw = (text, info + "cluster_slots_fail:0\r\n", stream)
    return Reader().read(*(part.encode() for part in raw))


class Stage:
    """A cluster of four nodes on which a story is played."""

    def __init__(self) -> None:
        self.cluster = ClusterView(NAMES, [f"127.0.0.1:{7000 + i}" for i in range(4)])
        self.marks: list[Mark] = []
        self.watch = FailoverTimeline(self.cluster, self.marks.append)
        self.at = 0.0
        self.play(0, 1, 2, 3)

    def play(self, *nodes: int, **told: object) -> list[str]:
        """These nodes answer, with this news; returns the marks that come of it."""
        before = len(self.marks)
        for node in nodes:
            self.at += 0.01
            self.cluster.record_answer(node, report(node, **told), self.at)  # type: ignore[arg-type]
            self.watch.look(self.at)
        return [mark.kind for mark in self.marks[before:]]

    def silent(self, node: int, why: str) -> list[str]:
        before = len(self.marks)
        self.at += 0.01
        self.cluster.silent(node, why)
        self.watch.look(self.at)
        return [mark.kind for mark in self.marks[before:]]

    def state(self, node: int) -> str:
        return self.cluster.views()[node].state
