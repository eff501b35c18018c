"""A stack that is made to be broken: with a name, ports and data of its own, removed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Sequence

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import to_end
from devstack_tui.core.events import Done, Phase, Progress
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths, stack_names
from devstack_tui.stack.stack import Stack
from devstack_tui.state import directories

PREFIX = "proof-"
MARK = "throwaway.json"
"""In the stack's directory: the lock of the process that made it. Without it no stack is ever
removed."""


class ThrowawayStack:
    """Call `remove` whatever happens. Nothing is made before `start`."""

    def __init__(self) -> None:
        self.stack = Stack(f"{PREFIX}{os.getpid()}-{secrets.token_hex(2)}")
        self._lock = StackLock(self.stack.paths.root / MARK, "check")

    async def start(self, services: Sequence[str]) -> AsyncGenerator[str, None]:
        """Bring up these services and what they require; yields what is waited for.

        Raises `DevstackError` when one does not come.
        """
        for name in leftovers():
            await _remove(Stack(name))
            yield f"removed {name}, left over from before"
        try:
            directories.make(self.stack.paths)
        except OSError as error:
            raise files.explain(error, "making a throwaway stack") from None
        self._lock.try_acquire()
        async with contextlib.aclosing(self.stack.up(services)) as events:
            async for event in events:
                if isinstance(event, Progress) and event.phase in (Phase.READY, Phase.SKIPPED):
                    yield f"{event.service} {event.phase}"
                if isinstance(event, Done) and event.exit_code:
                    raise DevstackError(f"the throwaway stack did not come up: {event.message}")

    async def remove(self) -> None:
        """Stop every process of it and delete it. Being cancelled takes effect afterwards.

        Raises `DevstackError` when something is left.
        """
        if self.stack.paths.root.exists():
            await to_end(_remove(self.stack))
        self._lock.release()


def leftovers() -> list[str]:
    """The throwaway stacks whose maker was killed."""
    marks = {name: StackPaths.of(name).root / MARK for name in stack_names()}
    return [
        name
        for name, mark in marks.items()
        if name.startswith(PREFIX) and mark.exists() and StackLock.holder(mark) is None
    ]


async def _remove(stack: Stack) -> None:
    if not (stack.paths.root / MARK).exists():
        raise DevstackError(f"{stack.name!r} is no throwaway stack: it is left alone")
    async with contextlib.aclosing(stack.down(wipe=True)) as events:
        async for event in events:
            if isinstance(event, Done) and event.exit_code:
                raise DevstackError(
                    f"the throwaway stack {stack.name} could not be removed: {event.message}",
                    f"`devstack-tui --stack {stack.name} down --wipe`",
                )
    await asyncio.to_thread(shutil.rmtree, stack.paths.root, ignore_errors=True)
