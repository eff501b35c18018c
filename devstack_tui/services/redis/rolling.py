"""How the cluster is restarted node by node: replicas first, and no master while it has slots."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.tunable import Rolling
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.client import look, node_count, node_name, session
from devstack_tui.services.redis.topology import View

if TYPE_CHECKING:
    pass

TIMEOUT_S = 2.0
HAND_OVER_S = 20.0
AGAIN_S = 6.0
"""Redis itself gives a CLUSTER FAILOVER up after 5 s, without notice."""
LOOKS = 3
PAUSE_S = 0.05


class RedisRolling:
    """See `devstack_tui.contracts.tunable.Rolling`. A unit is a node."""

    def order(self, target: Target) -> tuple[str, ...]:
        """See the Protocol."""
        views = _require_all(target)
        owners = [index for index, view in views.items() if _serves(view)]
        others = [index for index in views if index not in owners]
        return tuple(node_name(index) for index in others + owners)

    def hand_over(self, target: Target, unit: str) -> None:
        """See the Protocol. Returns when all nodes agree on the new master.

        In a cluster without replicas there is nobody to take over: nothing happens.
        """
        if not int(target.options["replicas"]):
            return
        until = time.monotonic() + HAND_OVER_S
        asked = 0.0
        missing = ""
        while time.monotonic() < until:
            views, missing = _look(target)
            index = _index(target, unit)
            if index not in views:
                raise UnreachableError(f"{unit} cannot be reached", "`devstack-tui up redis`")
            if not missing and not _serves(views[index]) and not _dissent(views):
                return
            if not missing and _serves(views[index]):
                heir, missing = _heir(views, index)
                if heir is not None and time.monotonic() - asked > AGAIN_S:
                    asked = time.monotonic()
                    missing = _fail_over(target, heir)
            time.sleep(PAUSE_S)
        raise DevstackError(
            f"{unit} did not hand its slots over within {HAND_OVER_S:.0f} s: "
            f"{missing or 'the nodes do not agree on a new master'}",
            "`devstack-tui status` shows the cluster",
        )

    def settled(self, target: Target) -> str:
        """See the Protocol. The cluster is looked at several times, because a replica's link is
        up for a moment before it is lost again when its master has only just come."""
        for look_number in range(LOOKS):
            if look_number:
                time.sleep(PAUSE_S)
            views, missing = _look(target)
            if missing := missing or _unsettled(views, int(target.options["replicas"])):
                return missing
        return ""


def _look(target: Target) -> tuple[dict[int, View], str]:
    """What every node sees, and which one does not answer."""
    import redis

    views: dict[int, View] = {}
    missing = ""
    for index in range(node_count(target)):
        try:
            with session(target, index, TIMEOUT_S) as client:
                views[index] = look(client, index)
        except (OSError, redis.RedisError) as error:
            missing = (
                f"{node_name(index)} does not answer: {redact(str(error).partition(chr(10))[0])}"
            )
    return views, missing


def _require_all(target: Target) -> dict[int, View]:
    views, missing = _look(target)
    if missing:
        raise UnreachableError(missing, "`devstack-tui up redis`")
    return views


def _index(target: Target, unit: str) -> int:
    return next(index for index in range(node_count(target)) if node_name(index) == unit)


def _serves(view: View) -> bool:
    return view.me.master and bool(view.me.slots)


def _heir(views: Mapping[int, View], index: int) -> tuple[int | None, str]:
    """The replica that has most of the master's stream and is connected to it, or why none."""
    master = views[index].me.id
    found = [view for view in views.values() if view.me.master_id == master]
    ready = [view for view in found if view.link_up and view.replication.get("role") == "slave"]
    if ready:
        return max(ready, key=lambda view: view.offset).index, ""
    name = node_name(index)
    return None, f"no replica of {name} is in sync" if found else f"{name} has no replica"


def _fail_over(target: Target, heir: int) -> str:
    """Ask a replica to become master as soon as it has all. Returns why it does not."""
    import redis

    try:
        with session(target.as_admin(), heir, TIMEOUT_S) as client:
            command: Any = client.execute_command
            command("CLUSTER", "FAILOVER")
    except (OSError, redis.RedisError) as error:
        return f"{node_name(heir)}: {redact(str(error))}"
    return ""


def _dissent(views: Mapping[int, View]) -> str:
    """What keeps the nodes from seeing one and the same cluster, without a fault in it."""
    seen = {}
    for index, view in views.items():
        for node in view.nodes:
            if node.failed or node.suspected or node.joining:
                port = f"{node.host}:{node.port}"
                return f"{node_name(index)} holds {port} for dead or for a stranger"
        seen[index] = frozenset((node.id, node.slots, node.master_id) for node in view.nodes)
    first = next(iter(seen.values()), frozenset())
    for index, picture in seen.items():
        if picture != first:
            return f"{node_name(index)} sees other masters than {node_name(min(seen))}"
    return ""


def _unsettled(views: Mapping[int, View], replicas: int) -> str:
    for index, view in views.items():
        name = node_name(index)
        if not view.ok or view.slots("ok") != topology.SLOTS:
            return f"{name} sees {view.slots('ok')} of {topology.SLOTS} slots served"
        if not view.link_up:
            return f"{name} is not in sync with its master"
        if view.me.master and not view.me.slots:
            return f"{name} is a master without slots"
    for index, count in topology.replicas_of(views).items():
        known = views[index].replication.get("connected_slaves", 0)
        if replicas and not count:
            return f"{node_name(index)} has no replica"
        if count > int(str(known)):
            return f"{node_name(index)} has lost a replica"
    return _dissent(views)


ROLLING: Rolling = RedisRolling()
