"""The errors that a user may see: each states what happened and what to do next."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable
from typing import TypeVar

_E = TypeVar("_E", bound=BaseException)


class DevstackError(Exception):
    """Something a user can act on.

    `message` is one sentence; `remedy` is the next step, or empty. `exit_code` is the
    process exit status of the CLI contract (1 failed, 2 usage or configuration,
    3 the stack cannot be reached, 4 inconclusive).
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message


class UsageError(DevstackError):
    """A wrong name, flag or configuration value: nothing was changed."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file that cannot be used: the message names file, line and key."""


class UnreachableError(DevstackError):
    """The stack, or the part of it that was asked for, cannot be reached."""

    exit_code = 3


class SaturatedError(UnreachableError):
    """A server that runs, but has no connection left for us."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"it takes no more connections: {why}",
            f"end some of its clients, or all by `devstack-tui restart {name}`",
        )


class NotInstalledError(DevstackError):
    """A server program is not on this machine; `remedy` is the command that brings it."""


VERBS = (
    *("up", "down", "restart", "status", "logs", "doctor", "bench", "regress", "tune", "drill"),
    *("check", "report", "certs", "job"),
)
_COMMAND = re.compile(
    rf"\bdevstack-tui (?=(?:{'|'.join(VERBS)})(?![:\w-])([^`'\"\n;&|]*))(?![^`'\"\n;&|]*--stack\b)"
)


def for_stack(text: str, stack: str) -> str:
    """`text`, the commands of ours in it made to work as they stand: on `stack`, if that is not the
    one that they work on anyway. A command that names its stack keeps it; one that agrees to its
    plan beforehand (`--yes`) must name it.

    A command that we print is written `devstack-tui VERB …`; `cli/output` passes all that it prints
    through here."""

    def typed(found: re.Match[str]) -> str:
        named = stack != "default" or "--yes" in found[1].split()
        return f"devstack-tui --stack {stack} " if named else found[0]

    return _COMMAND.sub(typed, text)


def command(stack: str, *words: str) -> str:
    """A command line of ours, as a user types it."""
    return for_stack(f"devstack-tui {shlex.join(words)}", stack)


SHOWN = 40
"""So many names are listed; nobody reads a thousand."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """A `UsageError` for `name`, listing the close matches among `known`."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        remedy = f"did you mean {' or '.join(close)}?"
    elif names:
        more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        remedy = f"known: {', '.join(names[:SHOWN])}{more}"
    else:
        remedy = f"there is no {kind} yet"
    return UsageError(f"unknown {kind} {name!r}", remedy)


def cause_of(error: BaseException, kind: type[_E]) -> _E | None:
    """The `kind` of error that a driver wrapped into its own, however deep; None without one."""
    seen: list[BaseException] = []
    todo: list[object] = [error]
    while todo and len(seen) < 20:
        found = todo.pop()
        if isinstance(found, kind):
            return found
        if isinstance(found, BaseException) and found not in seen:
            seen.append(found)
            todo += [*found.args, found.__context__, found.__cause__]
    return None
