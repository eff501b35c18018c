"""What every verb prints: data on stdout, narration on stderr."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from typing import Protocol

from devstack_tui.core.errors import DevstackError, for_stack
from devstack_tui.core.paths import DEFAULT_STACK

_stack = DEFAULT_STACK
"""The stack of this process's verb."""


class Ended(Protocol):
    """The last event of a capability."""

    @property
    def message(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def exit_code(self) -> int: ...


class Narration:
    """Lines on stderr, each with the seconds since it began."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line."""
        narrate(f"{time.monotonic() - self._started:6.1f}s  {text}")


def work_on(stack: str) -> None:
    """Name the stack that the commands in all that is printed are to work on."""
    global _stack  # noqa: PLW0603
    _stack = stack


def as_typed(text: str) -> str:
    """`text`, the commands in it as a user types them for this stack."""
    return for_stack(text, _stack)


def say(text: str = "") -> None:
    """A line of data, or several, on stdout."""
    print(as_typed(text))


def narrate(text: str) -> None:
    """A line on stderr. That nobody reads it any more changes nothing."""
    try:
        print(as_typed(text), file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


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
