"""What a workload needs of the whole cluster: its masters, many keys at once, its settings."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.peer import Peer
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import topology
from devstack_tui.services.redis.client import look, node_count, node_name, session
from devstack_tui.services.redis.loader import encode, keys_of
from devstack_tui.services.redis.topology import View

if TYPE_CHECKING:
    pass

TIMEOUT_S = 5.0
HEAL_S = 10.0
"""How long a failover may take before the keys of a dead master are given up."""
BATCH = 1000
SETTINGS = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "save", "io-threads")
_Result = TypeVar("_Result")


def explained(doing: str, work: Callable[[], _Result]) -> _Result:
    """`work`, with whatever a driver raises as one sentence."""
    import redis

    try:
        return work()
    except (OSError, redis.RedisError) as error:
        why = redact(str(error).strip().partition("\n")[0]) or type(error).__name__
        if isinstance(error, ConnectionAbortedError):  # it answered: a refusal, OOM say
            raise DevstackError(f"{doing} failed: {why.removeprefix('-')}") from None
        raise UnreachableError(
            f"{doing} failed: {why}", "`devstack-tui status` shows which node is down"
        ) from None


def _view(target: Target) -> View:
    """The cluster as the first node that answers sees it."""
    import redis

    last: Exception | None = None
    for index in range(node_count(target)):
        try:
            with session(target, index, TIMEOUT_S) as client:
                return look(client, index)
        except (OSError, redis.RedisError) as error:
            last = error
    raise UnreachableError(
        "no node of the Redis cluster answers: " + redact(str(last)), "`devstack-tui up redis`"
    )


def masters(target: Target) -> dict[int, list[list[int]]]:
    """The slots (first, last) of each master, by the index of its node.

    Raises `UnreachableError` when some slots have no master that lives.
    """
    view = _view(target)
    owners = [node for node in view.nodes if node.master and not node.failed and node.slots]
    if topology.count(slots for node in owners for slots in node.slots) != topology.SLOTS:
        raise UnreachableError(
            "some slots of the Redis cluster are not served", "`devstack-tui status` shows why"
        )
    return {
        node.port - target.ports["tls"]: [list(slots) for slots in node.slots]
        for node in sorted(owners, key=lambda node: node.port)
    }


def fill(target: Target, prefix: str, keys: int, value_bytes: int) -> None:
    """Set `keys` keys, `prefix` and a number from 0, to values of `value_bytes` bytes."""
    value = b"x" * value_bytes
    order = {"prefix": prefix, "keys": keys}

    def work() -> None:
        for index, slots in masters(target).items():
            names = keys_of(order, slots)
            with contextlib.closing(login(target, index)) as sock:
                commands = (encode(b"SET", name, value) for name in names)
                _pipeline(sock, commands, lambda reply: reply == b"+OK")

    explained("filling the Redis cluster", work)


def clear(target: Target, prefix: str, patience: float = HEAL_S) -> None:
    """Delete every key of the prefix on every master; a failover is waited for (seconds)."""
    until = time.monotonic() + patience
    while True:
        try:
            explained("deleting the bench keys", lambda: _clear(target, prefix))
        except DevstackError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def _clear(target: Target, prefix: str) -> None:
    for index in masters(target):
        with (
            contextlib.closing(login(target, index)) as sock,
            session(target, index, TIMEOUT_S) as client,
        ):
            cursor = -1
            while cursor:
                # redis-py's own SCAN; its cursor begins and ends with 0.
                answer: Any = client.scan(max(cursor, 0), match=f"{prefix}*", count=10 * BATCH)
                cursor, names = int(answer[0]), answer[1]
                # One key each: the keys of one command must all lie in one slot.
                commands = (encode(b"UNLINK", name.encode()) for name in names)
                _pipeline(sock, commands, lambda reply: reply in (b":0", b":1"))


def login(target: Target, index: int) -> socket.socket:
    """An authenticated connection to the plain port of a node, which was proven to be the stack's
    own. Raises `OSError`."""
    where = target.endpoint.host, target.ports["main"] + index
    made = socket.create_connection(where, TIMEOUT_S)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if password := target.credentials.password:
            Peer.of(target).prove(made, node_name(index))
            user = target.credentials.user or "default"
            made.sendall(encode(b"AUTH", user.encode(), password.encode()))
            _require_ok(made.recv(1024))
    except BaseException:
        made.close()
        raise
    return made


def _require_ok(reply: bytes) -> None:
    if reply != b"+OK\r\n":
        raise ConnectionRefusedError(f"AUTH: {reply[:80].decode(errors='replace').strip()}")


def _pipeline(
    sock: socket.socket, commands: Iterable[bytes], right: Callable[[bytes], bool]
) -> None:
    """Send commands whose replies are one line each, and check every reply."""
    source = iter(commands)
    while batch := list(itertools.islice(source, BATCH)):
        sock.sendall(b"".join(batch))
        data = b""
        while data.count(b"\n") < len(batch):
            more = sock.recv(65536)
            if not more:
                raise ConnectionResetError("the node closed the connection")
            data += more
        for reply in data.splitlines():
            if not right(reply):
                raise ConnectionAbortedError(reply[:200].decode(errors="replace"))


def settings(target: Target) -> dict[str, str]:
    """The effective settings of every node: one value if all agree, else who has which."""

    def work() -> dict[str, str]:
        found: dict[str, dict[str, list[str]]] = {}
        for index in range(node_count(target)):
            with session(target.as_admin(), index, TIMEOUT_S) as client:
                # The names one by one would each be a round trip: they are few enough for all.
                values: Any = client.config_get("*")
            for name in SETTINGS:
                by_value = found.setdefault(name, {})
                by_value.setdefault(str(values.get(name, "")), []).append(node_name(index))
        return {name: _compact(by_value) for name, by_value in found.items()}

    return {
        "nodes": f"{len(masters(target))} masters of {node_count(target)} nodes",
        **explained("reading the settings of Redis", work),
    }


def _compact(by_value: dict[str, list[str]]) -> str:
    shown = {value or "(empty)": nodes for value, nodes in by_value.items()}
    if len(shown) == 1:
        return next(iter(shown))
    return ", ".join(f"{value} ({' '.join(nodes)})" for value, nodes in shown.items())
