"""`up` mends what is wrong with the Redis Cluster's own bookkeeping, and no key is lost."""

from __future__ import annotations

import pytest

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.registry import service
from devstack_tui.services.redis.client import look, session
from devstack_tui.services.redis.topology import View
from devstack_tui.stack.stack import Stack
from tests.conftest import Cli

KEY = "{devstack-tui}"


def views(target: Target) -> dict[int, View]:
    found = {}
    for index in range(6):
        with session(target, index, 5) as client:
            found[index] = look(client, index)
    return found


def owner(target: Target, slot: int) -> int:
    """The index of the master that claims the slot for itself."""
    return next(
        index
        for index, view in views(target).items()
        if any(first <= slot <= last for first, last in view.me.slots)
    )


def test_a_slot_that_nobody_claims_is_given_back(
    fresh: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fresh.run("up", "redis").returncode == 0
    fresh.enter(monkeypatch)
    target = Stack(fresh.stack).engine().target(service("redis")).as_admin()
    with session(target, 0, 5) as client:
        slot = client.execute_command("CLUSTER KEYSLOT", KEY)
    index = owner(target, slot)
    with session(target, index, 5) as client:
        client.set(KEY, "kept")
        client.execute_command("CLUSTER DELSLOTS", slot)
    healed = fresh.run("up", "redis")
    assert healed.returncode == 0, healed.stderr
    assert f"no node claims the slots {slot}: redis-{index + 1} does now" in healed.stderr
    with session(target, index, 5) as client:
        assert client.get(KEY) == "kept"
    assert fresh.status()["redis"]["state"] == "healthy"

    # The same in the files of nodes that are stopped; one is cut short, and a master's is gone.
    before = [view.me.id for view in views(target).values()]
    assert fresh.run("down").returncode == 0
    folder = fresh.root / "data" / "redis"
    for found in folder.glob("redis-*/nodes.conf"):
        found.write_text(found.read_text().replace(" 0-5460", " 0-5459"))
    replica = folder / "redis-5" / "nodes.conf"
    replica.write_bytes(replica.read_bytes()[:300])
    (folder / "redis-2" / "nodes.conf").unlink()
    healed = fresh.run("up", "redis")
    assert healed.returncode == 0, healed.stderr
    assert "no node claims the slots 5460: redis-1" in healed.stderr
    assert "redis-5's nodes.conf is damaged" in healed.stderr
    assert "redis-2's nodes.conf is gone" in healed.stderr
    assert [view.me.id for view in views(target).values()] == before
    with session(target, owner(target, slot), 5) as client:
        assert client.get(KEY) == "kept"
    assert fresh.status()["redis"]["state"] == "healthy"
