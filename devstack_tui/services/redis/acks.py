"""Redis' acknowledged writes: a key for each number, on whichever master owns its slot."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.services.redis.client import close, connect, look, node_count, session
from devstack_tui.services.redis.topology import ClusterNode

if TYPE_CHECKING:
    import redis

PREFIX = "devstack-tui:acks:"
TIMEOUT_S = 10.0
BATCH = 1000
_KINDS = {"MISCONF": "readonly", "NOREPLICAS": "unavailable"}


def _key(run: str, number: int) -> str:
    # No hash tag: the numbers spread over all slots.
    return f"{PREFIX}{run}:{number}"


class RedisWriter:
    """See `devstack_tui.contracts.acks.Writer`. It learns once who owns what; a MOVED is a failure
    like any other, and the next writer learns anew."""

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        self._target = target
        self._run = checked(run)
        self._timeout = timeout
        self._owners = _owners(target, timeout)
        self._clients: dict[int, redis.Redis] = {}

    def write(self, number: int) -> None:
        """One SET on the owner of its slot."""
        import redis

        key = _key(self._run, number)
        client = self._client(_owner(self._owners, key))
        try:
            client.set(key, number)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            if kind := _refused(error):
                raise NotWritten(kind) from None
            raise Indeterminate(_broken(error)) from None
        except redis.ResponseError as error:
            raise NotWritten(_refused(error) or "error") from None

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            close(client)

    def _client(self, index: int) -> redis.Redis:
        import redis

        if index not in self._clients:
            try:
                self._clients[index] = connect(self._target, index, self._timeout)
            except (redis.RedisError, OSError) as error:
                raise NotWritten(_refused(error) or _broken(error)) from None
        return self._clients[index]


class RedisAcks:
    """See `devstack_tui.contracts.acks.Acks`."""

    def prepare(self, target: Target, run: str) -> None:
        """Nothing is made: keys need no place."""

    def writer(self, target: Target, run: str, timeout: float) -> RedisWriter:
        """Connections of its own, one for each master that it writes to."""
        return RedisWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The keys that their current owners have."""
        owners = _owners(target, TIMEOUT_S)
        shares: dict[int, list[int]] = {}
        for number in asked:
            shares.setdefault(_owner(owners, _key(run, number)), []).append(number)
        found: set[int] = set()
        for index, numbers in shares.items():
            with session(target, index, TIMEOUT_S) as client:
                for start in range(0, len(numbers), BATCH):
                    part = numbers[start : start + BATCH]
                    with client.pipeline(transaction=False) as pipe:
                        for number in part:
                            pipe.exists(_key(run, number))
                        there = pipe.execute()
                    found.update(n for n, is_there in zip(part, there, strict=True) if is_there)
        return found

    def cleanup(self, target: Target, run: str) -> None:
        """Remove the run's keys from every master."""
        pattern = f"{PREFIX}{checked(run)}:*"
        for index in sorted(set(_owners(target, TIMEOUT_S).values())):
            with (
                session(target, index, TIMEOUT_S) as client,
                client.pipeline(transaction=False) as pipe,
            ):
                for key in client.scan_iter(pattern, count=BATCH):
                    pipe.unlink(key)
                pipe.execute()

    def allowance(self, target: Target) -> Allowance:  # noqa: ARG002
        """What was acknowledged is in the memory of its process alone or in its file; which, the
        settings show."""
        return Allowance()


Owners = dict[tuple[int, int], int]
"""The index of the node that owns the slots from the first to the second."""


def _owners(target: Target, timeout: float) -> Owners:
    """Who owns what, as the first node reports that answers. Raises `NotWritten`."""
    import redis

    total = node_count(target)
    # Another one each time: a node that is held still costs its time limit only now and then.
    start = secrets.randbelow(total)
    why = ""
    for step in range(total):
        index = (start + step) % total
        try:
            client = connect(target, index, timeout / 2)
        except (redis.RedisError, OSError) as error:
            why = why or _refused(error) or _broken(error)
            continue
        try:
            nodes = look(client, index).nodes
        except (redis.RedisError, OSError) as error:
            why = why or _refused(error) or _broken(error)
            continue
        finally:
            close(client)
        return {
            slots: node.port - target.ports["tls"]
            for node in nodes
            if _serves(node)
            for slots in node.slots
        }
    raise NotWritten(why or "unavailable")


def _serves(node: ClusterNode) -> bool:
    return node.master and not node.failed


def _owner(owners: Owners, key: str) -> int:
    from redis.crc import key_slot

    slot = key_slot(key.encode())
    for (first, last), index in owners.items():
        if first <= slot <= last:
            return index
    raise NotWritten("clusterdown")


def _refused(error: Exception) -> str:
    """The class of an answer that says no; empty for anything else.

    The driver takes the code off the answers that it knows, and has a class for each.
    """
    import redis

    classes: tuple[tuple[type[Exception], str], ...] = (
        (redis.exceptions.BusyLoadingError, "loading"),
        (redis.exceptions.ReadOnlyError, "readonly"),
        (redis.exceptions.OutOfMemoryError, "no-room"),
        (redis.exceptions.AskError, "moved"),
        (redis.exceptions.TryAgainError, "moved"),
        # The first is a kind of the second.
        (redis.exceptions.MasterDownError, "unavailable"),
        (redis.exceptions.ClusterDownError, "clusterdown"),
        (redis.exceptions.AuthenticationError, "error-auth"),
    )
    for known, kind in classes:
        if isinstance(error, known):
            return kind
    if isinstance(error, redis.ResponseError):
        code = str(error).partition(" ")[0]
        return _KINDS.get(code, f"error-{code.lower()}")
    return ""


def _broken(error: Exception) -> str:
    import redis

    return "timeout" if isinstance(error, redis.TimeoutError) else kind_of(error)


ACKS: Acks = RedisAcks()
