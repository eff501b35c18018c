"""Our own command line as child processes: what the console knows comes from these.

Two kinds: a `Child` that prints lines and obeys words on its standard input (it ends when that
input closes, so it never outlives us), and a question with one answer (`Cli.ask`), which a warm
process answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import msgspec

from devstack_tui.core import codec
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Done, Event, Planned
from devstack_tui.core.files import crash
from devstack_tui.core.fork_server import Answer, ForkServer, ServerDied

OURS = (sys.executable, "-m", "devstack_tui")
FORK_SERVER = (sys.executable, "-m", "devstack_tui.cli.fork_server")
MAX_LINE = 4 * 1024 * 1024
_CHUNK = 64 * 1024
ERRORS_KEPT = 16 * 1024
_GRACE_S = 1.0
_PREFIX = re.compile(r"^(?:devstack-tui|error)\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outage:
    """A watched child ended by itself; the next one starts in `retry_in` seconds."""

    message: str
    remedy: str
    retry_in: float


def failure(stderr: bytes, exit_code: int | None, what: str) -> DevstackError:
    """What a child wrote before it ended, as an error: its last sentence and its `→` remedy.

    `exit_code` is None when it is not known.
    """
    if crashed := crash(exit_code, what):
        return crashed
    message = remedy = ""
    for line in stderr.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("→"):
            remedy = text.removeprefix("→").strip()
        elif text:
            message, remedy = _PREFIX.sub("", text), ""
    if not message and exit_code is None:
        message = f"{what} ended without a result"
    elif not message:
        status = exit_code or 0
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        message = f"{what} ended without a message ({how})"
    return DevstackError(message, remedy)


class _Refusal(msgspec.Struct, frozen=True):
    """What a verb with --json or --jsonl prints instead of its data."""

    error: str
    remedy: str = ""
    exit_code: int = 1


def refusal(line: bytes) -> DevstackError | None:
    """The error that `line` reports, if it does."""
    if not line.startswith(b'{"error"'):
        return None
    try:
        found = codec.decode(line, _Refusal)
    except ValueError:
        return None
    error = DevstackError(found.error, found.remedy)
    error.exit_code = found.exit_code
    return error


class Child:
    """A running child: lines out, words in. It ends when `close` closes its standard input."""

    def __init__(
        self, process: asyncio.subprocess.Process, what: str, grace_s: float = _GRACE_S
    ) -> None:
        self.closed = False
        self._reading = False
        self._grace_s = grace_s
        self._process = process
        self._what = what
        self._errors = bytearray()
        self._drain = asyncio.create_task(self._read_errors())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        what: str,
        grace_s: float = _GRACE_S,
        *,
        own_session: bool = False,
    ) -> Child:
        """Run `argv`; a program that cannot be started is a `DevstackError`.

        `grace_s` is how long `close` waits between its pushes. In a session of its own, ctrl-C at
        the terminal does not reach it: only `close` ends it.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=own_session,
            )
        except OSError as error:
            raise DevstackError(f"{what} cannot be started: {error.strerror}") from error
        return cls(process, what, grace_s)

    @property
    def exit_code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """The lines, without newlines, as many at a time as have come.

        A line longer than `MAX_LINE` is left out.
        """
        assert self._process.stdout is not None
        rest = b""
        skipping = False
        self._reading = True
        try:
            while chunk := await self._process.stdout.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                if skipping and lines:
                    del lines[0]
                    skipping = False
                if len(rest) > MAX_LINE:
                    rest, skipping = b"", True
                if lines:
                    yield lines
        finally:
            self._reading = False
        if rest and not skipping:
            yield [rest]

    def say(self, word: str) -> None:
        """Write one word on the child's standard input; a child that is gone is no error."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(word.encode() + b"\n")

    async def ended(self) -> DevstackError:
        """Wait for its end and return what it wrote on stderr, as an error."""
        return failure(bytes(self._errors), await self.status(), self._what)

    async def answer(self) -> Answer:
        """Read it to its end."""
        lines = [line async for batch in self.batches() for line in batch]
        status = await self.status()
        return Answer(status, b"\n".join(lines), bytes(self._errors))

    async def status(self) -> int:
        """Wait for its end and return its exit status."""
        code = await self._process.wait()
        await self._drained()
        return code

    async def close(self) -> None:
        """End it: close its input, then ask, then kill, `grace_s` seconds apart."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        left = None
        if not self._reading:
            self._reading = True
            left = asyncio.create_task(self._read_rest())
        pushes: tuple[Callable[[], None] | None, ...] = (None, process.terminate, process.kill)
        for push in pushes:
            if process.returncode is not None:
                break
            if push is not None:
                with contextlib.suppress(ProcessLookupError):
                    push()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), self._grace_s)
        await self._drained()
        if left is not None:
            await asyncio.wait([left], timeout=_GRACE_S)
            left.cancel()
        self.closed = True

    async def _drained(self) -> None:
        # A grandchild that keeps stderr open must not keep us waiting.
        await asyncio.wait([self._drain], timeout=_GRACE_S)
        self._drain.cancel()

    async def _read_rest(self) -> None:
        # A child that cannot get rid of its output does not see that it should end, and a pipe
        # that is not read to its end stays open.
        assert self._process.stdout is not None
        while await self._process.stdout.read(_CHUNK):
            pass

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(_CHUNK):
            self._errors += chunk
            del self._errors[:-ERRORS_KEPT]


