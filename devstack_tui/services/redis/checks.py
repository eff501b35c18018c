"""Redis' own security checks: that what goes from masters to replicas is encrypted."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from devstack_tui.contracts.audit import (
    Audit,
    Check,
    Checks,
    Finding,
    Sabotage,
    SabotageStack,
    Severity,
)
from devstack_tui.contracts.model import Target
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.loadgen.bounded_socket import translated
from devstack_tui.services.redis.audit import accounts
from devstack_tui.services.redis.client import close, connect, look, node_count, node_name
from devstack_tui.services.redis.topology import View

SABOTAGE = "tls.redis.replication_plain"
BROKEN = 0
"""The index of the node that it breaks."""


class RedisChecks:
    """See `devstack_tui.contracts.audit.Checks`."""

    def checks(self, audit: Audit) -> tuple[Check, ...]:
        """Those of each node's replication, which of them is a master changes; and of its accounts
        and settings."""
        nodes = range(node_count(audit.target("redis")))
        return (*(_check(index) for index in nodes), *accounts.checks(audit))

    def sabotages(self) -> tuple[Sabotage, ...]:
        """What the accounts are proven by, and one node's replication without TLS."""
        return (
            *accounts.sabotages(),
            Sabotage(
                id=SABOTAGE,
                title=f"{node_name(BROKEN)}: replication does not use TLS",
                service="redis",
                apply=functools.partial(_set, "tls-replication", "no", "yes"),
                seconds=0.2,
            ),
            Sabotage(
                id="redis.tickets",
                title=f"{node_name(BROKEN)}: session tickets are good for more than two days",
                service="redis",
                apply=functools.partial(_set, "tls-session-cache-timeout", "200000", "300"),
                seconds=0.2,
                expects=(f"tls.{node_name(BROKEN)}.tickets",),
            ),
        )


def _check(index: int) -> Check:
    name = node_name(index)
    return Check(
        id=f"tls.{name}.replication",
        suite="tls",
        title=f"{name}: replication runs over TLS",
        severity=Severity.HIGH,
        service="redis",
        stake="All data, and the password, go from master to replica: in clear without TLS.",
        remedy="set tls-replication yes on every node; "
        "`devstack-tui down` and `devstack-tui up` write that of the stack",
        sabotage=SABOTAGE if index == BROKEN else "",
        run=functools.partial(_replication, index),
        kind="tls.replication",
        group="clients",
    )


def _replication(index: int, audit: Audit) -> Finding:
    """A replica's link ends at a TLS port, a master's replicas came in on its own, and the next
    link will be made so too. A link that is down for a moment decides nothing."""
    target = audit.target("redis")
    try:
        view, came_in, setting = _ask_node(
            target, index, audit.timeout, functools.partial(_node_links, index)
        )
    except (DevstackError, OSError) as error:
        return Finding(Status.ERROR, f"{node_name(index)}: {error}")
    if setting != "yes":
        return Finding(Status.FAIL, f"tls-replication is {setting}: the next link is in clear")
    if view.me.master:
        own = target.ports["tls"] + index
        replicas = [node for node in view.nodes if node.master_id == view.me.id]
        ports = ", ".join(map(str, came_in)) or "none"
        summary = (
            f"a master of {len(replicas)}, which came in on port {ports}; its TLS port is {own}"
        )
        plain, down = any(port != own for port in came_in), len(came_in) < len(replicas)
    else:
        port = int(str(view.replication.get("master_port", 0)))
        summary = f"a replica, whose link to port {port} is {'up' if view.link_up else 'down'}"
        plain, down = port not in _tls_ports(target), not view.link_up
    if plain:
        return Finding(Status.FAIL, summary)
    return Finding(Status.INCONCLUSIVE if down else Status.PASS, summary)


def _node_links(index: int, client: Any) -> tuple[View, list[int], str]:
    """The node's view, the ports that its replicas came in on, and `tls-replication`."""
    replicas: list[dict[str, str]] = client.client_list(_type="replica")
    # The local end of a connection shows which port it came in on.
    ports = [int(one.get("laddr", "").rpartition(":")[2] or 0) for one in replicas]
    setting = client.config_get("tls-replication").get("tls-replication", "unknown")
    return look(client, index), ports, setting


def _tls_ports(target: Target) -> range:
    return range(target.ports["tls"], target.ports["tls"] + node_count(target))


def _ask_node(target: Target, index: int, timeout: float, ask: Callable[[Any], Any]) -> Any:
    """What `ask` makes of a client of the node. Raises `DevstackError` or `OSError`."""
    import redis

    try:
        client = connect(target.as_admin(), index, timeout)
        try:
            return ask(client)
        finally:
            close(client)
    except (redis.RedisError, OSError) as error:
        raise translated(error) from None


@contextlib.contextmanager
def _set(name: str, wrong: str, usual: str, stack: SabotageStack) -> Iterator[None]:
    """A setting of one node. The links that stand keep what they have: it is the next one that
    would not have it."""
    target, timeout = stack.audit.target("redis"), stack.audit.timeout

    def turn(value: str) -> None:
        change = operator.methodcaller("config_set", name, value)
        _ask_node(target, BROKEN, timeout, change)

    turn(wrong)
    try:
        yield
    finally:
        turn(usual)


CHECKS: Checks = RedisChecks()
