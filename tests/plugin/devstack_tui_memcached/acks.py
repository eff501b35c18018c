"""memcached's acknowledged writes: an item for each number. With them it has a restart drill."""

from __future__ import annotations

from collections.abc import Iterable

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui_memcached.client import Connection

PREFIX = "devstack-tui:acks:"
TIMEOUT_S = 10.0
BATCH = 100
ALL = 1e9


def _key(run: str, number: int | str) -> str:
    return f"{PREFIX}{run}:{number}"


class MemcachedWriter:
    """See `devstack_tui.contracts.acks.Writer`."""

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        self._run = checked(run)
        try:
            self._connection = Connection(target, timeout)
        except OSError as error:
            raise NotWritten(kind_of(error)) from None

    def write(self, number: int) -> None:
        """One item."""
        try:
            self._connection.set(_key(self._run, number), str(number).encode())
        except OSError as error:
            raise Indeterminate(kind_of(error)) from None
        except DevstackError:
            raise NotWritten("no-room") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class MemcachedAcks:
    """See `devstack_tui.contracts.acks.Acks`."""

    def prepare(self, target: Target, run: str) -> None:
        """Nothing is made: items need no place."""

    def writer(self, target: Target, run: str, timeout: float) -> MemcachedWriter:
        """A connection of its own."""
        return MemcachedWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The items that are there."""
        keys = [_key(run, number) for number in asked]
        found: set[int] = set()
        with Connection(target, TIMEOUT_S) as connection:
            for start in range(0, len(keys), BATCH):
                there = connection.get(*keys[start : start + BATCH])
                found.update(int(key.rpartition(":")[2]) for key in there)
        return found

    def cleanup(self, target: Target, run: str) -> None:
        """Remove the run's items. memcached lists no keys: they are numbered from 0 or 1."""
        with Connection(target, TIMEOUT_S) as connection:
            number, missing = 0, 0
            while missing < 10 * BATCH:
                keys = [_key(checked(run), number + step) for step in range(BATCH)]
                there = connection.get(*keys)
                for key in there:
                    connection.delete(key)
                missing = 0 if there else missing + BATCH
                number += BATCH

    def allowance(self, target: Target) -> Allowance:  # noqa: ARG002
        """An orderly end keeps every item; a crash keeps none."""
        return Allowance(ALL, "memcached keeps its items in memory, and a crash loses them all")


ACKS: Acks = MemcachedAcks()
