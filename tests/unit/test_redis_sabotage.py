"""When Redis is whole again after a sabotage, and who is blamed for a key that does not belong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devstack_tui.contracts.audit import ProtocolFault
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.redis import tls as redis_tls
from devstack_tui.services.redis.sabotage import replicated
from devstack_tui.services.redis.tls import TLS
from devstack_tui.services.redis.topology import ClusterNode, View
from tests.unit.tls_kit import Pki


def _node(name: str, *flags: str, master: str = "") -> ClusterNode:
    return ClusterNode(name, "127.0.0.1", 1, 2, frozenset(flags), master, 1, True, ())


def _view(me: str, **replication: object) -> View:
    """What one of a master `a` and its replicas `b` and `c` sees."""
    nodes = [("a", "master", ""), ("b", "slave", "a"), ("c", "slave", "a")]
    seen = [
        _node(name, role, *(["myself"] if name == me else []), master=master)
        for name, role, master in nodes
    ]
    return View(0, tuple(seen), {}, replication, {})


@pytest.mark.parametrize(
    ("view", "whole"),
    [
        (_view("a", role="master", connected_slaves=2), True),
        (_view("a", role="master", connected_slaves=1), False),
        (_view("b", role="slave", master_link_status="up", connected_slaves=0), True),
        (_view("b", role="slave", master_link_status="down", connected_slaves=0), False),
    ],
    ids=["master", "master that lacks one", "replica", "replica without a link"],
)
def test_replication_is_whole_when_both_sides_say_so(view: View, whole: bool) -> None:
    assert replicated(view) is whole


def _ask_the_bus(pki: Pki) -> str:
    """Work over the bus of a cluster of one node that does not run."""
    found = SimpleNamespace(
        ca=pki.ca,
        name="redis.dev-services.local",
        endpoint=SimpleNamespace(host="127.0.0.1"),
        ports={"main": 16379, "tls": 16390},
        options={"masters": 1, "replicas": 0},
    )
    found.as_admin = lambda: found
    target = cast(Target, found)
    return TLS.query(target, TLS.listeners(target)[-1], True, 1.0)


def test_a_key_of_ours_that_does_not_belong_is_not_the_bus_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki = Pki(tmp_path)
    files = pki.write(pki.leaf())
    own = files.cert.read_bytes()
    pki.write(pki.leaf())
    files.cert.write_bytes(own)
    monkeypatch.setattr(redis_tls, "_own_files", lambda *_: (str(files.cert), str(files.key)))
    with pytest.raises(DevstackError, match="and its key cannot be used") as raised:
        _ask_the_bus(pki)
    assert not isinstance(raised.value, ProtocolFault)


@pytest.mark.parametrize(
    ("error", "seen"),
    [(TimeoutError, TimeoutError), (ConnectionRefusedError, ProtocolFault)],
    ids=["busy", "without TLS"],
)
def test_a_node_that_is_slow_to_tell_its_files_is_not_one_that_has_no_tls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    seen: type[Exception],
) -> None:
    def session(*_: object) -> None:
        raise error

    monkeypatch.setattr(redis_tls, "session", session)
    with pytest.raises(seen):
        _ask_the_bus(Pki(tmp_path))
