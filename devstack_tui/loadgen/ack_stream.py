"""A stream of acknowledged writes: what a fault interrupts, and what it takes.

Every write is one number, written once by a service's `Acks` and never tried again. What became of
it is kept with the times: `loadgen.acknowledged_writes` computes windows and losses afterwards.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from devstack_tui.contracts.acks import Acks, Writer
from devstack_tui.contracts.model import Target
from devstack_tui.loadgen.acknowledged_writes import (
    ADD,
    INDETERMINATE,
    Operation,
    Outcome,
    classified,
    outcome_of,
)

ABANDONED = "abandoned"
"""The class of a write that was still without an answer when the stream was stopped."""
PAUSE_S = 0.02
"""The least time between two attempts of a client while they fail: 50 a second, no more."""
SLACK_S = 1.0


Writes = Sequence[Operation]


class _Attempt(NamedTuple):
    """A write that is under way; times are monotonic seconds."""

    number: int
    due: float
    sent: float


class Stream:
    """Writers in threads, one session each. A session that fails is replaced by a new one.

    `timeout` (seconds) covers connecting and each answer; `rate_hz` is the attempts a second of
    each client, by the clock and not by the answers (None: as fast as it is answered). Numbers
    count up from 1 over all clients. A stream runs once.
    """

    def __init__(
        self,
        acks: Acks,
        target: Target,
        run: str,
        clients: int = 1,
        *,
        timeout: float = 2.0,
        rate_hz: float | None = None,
    ) -> None:
        self._acks = acks
        self._target = target
        self._run = run
        self._timeout = timeout
        self._interval = 1.0 / rate_hz if rate_hz else 0.0
        self._numbers = itertools.count(1)
        self._writes: list[Operation] = []
        self._flying: dict[int, _Attempt] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._ended = False
        self._threads = [
            threading.Thread(target=self._client, name=f"stream-{index}", daemon=True)
            for index in range(clients)
        ]

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def stop(self, within: float | None = None) -> tuple[Operation, ...]:
        """End the stream; all of its writes in the order of their numbers. Idempotent.

        Takes `within` seconds at the most, or as long as one connect and one answer may. What has
        no answer by then is indeterminate, and its thread ends whenever it is let go.
        """
        self._stopping.set()
        limit = 2 * self._timeout + SLACK_S if within is None else within
        deadline = time.monotonic() + limit
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            if not self._ended:
                self._ended = True
                now = time.monotonic()
                self._writes += [
                    self._operation(one, now, (INDETERMINATE, ABANDONED))
                    for one in self._flying.values()
                ]
                self._writes.sort(key=lambda write: write.number)
        return tuple(self._writes)

    def snapshot(self) -> tuple[Operation, ...]:
        """The writes that are decided so far, in the order in which they were."""
        with self._lock:
            return tuple(self._writes)

    def _client(self) -> None:
        writer: Writer | None = None
        due = time.monotonic()
        try:
            while not self._stopping.is_set():
                begun = time.monotonic()
                writer = self._attempt(writer, min(due, begun))
                # By the clock; but waiting for an answer makes no write late.
                due = max(due + self._interval, time.monotonic())
                if writer is None:
                    due = max(due, begun + PAUSE_S)
                if (wait := due - time.monotonic()) > 0:
                    self._stopping.wait(wait)
        finally:
            _close(writer)

    def _attempt(self, writer: Writer | None, due: float) -> Writer | None:
        """Write the next number; the session to go on with, or None after a failure."""
        number = self._take(due)
        try:
            if writer is None:
                writer = self._acks.writer(self._target, self._run, self._timeout)
            writer.write(number)
        except Exception as error:
            self._record(outcome_of(error))
            _close(writer)
            return None
        self._record(classified())
        return writer

    def _take(self, due: float) -> int:
        with self._lock:
            number = next(self._numbers)
            self._flying[threading.get_ident()] = _Attempt(number, due, time.monotonic())
            return number

    def _record(self, outcome: Outcome) -> None:
        done = time.monotonic()
        with self._lock:
            one = self._flying.pop(threading.get_ident())
            if not self._ended:
                self._writes.append(self._operation(one, done, outcome))

    def _operation(self, one: _Attempt, done: float, outcome: Outcome) -> Operation:
        name = self._target.service
        due, sent, over = (round(at * 1e6) for at in (one.due, one.sent, done))
        return Operation(
            name, ADD, one.number, "", one.number, name, due, sent, over, outcome[0], outcome[1]
        )


def _close(writer: Writer | None) -> None:
    if writer is not None:
        # A broken session may fail to close in any way; it is given up already.
        with contextlib.suppress(Exception):
            writer.close()
