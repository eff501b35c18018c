"""What the verbs share: finding the stack, running a capability to its end, asking."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from devstack_tui.cli.output import narrate, print_json, when_unread
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.paths import DEFAULT_STACK, require_stack
from devstack_tui.stack.view import StackView

if TYPE_CHECKING:
    from devstack_tui.core.events import Event
    from devstack_tui.stack.stack import Stack

T = TypeVar("T")
Sub = TypeVar("Sub", bound=Callable[..., int])
PATIENCE_S = 1.0
"""How long an interrupted verb may take before the user is offered not to wait."""

LOOKING = frozenset(
    {
        *("status", "logs", "doctor", "report"),
        *("bench list", "bench show", "bench compare", "bench export"),
        *("tune list", "tune show", "tune history", "tune advise", "tune import"),
        *("drill list", "drill plan", "drill history", "drill show", "drill compare"),
        *("check list", "check show", "check matrix"),
        "certs list",
    }
)
"""The verbs that change nothing of a stack, as every verb with `--plan`. All others heal it
first."""


def named(options: argparse.Namespace) -> str:
    """The name of the stack. One that was never made is a wrong name, except the default, and for
    the console, which offers to make it."""
    name: str = getattr(options, "stack", DEFAULT_STACK)
    if not getattr(options, "controlled", False):
        require_stack(name)
    return name


def existing(options: argparse.Namespace) -> Stack:
    """The stack that was named. What a killed verb left undone is healed, or, by a verb that only
    looks, named on stderr."""
    from devstack_tui.stack.stack import Stack

    stack = Stack(named(options))
    if looks(options):
        name_repairs(stack)
    else:
        stack.heal_unless_busy(narrate)
    return stack


def chosen(options: argparse.Namespace, *verbs: Sub) -> Sub:
    """Of the functions of the sub-verbs the one that was asked for: `_list` of `list`."""
    return {verb.__name__.lstrip("_"): verb for verb in verbs}[options.what]


def size_of(options: argparse.Namespace) -> str:
    """What --size and --quick come to."""
    return "quick" if options.quick else str(options.size)


def looks(options: argparse.Namespace) -> bool:
    """Whether the verb changes nothing."""
    verb = f"{options.verb} {getattr(options, 'what', '')}".strip()
    return verb in LOOKING or getattr(options, "plan", False)


def name_repairs(stack: StackView) -> None:
    """Name on stderr what killed verbs left undone, each with the command that heals it."""
    with contextlib.suppress(DevstackError):  # of a damaged stack the verb itself reports that
        for repair in stack.needs_healing():
            narrate(str(repair))


def run_to_end(work: Coroutine[Any, Any, int], *, only_output: bool = False) -> int:
    """Run `work`; SIGINT, SIGTERM and SIGHUP cancel it, and what it began is undone.

    A second SIGINT does not wait for that: as after a `kill -9`, the next change heals. Work that
    is `only_output` ends with its reader, exit status 0.
    """
    unread = False

    async def guarded() -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def reader_gone() -> None:
            nonlocal unread
            unread = True
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(task.cancel)

        if only_output:
            when_unread(reader_gone)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)

        def interrupted() -> None:
            if task.cancelling():
                os._exit(130)
            task.cancel()
            loop.call_later(PATIENCE_S, narrate, "interrupted: ctrl-C again does not wait")

        loop.add_signal_handler(signal.SIGINT, interrupted)
        try:
            return await task
        except asyncio.CancelledError:
            return 0 if unread else 130

    return asyncio.run(guarded())


@contextlib.contextmanager
def signalled(ended: threading.Event) -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and SIGHUP set `ended`; gives whether one of them came."""
    came: list[int] = []

    def handle(number: int, frame: object) -> None:  # noqa: ARG001
        came.append(number)
        ended.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def standard_input() -> asyncio.StreamReader:
    """Standard input as a stream. A file, or /dev/null, which nobody can wait for, has ended."""
    reader = asyncio.StreamReader()
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty():
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    else:
        reader.feed_eof()
    return reader


async def each(events: AsyncIterator[Event], show: Callable[[Event], None]) -> list[Event]:
    """Show every event as it comes, and return them all. Closes the capability when cancelled."""
    seen = []
    async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]
        async for event in stream:
            seen.append(event)
            show(event)
    return seen


async def follow(
    events: AsyncGenerator[T, None], options: argparse.Namespace, narrator: Callable[[T], object]
) -> T | None:
    """Report every event, with --jsonl as JSON; the last one. Closes the capability, cancelled."""
    last: T | None = None
    async with contextlib.aclosing(events) as stream:
        async for last in stream:
            (print_json if options.jsonl else narrator)(last)
    return last


def confirm_destructive(
    options: argparse.Namespace, plan: str, stack: str, refused: str = "nothing was deleted"
) -> None:
    """Show `plan` and ask for the stack's name; headless, `--yes --stack NAME` stands for it.

    Raises `UsageError`, which begins with `refused`, when it is not confirmed.
    """
    if options.yes:
        narrate(plan)
        if getattr(options, "stack", None) is None:
            raise UsageError(f"{refused}: --yes needs the stack's name", f"add --stack {stack}")
        return
    if not sys.stdin.isatty():
        narrate(plan)
        raise UsageError(f"{refused}: there is no terminal to ask at", f"add --yes --stack {stack}")
    ask_for_name(plan, stack, refused)


def at_terminal() -> bool:
    """Whether somebody is there who sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_for_name(plan: str, stack: str, refused: str) -> None:
    """Show `plan` and ask for the stack's name. Raises `UsageError` for another answer."""
    narrate(plan)
    print(f"type the stack's name ({stack}) to confirm: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != stack:
        raise UsageError(f"{refused}: that is not the stack's name")
