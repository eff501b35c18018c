"""Forming the cluster: steps that look at what is there and add what is missing.

Every step may be cut short by a `kill -9`: the next call sees the state that it left and goes on.
A cluster that is whole is left alone, whichever nodes are its masters by now.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.server_home import ServerHome
from devstack_tui.core.errors import DevstackError, SaturatedError
from devstack_tui.services.redis import accounts, topology
from devstack_tui.services.redis.client import (
    FULL,
    close,
    connect,
    is_full,
    look,
    node_count,
    node_name,
)
from devstack_tui.services.redis.topology import View

if TYPE_CHECKING:
    import redis

MEET_AGAIN_S = 1.0


class _ClusterNotReady(Exception):
    """What the cluster still lacks; the wait shows it when the time is over."""


def form(home: ServerHome) -> None:
    """Return when all slots are served and every replica is in sync.

    Raises `DevstackError` when that takes longer than a minute, or when the nodes belong to
    another cluster.
    """
    with ExitStack() as stack:
        former = _ClusterFormation(home, stack)
        home.wait_for("the Redis nodes to accept connections", former.reach)
        former.refuse_strangers()
        home.wait_for("the Redis cluster to form", former.step)


class _ClusterFormation:
    """The nodes of one cluster and the connections to them."""

    def __init__(self, home: ServerHome, stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        self._masters = int(home.target.options["masters"])
        self._total = node_count(home.target)
        self._clients: dict[int, redis.Redis] = {}
        self._met: dict[tuple[int, int], float] = {}

    def reach(self) -> bool:
        """Connect to every node that is not connected yet."""
        for index in range(self._total):
            if index not in self._clients:
                self._clients[index] = self._connected(index)
        return True

    def _connected(self, index: int) -> redis.Redis:
        try:
            client = self._login(index)
            self._stack.callback(close, client)
            client.ping()
        except Exception:
            if is_full(self._home.target, index):
                raise SaturatedError("redis", f"{node_name(index)}: {FULL}") from None
            raise
        return client

    def _login(self, index: int) -> redis.Redis:
        """A client of the node, by our own account. Its first start by this release may be to
        come: then the node gets the accounts now."""
        import redis

        target = self._home.target
        try:
            return connect(target.as_admin(), index, 2)
        except redis.AuthenticationError:
            accounts.convert(target, index)
        return connect(target.as_admin(), index, 2)

    def refuse_strangers(self) -> None:
        """A node of another cluster, or a lost one, cannot be mended from here."""
        views = self._look()
        ours = {view.me.id for view in views.values()}
        for view in views.values():
            for node in view.nodes:
                if node.id not in ours and not node.joining:
                    raise DevstackError(
                        f"{node_name(view.index)} knows a Redis node at {node.host}:{node.port} "
                        "that is not in stack.toml",
                        "delete the stack's data with `devstack-tui --stack "
                        f"{self._home.stack} down --wipe` and start it again",
                    )

    def step(self) -> bool:
        """Do what can be done now. True when the cluster is whole; raises what it lacks."""
        views = self._look()
        self._epochs(views)
        if missing := topology.unassigned(views.values()):
            self._assign(views, missing)
            raise _ClusterNotReady(f"{len(missing)} slots are not assigned")
        if strangers := self._meet(views):
            raise _ClusterNotReady(f"{strangers} nodes do not know each other yet")
        if spare := [i for i, view in views.items() if view.me.master and not view.me.slots]:
            self._replicate(views, spare)
            raise _ClusterNotReady(f"{node_name(spare[0])} is no replica yet")
        for view in views.values():
            name = node_name(view.index)
            if not view.ok or view.slots("ok") != topology.SLOTS:
                raise _ClusterNotReady(
                    f"{name} sees {view.slots('ok')} of {topology.SLOTS} slots served"
                )
            if not view.link_up:
                raise _ClusterNotReady(f"{name} is not in sync with its master")
        return True

    def _look(self) -> dict[int, View]:
        return {index: look(client, index) for index, client in self._clients.items()}

    def _command(self, index: int, *words: str | int) -> None:
        """A CLUSTER command that may come too early: the next step sees whether it took."""
        import redis

        with suppress(redis.ResponseError):
            client: Any = self._clients[index]
            client.execute_command("CLUSTER", *words)

    def _epochs(self, views: Mapping[int, View]) -> None:
        """Distinct epochs from the start: nodes that share one must first resolve the conflict."""
        for index, view in views.items():
            if len(view.nodes) == 1 and view.me.config_epoch == 0 and index < self._masters:
                self._command(index, "SET-CONFIG-EPOCH", index + 1)

    def _assign(self, views: Mapping[int, View], missing: frozenset[int]) -> None:
        """Give each slot to the master that the others hold for its owner, else as planned."""
        for index, slots in topology.owners(views, missing, self._masters).items():
            if len(missing) < topology.SLOTS and len(views[index].nodes) > 1:
                where = topology.describe(topology.runs(slots))
                self._home.say(f"no node claims the slots {where}: {node_name(index)} does now")
            self._command(index, "ADDSLOTS", *sorted(slots))

    def _meet(self, views: Mapping[int, View]) -> int:
        """Introduce the nodes that do not know each other, or know an old address."""
        pairs = 0
        for index, view in views.items():
            known = {node.id: node for node in view.nodes if not node.joining}
            for other in range(self._total):
                port = self._home.port("tls") + other
                node = known.get(views[other].me.id)
                if node is not None and node.port == port and (node.connected or node.myself):
                    continue
                pairs += 1
                # Every pair by itself: waiting for gossip to spread one introduction is slower.
                pair = (min(index, other), max(index, other))
                if time.monotonic() - self._met.get(pair, 0.0) > MEET_AGAIN_S:
                    self._met[pair] = time.monotonic()
                    host, port = self._home.target.endpoint.host, self._home.port("tls")
                    self._command(pair[0], "MEET", host, port + pair[1])
        return pairs

    def _replicate(self, views: Mapping[int, View], spare: list[int]) -> None:
        replicas = topology.replicas_of(views)
        share = (self._total - self._masters) // self._masters
        for index in spare:
            wanted = topology.shard_of(topology.planned_master(index, self._masters), views)
            if replicas.get(wanted, share) >= share:
                wanted = min(replicas, key=lambda shard: replicas[shard])
            replicas[wanted] += 1
            self._command(index, "REPLICATE", views[wanted].me.id)
