"""A warm process of our command line: each question is answered by a fork of it.

The other side is `devstack_tui.cli.fork_server`. A question is a line of JSON, `{"id", "words"}`
or `{"cancel": id}`; an answer is a line of four numbers (the id, the exit status, the bytes of
standard output, and those of standard error) and then these bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from devstack_tui.core.files import crash

_GRACE_S = 2.0


class ServerDied(Exception):
    """The fork server ended before it answered, or cannot be started."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a verb ended; a negative `status` is the signal that ended it."""

    status: int
    stdout: bytes
    stderr: bytes


class ForkServer:
    """Started by the first question, or by `start`; again when it has died."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.on_crash: Callable[[str], None] = lambda sentence: None
        self._argv = tuple(argv)
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._numbers = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> asyncio.subprocess.Process:
        """The running server. Raises `ServerDied` when it cannot be started."""
        async with self._starting:
            if self._process is None:
                try:
                    self._process = await asyncio.create_subprocess_exec(
                        *self._argv,
                        stdin=asyncio.subprocess.PIPE,
                        stdout=asyncio.subprocess.PIPE,
                        stderr=asyncio.subprocess.DEVNULL,
                        # Ctrl-C at the terminal is for us, not for it.
                        start_new_session=True,
                    )
                except OSError as error:
                    raise ServerDied(str(error)) from None
                self._reader = asyncio.create_task(self._read(self._process))
            return self._process

    async def ask(self, words: Sequence[str]) -> Answer:
        """Run the verb in a fork; cancelled, the fork is ended. A server that dies is started
        again, and asked again, once. Raises `ServerDied`."""
        try:
            return await self._ask(words)
        except ServerDied:
            return await self._ask(words)

    async def _ask(self, words: Sequence[str]) -> Answer:
        process = await self.start()
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            _send(process, {"id": number, "words": list(words)})
            return await answer
        except asyncio.CancelledError:
            _send(process, {"cancel": number})
            raise
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """End it, and every fork that still runs."""
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        await _ended(process)
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand out answers until it dies."""
        assert process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ValueError, OSError):
            while line := await process.stdout.readline():
                number, status, out, err = map(int, line.split())
                stdout = await process.stdout.readexactly(out)
                answer = Answer(status, stdout, await process.stdout.readexactly(err))
                waiting = self._waiting.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        await _ended(process)
        if crashed := crash(process.returncode, "the process that answers questions"):
            self.on_crash(crashed.message)
        self._process = None
        for left in self._waiting.values():
            if not left.done():
                left.set_exception(ServerDied("it ended before it answered"))


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process that should end by itself, and kill it when it does not."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), _GRACE_S)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _send(process: asyncio.subprocess.Process, message: object) -> None:
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(msgspec.json.encode(message) + b"\n")
