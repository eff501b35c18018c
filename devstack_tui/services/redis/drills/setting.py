"""The node timeout, set in the running nodes for a sweep, and how often it takes the living for
dead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.drill import QuietPeriod
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis.client import close, connect, look, node_count, node_name

if TYPE_CHECKING:
    import redis

NAME = "cluster-node-timeout"
TIMEOUT_S = 3.0
LOOK_S = 0.1


@contextlib.contextmanager
def _clients(target: Target) -> Iterator[dict[int, redis.Redis]]:
    import redis

    with contextlib.ExitStack() as stack:
        found = {}
        try:
            for index in range(node_count(target)):
                found[index] = connect(target.as_admin(), index, TIMEOUT_S)
                stack.callback(close, found[index])
            yield found
        except (OSError, redis.RedisError) as error:
            raise UnreachableError(
                f"{NAME} of {node_name(len(found))}: {redact(str(error).partition(chr(10))[0])}",
                "`devstack-tui status` shows which node is down",
            ) from None


def read_setting(target: Target) -> int:
    """The node timeout of all nodes, ms. Raises `DevstackError` when they differ."""
    with _clients(target) as clients:
        found: dict[str, int] = {}
        for index, client in clients.items():
            answer: Any = client.config_get(NAME)
            found[node_name(index)] = int(answer[NAME])
    if len(set(found.values())) != 1:
        raise DevstackError(
            f"the nodes have different values of {NAME}: {found}",
            "`devstack-tui restart redis` makes them alike",
        )
    return next(iter(found.values()))


def write_setting(target: Target, value: int) -> None:
    """Set the node timeout of every node, ms; no file is changed."""
    with _clients(target) as clients:
        for client in clients.values():
            client.config_set(NAME, value)


def false_alarms(target: Target, seconds: float) -> QuietPeriod:
    """Watch for `seconds`: a node counts each time that it comes to be suspected, or failed."""
    suspected: set[str] = set()
    failed: set[str] = set()
    counts = [0, 0]
    with _clients(target) as clients:
        first = _epoch(clients)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            views = [look(client, index) for index, client in clients.items()]
            now_suspected = {n.id for v in views for n in v.nodes if n.suspected or n.failed}
            now_failed = {n.id for v in views for n in v.nodes if n.failed}
            counts[0] += len(now_suspected - suspected)
            counts[1] += len(now_failed - failed)
            suspected, failed = now_suspected, now_failed
            time.sleep(LOOK_S)
        failovers = _epoch(clients) - first
    return QuietPeriod(seconds, counts[0], counts[1], max(0, failovers))


def _epoch(clients: dict[int, redis.Redis]) -> int:
    """The newest epoch: every failover that comes to its end raises it."""
    views = [look(client, index) for index, client in clients.items()]
    return max(node.config_epoch for view in views for node in view.nodes)
