"""MongoDB's acknowledged writes: one insert each, with the server's default write concern.

That is what a client relies on that asks for nothing else. A server alone then acknowledges from
memory (`w: 1`), and its journal follows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from devstack_tui.contracts.acks import Acks, Allowance, Indeterminate, NotWritten, checked, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.services.mongodb.client import connect
from devstack_tui.services.mongodb.wire import Refused, Wire

TIMEOUT_S = 30.0
_KINDS = {
    91: "stopping",  # ShutdownInProgress
    11600: "stopping",  # InterruptedAtShutdown
    11601: "stopping",  # Interrupted
    11602: "readonly",  # InterruptedDueToReplStateChange
    189: "readonly",  # PrimarySteppedDown
    10058: "readonly",  # what 10107 was
    10107: "readonly",  # NotWritablePrimary
    13435: "readonly",  # NotPrimaryNoSecondaryOk
    13436: "readonly",  # NotPrimaryOrSecondary: it recovers
    14031: "no-room",  # OutOfDiskSpace
}
# Interrupted while they ran: what they did by then nobody knows.
_INTERRUPTED = frozenset({91, 11600, 11601, 11602})


def _collection(run: str) -> str:
    return f"devstack_tui_acks_{checked(run)}"


class _Session(Wire):
    """A connection for many commands: each has the time limit for itself."""

    def allow(self, seconds: float) -> None:
        """The time limit of what comes next."""
        self._deadline = time.monotonic() + seconds


class MongodbWriter:
    """See `devstack_tui.contracts.acks.Writer`.

    On a connection of our own: the driver looks for a server that is gone every half second only,
    and so would not see when it is back.
    """

    def __init__(self, target: Target, run: str, timeout: float) -> None:
        self._database = target.credentials.database
        self._collection = _collection(run)
        self._timeout = timeout
        try:
            self._wire = _Session(target, timeout)
        except OSError as error:
            raise NotWritten(kind_of(error)) from None
        try:
            self._wire.login(target.credentials.user, target.credentials.password)
        except (OSError, Refused) as error:
            self._wire.__exit__(None, None, None)
            raise NotWritten(_class(error)) from None

    def write(self, number: int) -> None:
        """One insert."""
        self._wire.allow(self._timeout)
        command: dict[str, Any] = {"insert": self._collection, "documents": [{"_id": number}]}
        try:
            self._wire.command(self._database, command)
        except OSError as error:
            raise Indeterminate(kind_of(error)) from None
        except Refused as error:
            raise refusal(error.code) from None

    def close(self) -> None:
        """Close the connection."""
        self._wire.__exit__(None, None, None)


class MongodbAcks:
    """See `devstack_tui.contracts.acks.Acks`. The numbers are documents in a collection of the
    run's own, in the database of the applications' account."""

    def prepare(self, target: Target, run: str) -> None:
        """Make the collection, on disk: a crash may take the numbers, not their place."""
        with connect(target, TIMEOUT_S) as client:
            client[target.credentials.database].create_collection(_collection(run))
        with connect(target.as_admin(), TIMEOUT_S) as client:
            client.admin.command("fsync", 1)

    def writer(self, target: Target, run: str, timeout: float) -> MongodbWriter:
        """A session of its own."""
        return MongodbWriter(target, run, timeout)

    def present(self, target: Target, run: str, asked: Iterable[int]) -> set[int]:
        """The documents that are there."""
        with connect(target, TIMEOUT_S) as client:
            numbers = client[target.credentials.database][_collection(run)].find({})
            found = {int(one["_id"]) for one in numbers}
        return found.intersection(asked)

    def cleanup(self, target: Target, run: str) -> None:
        """Drop the collection."""
        with connect(target, TIMEOUT_S) as client:
            client[target.credentials.database].drop_collection(_collection(run))

    def allowance(self, target: Target) -> Allowance:
        """What was acknowledged since the journal was last written: once in an interval, and the
        writing takes about as long again at the worst."""
        with connect(target.as_admin(), TIMEOUT_S) as client:
            found = client.admin.command("getParameter", 1, journalCommitInterval=1)
        interval = int(found["journalCommitInterval"])
        return Allowance(
            2 * interval / 1000,
            f"w: 1 acknowledges from memory, the journal is written every {interval} ms",
        )


def refusal(code: int) -> NotWritten | Indeterminate:
    """What an error of an insert means."""
    kind = _KINDS.get(code, f"error-{code}")
    return Indeterminate(kind) if code in _INTERRUPTED else NotWritten(kind)


def _class(error: Exception) -> str:
    return refusal(error.code).kind if isinstance(error, Refused) else kind_of(error)


ACKS: Acks = MongodbAcks()
