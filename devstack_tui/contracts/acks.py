"""The part of a service that proves durability: writes that were acknowledged, and what is left.

`services/<name>/acks.py` holds `ACKS`. All that it makes carries the run's name and goes with
`cleanup`; never a user's data.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError, UsageError

KINDS: Mapping[str, str] = {
    "refused": "nothing listened",
    "timeout": "no answer in time",
    "abandoned": "no answer by the end of the run",
    "reset": "the connection broke",
    "closed": "the server ended the session in good order",
    "starting": "the server was starting",
    "stopping": "the server was stopping",
    "readonly": "the server did not take writes yet, or no more",
    "sealed": "the server was sealed, or nobody was active",
    "standby": "the server was unsealed and not active yet",
    "redirected": "the server was unsealed and not active yet, and named itself as it was before",
    "loading": "the server was reading its data",
    "moved": "another node owned it by then",
    "clusterdown": "no living node owned it",
    "unavailable": "the server was there, and what it needs was not",
    "full": "every connection was taken: those of before were not ended yet",
    "blocked": "the broker held its publishers back",
    "nacked": "the broker could not take it on: its queue was ending",
}
"""The classes that a fault explains, and how. Any other, `error-1146` or an exception's name, is a
bug of somebody's, and a server without room (`no-room`) is none of the fault's: a drill fails."""


class NotWritten(DevstackError):
    """The server said no, or was not there to be sent to: this write surely did not happen.

    `kind` is its class, a short word: refused, readonly, loading …
    """

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message or kind)
        self.kind = kind


class Indeterminate(DevstackError):
    """It was sent and never answered: it may have happened or not."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message or kind)
        self.kind = kind


class Writer(Protocol):
    """One session. Not shared between threads; nothing is retried."""

    def write(self, number: int) -> None:
        """Write `number` and return once the server has acknowledged it as a client would
        rely on it. Raises `NotWritten` or `Indeterminate`; after either, make a new writer."""

    def close(self) -> None:
        """End the session, whatever state it is in."""


class Acks(Protocol):
    """Every method may block."""

    def prepare(self, target: Target, run: str) -> None:
        """Make the place for the run's numbers."""

    def writer(self, target: Target, run: str, timeout: float) -> Writer:
        """A session; `timeout` (seconds) covers connecting and each answer. Raises
        `NotWritten` when the server is not there."""

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """Which of the numbers are there now, read from the node that owns each."""

    def cleanup(self, target: Target, run: str) -> None:
        """Remove all of the run. Idempotent."""

    def allowance(self, target: Target) -> Allowance:
        """What a crash may take of the acknowledged writes by the service's own promise, as it is
        set now."""


class Allowance(msgspec.Struct, frozen=True):
    """The writes of the last `seconds` before a crash of the server may be gone, for this `reason`;
    `declared` where a setting brings that about, and not the service's own design. An orderly end
    may take nothing."""

    seconds: float = 0.0
    reason: str = ""
    declared: bool = False


def checked(run: str) -> str:
    """`run`, which becomes a part of names and statements. Raises `UsageError` for one that is not
    of up to 32 of [a-z0-9]."""
    if not re.fullmatch(r"[a-z0-9]{1,32}", run):
        raise UsageError(f"the run's name {run!r} is not of up to 32 of a-z and 0-9")
    return run


def kind_of(error: BaseException) -> str:
    """The class of a failure of the connection, however deep the driver wrapped it."""
    seen: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        one = pending.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            pending += [one.__cause__, one.__context__, *one.args]
    if any(isinstance(one, ConnectionRefusedError) for one in seen):
        return "refused"
    if any(isinstance(one, TimeoutError) for one in seen):
        return "timeout"
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in seen):
        return "untrusted"
    if any(isinstance(one, ConnectionError | ssl.SSLError | EOFError) for one in seen):
        return "reset"
    return _in_words(" ".join(str(one).lower() for one in seen)) or type(error).__name__


def _in_words(text: str) -> str:
    """The class that a driver gives in words only."""
    words = (
        ("refused", "refused"),
        ("timed out", "timeout"),
        ("timeout", "timeout"),
        ("reset", "reset"),
        ("broken pipe", "reset"),
        ("eof", "reset"),
        ("closed", "reset"),
        ("no connection", "reset"),
        ("lost", "reset"),
        ("gone away", "reset"),
    )
    return next((kind for word, kind in words if word in text), "")
