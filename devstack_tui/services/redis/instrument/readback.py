"""What is left on the cluster after a run: read from the current owners, then deleted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devstack_tui.contracts.drill import Context
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact
from devstack_tui.loadgen.ack_journal import read
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.client import node_count, node_name, session
from devstack_tui.services.redis.instrument import hash_tags

if TYPE_CHECKING:
    import redis

JOURNAL = "operations.jsonl"
"""In the run's folder; `loadgen.ack_journal` says what is in it."""
TIMEOUT_S = 5.0
REPLICAS_S = 5.0
"""How long replicas may take to follow a deletion."""


@dataclass(frozen=True, slots=True)
class ListContents:
    """What each list holds, by tag, and the node that it was read from."""

    lists: dict[str, tuple[int, ...]]
    owners: dict[str, str]


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """How many keys of the run are left, by node (only those with any), and who did not answer."""

    left: dict[str, int] = field(default_factory=dict)
    unreachable: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every node answered that none is left."""
        return not self.left and not self.unreachable


async def present(context: Context) -> ListContents:
    """Read all lists of the run from their current owners, over TLS. Call it after healing.

    A node that does not own a slot refuses to read it, so each list surely comes from its owner.
    Raises `UnreachableError` when a slot has no owner, or an owner does not answer.
    """
    return await asyncio.to_thread(_present, context)


async def clean(context: Context) -> CleanupResult:
    """Delete the run's keys, wait for the replicas, then search every node for what is left."""
    return await asyncio.to_thread(_clean, context)


def _present(context: Context) -> ListContents:
    header, _ = read(context.folder / JOURNAL)
    target = context.target
    lists: dict[str, tuple[int, ...]] = {}
    owners: dict[str, str] = {}
    every = [tag for shard in header.tags.values() for tag in shard]
    for index, ranges in bulk.masters(target).items():
        mine = [
            tag
            for tag in every
            if any(first <= hash_tags.slot(tag) <= last for first, last in ranges)
        ]
        with _node(target, index) as client:
            for tag in mine:
                values: Any = client.lrange(hash_tags.key(context.run, tag), 0, -1)
                lists[tag] = tuple(int(value) for value in values)
                owners[tag] = node_name(index)
    return ListContents(lists, owners)


def _clean(context: Context) -> CleanupResult:
    target = context.target
    prefix = hash_tags.prefix(context.run)
    bulk.clear(target, prefix)
    until = time.monotonic() + REPLICAS_S
    while True:
        left: dict[str, int] = {}
        silent: list[str] = []
        for index in range(node_count(target)):
            try:
                with _node(target, index) as client:
                    found = sum(1 for _ in client.scan_iter(match=f"{prefix}*", count=10_000))
            except DevstackError:
                silent.append(node_name(index))
                continue
            if found:
                left[node_name(index)] = found
        if not left or time.monotonic() > until:
            return CleanupResult(left, tuple(silent))
        time.sleep(0.05)


@contextlib.contextmanager
def _node(target: Target, index: int) -> Iterator[redis.Redis]:
    """A client of one node; what a driver raises is one sentence."""
    import redis

    try:
        with session(target, index, TIMEOUT_S) as client:
            yield client
    except (OSError, redis.RedisError, ValueError) as error:
        why = redact(str(error).strip().partition("\n")[0]) or type(error).__name__
        raise UnreachableError(
            f"{node_name(index)} could not be asked for the keys of the drill: {why}",
            "`devstack-tui status` shows which node is down",
        ) from None
