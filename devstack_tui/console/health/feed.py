"""Where snapshots come from: `status --watch` of our own command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from devstack_tui.contracts.model import StackStatus
from devstack_tui.core import codec
from devstack_tui.core.children import Cli, Outage, RestartingChild

INTERVAL_S = 2


class Feed(Protocol):
    """A source of snapshots that can be paused."""

    def updates(self) -> AsyncGenerator[StackStatus | Outage, None]:
        """Snapshots without end; an `Outage` when there are none for a while."""

    def pause(self) -> None:
        """Nobody is looking."""

    def resume(self) -> None:
        """Somebody looks again: a snapshot at once."""

    def now(self) -> None:
        """A snapshot at once."""


class StatusFeed:
    """The snapshots of one stack, from a child that is started again when it dies."""

    def __init__(self, cli: Cli) -> None:
        words = ("status", "--watch", "--jsonl", "--controlled", "--interval", str(INTERVAL_S))
        self._watch = RestartingChild(cli, *words)
        self.pause = self._watch.pause
        self.resume = self._watch.resume
        self.now = self._watch.now

    async def updates(self) -> AsyncGenerator[StackStatus | Outage, None]:
        """Snapshots without end. A line that cannot be read is an `Outage` without a wait."""
        async with aclosing(self._watch.lines()) as lines:
            async for line in lines:
                if isinstance(line, Outage):
                    yield line
                    continue
                try:
                    yield codec.decode(line, StackStatus)
                except ValueError as error:
                    yield Outage(f"status printed what is no snapshot: {error}", "", 0.0)
