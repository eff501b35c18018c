"""What every verb prints: data on stdout, narration on stderr.

Neither can steer the terminal, and neither can end the work: what cannot be written is dropped, and
`lost` remembers why.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol, TextIO

from devstack_tui.core.errors import DevstackError, for_stack
from devstack_tui.core.paths import DEFAULT_STACK
from devstack_tui.core.redact import inert

_stack = DEFAULT_STACK
"""The stack of this process's verb."""
_said_on_stdout = True
"""Whether stdout is free for the lines of a verb."""


class Ended(Protocol):
    """The last event of a capability."""

    @property
    def message(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def exit_code(self) -> int: ...


class _Raw(io.FileIO):
    """A standard descriptor; after the first write that fails all goes to /dev/null."""

    def __init__(self, fd: int, unread: bool) -> None:
        super().__init__(fd, "w", closefd=False)
        self.unread = unread
        self.lost: OSError | None = None
        self.at_loss: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> int:  # type: ignore[override]
        try:
            while (count := super().write(data)) is None:
                # Somebody else made the terminal or the pipe non-blocking.
                select.select((), (self,), ())
        except OSError as error:
            self.lost = error
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            self.at_loss()
            return memoryview(data).nbytes
        return count


class Stream(io.TextIOWrapper):
    """stdout or stderr while `main` runs: control characters are shown, not obeyed."""

    def __init__(self, replaced: io.TextIOWrapper, fd: int, *, unread: bool) -> None:
        self.sink = _Raw(fd, unread)
        self.replaced = replaced  # its end would close the descriptor
        how = {
            "encoding": replaced.encoding,
            # A terminal that has not our signs shows a question mark for them.
            "errors": "replace",
            "line_buffering": replaced.line_buffering,
            "write_through": replaced.write_through,
        }
        buffer = io.BufferedWriter(self.sink)  # type: ignore[type-var]
        super().__init__(buffer, **how)  # type: ignore[arg-type]
        self.steering = io.TextIOWrapper(buffer, **how)  # type: ignore[arg-type]

    def write(self, text: str) -> int:
        return super().write(inert(text))


def open_streams() -> None:
    """Put a `Stream` in the place of stdout and stderr.

    /dev/null is opened for a standard stream that was closed: what is opened later, a socket say,
    would get its number, and with it what is printed.
    """
    unread = sys.stdout is None
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
            os.set_inheritable(fd, True)
        os.close(fd)
        sys.stdin = sys.stdin or os.fdopen(0, "r")
        sys.stdout = sys.stdout or os.fdopen(1, "w")
        sys.stderr = sys.stderr or os.fdopen(2, "w")
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        with contextlib.suppress(io.UnsupportedOperation):
            if type(stream) is io.TextIOWrapper and stream.fileno() == fd:
                stream.flush()
                setattr(sys, name, Stream(stream, fd, unread=unread))


def close_streams(exit_code: int) -> int:
    """Write what is left. The exit status: 1 instead of 0 when data could not be written, which
    stderr says; that nobody read them to their end is no fault."""
    sys.stdout.flush()
    lost = sys.stdout.sink.lost if isinstance(sys.stdout, Stream) else None
    if lost is not None and lost.errno not in (errno.EPIPE, errno.ECONNRESET):
        from devstack_tui.core.files import explain

        narrate(f"devstack-tui: {explain(lost, 'writing the output')}")
        exit_code = exit_code or 1
    sys.stderr.flush()
    return exit_code


def when_unread(act: Callable[[], object]) -> None:
    """Call `act`, perhaps from another thread, as soon as nobody reads stdout or it is lost: for
    verbs whose only work is output."""
    out = sys.stdout
    if not isinstance(out, Stream):
        return
    if out.sink.unread or out.sink.lost:
        act()
        return
    out.sink.at_loss = act
    poll = select.poll()
    poll.register(out, 0)  # its end is reported whatever is asked for

    def wait() -> None:
        poll.poll()
        act()

    threading.Thread(target=wait, daemon=True).start()


def steering(stream: TextIO) -> TextIO:
    """`stream` for text with escapes of ours: who writes there makes all else `inert`."""
    return stream.steering if isinstance(stream, Stream) else stream


class Narration:
    """Lines on stderr, each with the seconds since it began."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line."""
        narrate(f"{time.monotonic() - self._started:6.1f}s  {text}")


def work_on(stack: str) -> None:
    """Name the stack that the commands in all that is printed are to work on."""
    global _stack, _said_on_stdout
    _stack, _said_on_stdout = stack, True


def leave_stdout() -> None:
    """From here on `say` uses stderr: stdout is that of one document."""
    global _said_on_stdout  # noqa: PLW0603
    _said_on_stdout = False


def as_typed(text: str) -> str:
    """`text`, the commands in it as a user types them for this stack."""
    return for_stack(text, _stack)


def say(text: str = "") -> None:
    """A line of data, or several, on stdout."""
    print(as_typed(text), file=sys.stdout if _said_on_stdout else sys.stderr)


def narrate(text: str) -> None:
    """A line on stderr."""
    print(as_typed(text), file=sys.stderr, flush=True)


def print_json(document: object) -> None:
    """The one document of `--json`, or an event of `--jsonl`, which its reader has at once."""
    import msgspec

    print(as_typed(msgspec.json.encode(document).decode()), flush=True)


def show(options: argparse.Namespace, document: object, lines: Iterable[str]) -> None:
    """The result of a verb: as a document with --json, else as lines; --jsonl had it as events."""
    if options.json:
        print_json(document)
    elif not getattr(options, "jsonl", False):
        say("\n".join(lines))


def failure(done: Ended) -> DevstackError:
    """Why nothing came of it, as the error to raise; its exit status is that of `done`."""
    error = DevstackError(done.message, done.remedy)
    error.exit_code = done.exit_code
    return error


def warn(done: Ended) -> None:
    """What went wrong beside a result that is there, if anything did."""
    if done.message:
        narrate(f"devstack-tui: {DevstackError(done.message, done.remedy)}")