class Cli:
    """The command line of one stack. `program` is what to run: by default ourselves."""

    def __init__(self, stack: str, program: Sequence[str] = OURS) -> None:
        self.stack = stack
        self._program = tuple(program)
        self._children: list[Child] = []
        self._server = ForkServer(FORK_SERVER) if self._program == OURS else None

    def argv(self, *words: str) -> list[str]:
        """The command that runs `words` on the stack."""
        return [*self._program, "--stack", self.stack, *words]

    async def start(self, *words: str, grace_s: float = _GRACE_S) -> Child:
        """A child that runs `words`; `close` ends it if nobody else has."""
        child = await Child.start(self.argv(*words), words[0], grace_s)
        self._children = [known for known in self._children if not known.closed] + [child]
        return child

    async def close(self) -> None:
        """End every child that still runs."""
        if self._server is not None:
            await self._server.close()
        for child in self._children:
            await child.close()

    def report_crashes(self, say: Callable[[str], None]) -> None:
        """Have `say` called with a sentence when the warm process crashes; another takes over."""
        if self._server is not None:
            self._server.on_crash = say

    async def warm_up(self) -> None:
        """Be ready for the first question."""
        if self._server is not None:
            with contextlib.suppress(ServerDied):
                await self._server.start()

    async def ask(self, *words: str, timeout: float = 60.0) -> bytes:
        """What the verb printed on stdout.

        Errors: `DevstackError` when it printed nothing, refused, or did not end in `timeout` s.
        """
        try:
            async with asyncio.timeout(timeout):
                answer = await self._answer(words)
        except TimeoutError:
            raise DevstackError(f"{words[0]} gave no answer in {timeout:.0f} s") from None
        if not answer.stdout.strip(b"\n"):
            raise failure(answer.stderr, answer.status, words[0])
        if (refused := refusal(answer.stdout.partition(b"\n")[0])) is not None:
            raise refused
        return answer.stdout.removesuffix(b"\n")

    async def _answer(self, words: Sequence[str]) -> Answer:
        """From the fork server, or, where that does not live, from a process of its own."""
        if self._server is not None:
            with contextlib.suppress(ServerDied):
                return await self._server.ask(["--stack", self.stack, *words])
        child = await self.start(*words)
        try:
            return await child.answer()
        finally:
            await child.close()

    async def plan(self, verb: str, services: Sequence[str]) -> Planned:
        """The dry run of `verb`: what would be done, in order. Nothing is changed."""
        answer = await self.ask(*verb.split(), *services, "--plan", "--jsonl")
        for line in answer.splitlines():
            try:
                event: Event = codec.decode(line, Event)
            except ValueError:
                continue
            if isinstance(event, Planned):
                return event
            if isinstance(event, Done) and event.message:
                raise DevstackError(event.message, event.remedy)
        raise DevstackError(f"{verb} gave no plan")


class RestartingChild:
    """A child that is started again when it ends, later each time: 1, 2, 5, 10, then 30 s."""

    WAITS = (1.0, 2.0, 5.0, 10.0, 30.0)

    def __init__(self, cli: Cli, *words: str) -> None:
        self._cli = cli
        self._words = words
        self._child: Child | None = None
        self._paused = False
        self._hurry = asyncio.Event()

    async def lines(self) -> AsyncGenerator[bytes | Outage, None]:
        """Its lines without end, and an `Outage` each time it dies. Close the generator to stop."""
        failures = 0
        while True:
            try:
                self._child = await self._cli.start(*self._words)
                if self._paused:
                    self._child.say("pause")
                async for batch in self._child.batches():
                    for line in batch:
                        # A refusal is on stderr as well: it is in the outage.
                        if line and refusal(line) is None:
                            failures = 0
                            yield line
                error = await self._child.ended()
            except DevstackError as cannot:
                error = cannot
            finally:
                if self._child is not None:
                    await self._child.close()
                    self._child = None
            wait = self.WAITS[min(failures, len(self.WAITS) - 1)]
            failures += 1
            self._hurry.clear()
            yield Outage(error.message, error.remedy, wait)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), wait)

    def pause(self) -> None:
        """No more lines until `resume`; a child started meanwhile pauses too."""
        self._paused = True
        self._say("pause")

    def resume(self) -> None:
        """Lines again, the first one at once."""
        self._paused = False
        self._say("resume")
        self._say("now")

    def now(self) -> None:
        """A line at once; if the child is dead, start it at once."""
        self._hurry.set()
        self._say("now")

    def _say(self, word: str) -> None:
        if self._child is not None:
            self._child.say(word)
