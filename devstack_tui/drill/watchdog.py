"""Heals the stack when the process that drills it is killed.

A child of the drill: it waits at a pipe. The word `done` ends it; the end of the pipe without
that word is the end of its parent, and then it undoes what the journal says was left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.event_stream import to_end
from devstack_tui.core.journal import Journal
from devstack_tui.core.lock import StackLock
from devstack_tui.core.paths import StackPaths
from devstack_tui.drill import fault_injector
from devstack_tui.drill.ownership import LOCK
from devstack_tui.stack.stack import Stack

DONE = b"done"
READY = b"ready"
PARENT_GONE_S = 10.0
START_S = 20.0


class Watchdog:
    """The child, as its parent sees it. Made in a thread: it waits until the child is ready."""

    def __init__(self, stack: Stack) -> None:
        try:
            log = os.open(
                files.make_dir(stack.paths.logs) / "drill-watchdog.log",
                os.O_WRONLY | os.O_APPEND | os.O_CREAT,
                files.PRIVATE_FILE,
            )
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "devstack_tui.drill.watchdog", stack.name],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C at the terminal is for the drill, which heals by itself.
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except OSError as error:
            raise files.explain(error, "starting the watchdog: nothing was touched") from None
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            self.close()
            raise DevstackError(
                "the watchdog of the drill did not start: nothing was touched",
                f"look at {stack.paths.logs / 'drill-watchdog.log'}",
            )

    @classmethod
    async def start(cls, stack: Stack) -> Watchdog:
        """One that is ready. Raises `DevstackError` when it cannot be started."""
        task = asyncio.create_task(asyncio.to_thread(cls, stack))
        try:
            return await to_end(task)
        except asyncio.CancelledError:
            if task.exception() is None:
                task.result().close()
            raise

    def close(self) -> None:
        """All is healed: it has nothing to do."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                if pipe is self._process.stdin:
                    pipe.write(DONE)
                pipe.close()
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(name: str) -> int:
    """Wait for the parent's word or its end. Returns the exit status of the healing."""
    files.dump_crashes()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.buffer.write(READY + b"\n")
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.read() == DONE:
        return 0
    # The kernel takes the parent's locks from it, as soon as it is really gone.
    deadline = time.monotonic() + PARENT_GONE_S
    while StackLock.holder(StackPaths.of(name).root / LOCK) and time.monotonic() < deadline:
        time.sleep(0.02)
    # What was sent the stop signal must be gone: only then it is missing, and can be started.
    stack = Stack(name)
    fault_injector.await_ends(stack.engine(), Journal(stack.paths.journal))
    try:
        asyncio.run(_heal(name))
    except DevstackError as error:
        print(f"{time.strftime('%F %T')} {error}", file=sys.stderr)  # noqa: T201 - its log
        return error.exit_code
    return 0


async def _heal(name: str) -> None:
    async with contextlib.aclosing(Stack(name).heal()) as events:
        async for event in events:
            print(f"{time.strftime('%F %T')} {event}", file=sys.stderr)  # noqa: T201 - its log


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
