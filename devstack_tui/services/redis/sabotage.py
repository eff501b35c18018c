"""Sabotages of Redis' TLS by CONFIG SET on every node; nothing is restarted."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any

from devstack_tui.contracts.audit import SECURITY_LEVEL_0, SabotageStack, TlsSabotage
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.tls import SERVER_CIPHERS
from devstack_tui.services.redis.cert_reload import TIMEOUT_S, configure
from devstack_tui.services.redis.client import close, connect, look, node_count, node_name
from devstack_tui.services.redis.tls import BUS
from devstack_tui.services.redis.topology import View

LINKS_S = 20.0
"""Time for a failover, should the change have caused one, and for the replicas to follow."""

_PROTOCOLS = "tls-protocols"
_DECLARED = "TLSv1.2 TLSv1.3"
# OpenSSL has no TLS 1.0 and 1.1 above its security level 0, which outlives the list that set it
# in no context of Redis: it makes another for every change.
_OLD = {
    _PROTOCOLS: f"TLSv1 TLSv1.1 {_DECLARED}",
    "tls-ciphers": f"{SERVER_CIPHERS}:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
}
_WEAK = {"tls-ciphers": "ALL:COMPLEMENTOFALL:@SECLEVEL=0"}
_USUAL = {_PROTOCOLS: _DECLARED, "tls-ciphers": SERVER_CIPHERS}
_ANNOUNCED = ("cluster-announce-port", "cluster-announce-tls-port", "cluster-announce-bus-port")


@contextlib.contextmanager
def _set(values: dict[str, str], stack: SabotageStack) -> Iterator[None]:
    """Settings of the same value on every node."""
    usual = {name: _USUAL[name] for name in values}
    try:
        _everywhere(stack, values)
        yield
    finally:
        _everywhere(stack, usual)


def _everywhere(stack: SabotageStack, values: dict[str, str]) -> None:
    target = stack.audit.target("redis")
    for index in range(node_count(target)):
        configure(target, index, values)


@contextlib.contextmanager
def _closed(name: str, stack: SabotageStack) -> Iterator[None]:
    """No node has the port of plain clients (`port`), or that of TLS (`tls-port`)."""
    target = stack.audit.target("redis")
    usual = target.ports["main" if name == "port" else "tls"]
    with _pinned(target):
        try:
            for index in range(node_count(target)):
                configure(target, index, {name: "0"}, tls=name == "port")
            yield
        finally:
            for index in range(node_count(target)):
                configure(target, index, {name: str(usual + index)}, tls=name == "port")
    # A replica that lost its link meanwhile had no port to reconnect to.
    _await_links(target, 0.0)


@contextlib.contextmanager
def _plain_bus(stack: SabotageStack) -> Iterator[None]:
    """The nodes talk to each other without TLS."""
    target = stack.audit.target("redis")
    with _pinned(target):
        try:
            # Without `tls-cluster` Redis 7.0 sends clients to the one port that is announced.
            _renew_links(target, "no", "tls")
            yield
        finally:
            _renew_links(target, "yes", "main")
    _await_links(target, 0.0)


@contextlib.contextmanager
def _pinned(target: Target) -> Iterator[None]:
    """Each node announces the ports that it has, whatever becomes of them: the others would look
    for it elsewhere, and the cluster fall apart."""
    nodes = range(node_count(target))
    try:
        for index in nodes:
            tls = target.ports["tls"] + index
            ports = (target.ports["main"] + index, tls, tls + BUS)
            configure(target, index, dict(zip(_ANNOUNCED, map(str, ports), strict=True)))
        yield
    finally:
        for index in nodes:
            configure(target, index, dict.fromkeys(_ANNOUNCED, "0"))


def _renew_links(target: Target, encrypted: str, announced: str) -> None:
    """The bus with TLS or without, and all its links anew.

    A link keeps what it has until it breaks. The others break theirs to a node that announces
    another address: in Redis 7.0 `tls-cluster` alone changes it, in later ones only a port does.
    """
    began = time.time()
    for index in range(node_count(target)):
        port = str(target.ports[announced] + index)
        configure(target, index, {"tls-cluster": encrypted, _ANNOUNCED[0]: port})
    _await_links(target, began)


def _await_links(target: Target, since: float) -> None:
    """Wait until every node has links to all others that are younger than `since` (Unix time), all
    agree who is whose replica, and every replica is linked to its master: a node that announces
    other ports is connected to anew.

    Raises `DevstackError` after `LINKS_S` seconds.
    """
    deadline = time.monotonic() + LINKS_S
    while waiting := _unlinked(target, since):
        if time.monotonic() > deadline:
            raise DevstackError(f"not linked to the others again: {', '.join(waiting)}")
        time.sleep(0.05)


def _unlinked(target: Target, since: float) -> list[str]:
    """The nodes that lack a link, or see another cluster than the first."""
    nodes = range(node_count(target))
    found = [_ask_links(target, index) for index in nodes]
    first = _roles(found[0][0])
    return [
        node_name(index)
        for index, (view, links) in zip(nodes, found, strict=True)
        if _roles(view) != first
        or not replicated(view)
        or len(_young(links, since)) < len(nodes) - 1
    ]


def _ask_links(target: Target, index: int) -> tuple[View, list[Any]]:
    """What the node sees, and its links."""
    client = connect(target.as_admin(), index, TIMEOUT_S, tls=False)
    try:
        send: Any = client.execute_command
        # Since Redis 7.0; pairs of names and values, flat.
        links = [dict(zip(one[::2], one[1::2], strict=True)) for one in send("CLUSTER LINKS")]
        return look(client, index), links
    finally:
        close(client)


def _roles(view: View) -> set[tuple[str, str, bool]]:
    """Of each node whose replica it is, and whether it is held for dead."""
    return {(node.id, node.master_id, node.failed or node.suspected) for node in view.nodes}


def replicated(view: View) -> bool:
    """Whether a replica's link to its master is up, or all replicas of a master are linked."""
    mine = [node for node in view.nodes if node.master_id == view.me.id]
    here = int(str(view.replication.get("connected_slaves", 0)))
    return view.link_up and here >= len(mine)


def _young(links: list[Any], since: float) -> list[Any]:
    return [
        link
        for link in links
        if link["direction"] == "to" and link["create-time"] >= since * 1000 and link["events"]
    ]


SABOTAGE = TlsSabotage(
    settings={
        "old_protocols": functools.partial(_set, _OLD),
        "no_tls13": functools.partial(_set, {_PROTOCOLS: "TLSv1.2"}),
        "no_tls12": functools.partial(_set, {_PROTOCOLS: "TLSv1.3"}),
        "plain_closed": functools.partial(_closed, "port"),
        "down_tls": functools.partial(_closed, "tls-port"),
        "bus_plain": _plain_bus,
    },
    weak_ciphers=functools.partial(_set, _WEAK),
    # It loads the certificate before the ciphers, which set the security level.
    lenient=None,
    besides=dict.fromkeys(("old_protocols", "weak_ciphers"), SECURITY_LEVEL_0),
    companions={
        "plain_closed": ("network.redis.port.redis-[0-9]",),
        "down_tls": ("network.redis.port.redis-*_tls",),
    },
    seconds=2.0,
)
