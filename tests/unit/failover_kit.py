"""A cluster as it is seen, and a failover of it, recorded."""

from __future__ import annotations

from typing import Any

from devstack_tui.contracts.drill import Marker, Shard
from devstack_tui.contracts.model import Target
from devstack_tui.drill.catalogue import Catalogue
from devstack_tui.services.redis.drills.limits import Limits, limits_of
from devstack_tui.services.redis.drills.preconditions import ClusterSnapshot
from devstack_tui.services.redis.drills.steps import Outcome
from devstack_tui.services.redis.topology import ClusterNode, View

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


def look(target: Target, epoch: int = 6, **changes: Any) -> ClusterSnapshot:
    """3 masters, 3 replicas, whole. `changes` are of the last node's line in every view."""
    port = target.ports["tls"]
    nodes = tuple(
        ClusterNode(
            id=f"id{i}",
            host="127.0.0.1",
            port=port + i,
            bus_port=0,
            flags=frozenset({"master"} if i < 3 else {"slave"}),
            master_id="" if i < 3 else f"id{i - 3}",
            config_epoch=i % 3 + 1,
            connected=True,
            slots=(SLOTS[i],) if i < 3 else (),
        )
        for i in range(6)
    )
    nodes = (*nodes[:5], changed(nodes[5], **changes))
    info = {
        "cluster_state": "ok",
        "cluster_slots_ok": "16384",
        "cluster_current_epoch": str(epoch),
    }
    views = {
        i: View(
            i,
            tuple(changed(n, flags=n.flags | {"myself"}) if n is nodes[i] else n for n in nodes),
            info,
            {"role": "master"} if i < 3 else {"role": "slave", "master_link_status": "up"},
            {},
        )
        for i in range(6)
    }
    return ClusterSnapshot(views, {}, ())


def changed(node: ClusterNode, **changes: Any) -> ClusterNode:
    kept = {name: getattr(node, name) for name in ClusterNode.__slots__}
    return ClusterNode(**{**kept, **changes})


def limits(
    fault: str = "sigkill",
    *,
    replicas: int = 1,
    master: bool = True,
    lag_s: float | None = 0.01,
    timeout_ms: int = 1000,
) -> Limits:
    """Of drills.toml as it is shipped."""
    thresholds = Catalogue().choose("redis.failover").thresholds
    return limits_of(fault, thresholds, timeout_ms, replicas=replicas, master=master, lag_s=lag_s)


def outcome(target: Target, **changes: Any) -> Outcome:
    """A failover of redis-1 that went well."""
    marks = (
        Marker(1, 0.0, "fault"),
        Marker(1, 1100.0, "suspected", "redis-1"),
        Marker(1, 1900.0, "promoted", "redis-4", "epoch 7"),
        Marker(1, 1950.0, "covered"),
        Marker(1, 1960.0, "back", "shard 1 write"),
        Marker(1, 4000.0, "rejoined", "redis-1", "as a replica"),
        Marker(1, 4100.0, "resynced", "redis-1", "with redis-4 at byte 1"),
        Marker(1, 4200.0, "healed"),
    )
    fault = changes.get("fault", "sigkill")
    made: dict[str, Any] = {
        "limits": limits(fault, replicas=changes.get("replicas", 1)),
        "fault": fault,
        "victim": 0,
        "before": look(target),
        "after": look(target, epoch=7),
        "shard": "shard 1",
        "replicas": 1,
        "shards": (shard(1, 1.96), shard(2), shard(3)),
        "markers": marks,
    }
    return Outcome(**{**made, **changes})


def shard(number: int, window: float = 0.0, **more: Any) -> Shard:
    return Shard(
        name=f"shard {number}",
        write_window_s=window,
        read_window_s=window,
        acknowledged=300,
        **more,
    )


def without(made: Outcome, *kinds: str) -> Outcome:
    made.markers = tuple(mark for mark in made.markers if mark.kind not in kinds)
    return made
