"""Redis' replication check, on what nodes say of themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from devstack_tui.contracts.audit import Audit, Finding
from devstack_tui.core.check import Status
from devstack_tui.services.redis import checks as redis_checks
from devstack_tui.services.redis.checks import CHECKS
from devstack_tui.services.redis.topology import ClusterNode, View

MASTER, REPLICA = 0, 3
PORTS = {"main": 16379, "tls": 16390}


def _node(name: str, port: int, *flags: str, master: str = "") -> ClusterNode:
    return ClusterNode(
        name, "127.0.0.1", port, port + 10000, frozenset(flags), master, 1, True, ((0, 5),)
    )


def judged(
    monkeypatch: pytest.MonkeyPatch,
    index: int,
    replication: dict[str, object],
    came_in: tuple[int, ...] = (),
    setting: str = "yes",
) -> Finding:
    """What the check says of a node of one master and its replica."""
    mine = "myself"
    nodes = (
        _node("a", 16390, "master", *([mine] if index == MASTER else [])),
        _node("b", 16393, "slave", *([mine] if index == REPLICA else []), master="a"),
    )
    view = View(index, nodes, {}, replication, {})
    monkeypatch.setattr(redis_checks, "_ask_node", lambda *_: (view, [*came_in], setting))
    target = SimpleNamespace(ports=PORTS, options={"masters": 3, "replicas": 1})
    audit = cast(Audit, SimpleNamespace(target=lambda _: target, timeout=1.0))
    return CHECKS.checks(audit)[index].run(audit)


UP: dict[str, Any] = {"role": "slave", "master_link_status": "up", "master_port": 16390}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Status.PASS),
        ({"master_link_status": "down"}, Status.INCONCLUSIVE),
        ({"master_port": 16379}, Status.FAIL),
    ],
    ids=["up", "down", "to the plain port"],
)
def test_a_replica_s_link_stands_and_ends_at_a_tls_port(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], expected: Status
) -> None:
    assert judged(monkeypatch, REPLICA, UP | changes).status is expected


@pytest.mark.parametrize(
    ("came_in", "expected"),
    [((16390,), Status.PASS), ((16379,), Status.FAIL), ((), Status.INCONCLUSIVE)],
    ids=["tls", "plain", "none"],
)
def test_a_master_s_replicas_came_in_on_its_tls_port(
    monkeypatch: pytest.MonkeyPatch, came_in: tuple[int, ...], expected: Status
) -> None:
    assert judged(monkeypatch, MASTER, {"role": "master"}, came_in).status is expected


@pytest.mark.parametrize("index", [MASTER, REPLICA])
def test_a_link_that_would_be_made_in_clear_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    found = judged(monkeypatch, index, UP, (16390,), setting="no")
    assert found.status is Status.FAIL
    assert "tls-replication is no" in found.evidence
