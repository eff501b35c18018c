"""A stream of acknowledged writes: what a fault interrupts, and what it takes.

Every write is one number, written once by a service's `Acks` and never tried again. What became of
it is kept with the times, so that windows and losses are computed afterwards and not while it runs.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from devstack_tui.contracts.acks import Acks, Indeterminate, NotWritten, Writer
from devstack_tui.contracts.model import Target

OK = "ok"
NOT_WRITTEN = "not_written"
INDETERMINATE = "indeterminate"
ABANDONED = "abandoned"
"""The class of a write that was still without an answer when the stream was stopped."""
PAUSE_S = 0.02
"""The least time between two attempts of a client while they fail: 50 a second, no more."""
USUAL_GAPS = 3.0
"""A gap of up to so many usual ones is what the rate explains."""
SLACK_S = 1.0


class Write(msgspec.Struct, frozen=True):
    """One write. `sent` and `done` are monotonic seconds; `outcome` is `ok`,
    `not_written:<class>` or `indeterminate:<class>`."""

    number: int
    sent: float
    done: float
    outcome: str

    @property
    def acknowledged(self) -> bool:
        """Whether the server said that it has it."""
        return self.outcome == OK

    @property
    def kind(self) -> str:
        """The class of its failure; empty for an acknowledged one."""
        return self.outcome.partition(":")[2]


Writes = Sequence[Write]


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
        self._writes: list[Write] = []
        self._flying: dict[int, Write] = {}
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

    def stop(self, within: float | None = None) -> tuple[Write, ...]:
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
                    Write(one.number, one.sent, now, f"{INDETERMINATE}:{ABANDONED}")
                    for one in self._flying.values()
                ]
                self._writes.sort(key=lambda write: write.number)
        return tuple(self._writes)

    def snapshot(self) -> tuple[Write, ...]:
        """The writes that are decided so far, in the order in which they were."""
        with self._lock:
            return tuple(self._writes)

    def _client(self) -> None:
        writer: Writer | None = None
        due = time.monotonic()
        try:
            while not self._stopping.is_set():
                begun = time.monotonic()
                writer = self._attempt(writer)
                if self._interval:
                    due = max(due + self._interval, time.monotonic())
                least = begun + PAUSE_S if writer is None else 0.0
                wait = max(due if self._interval else 0.0, least) - time.monotonic()
                if wait > 0:
                    self._stopping.wait(wait)
        finally:
            _close(writer)

    def _attempt(self, writer: Writer | None) -> Writer | None:
        """Write the next number; the session to go on with, or None after a failure."""
        number = self._take()
        outcome = OK
        try:
            if writer is None:
                writer = self._acks.writer(self._target, self._run, self._timeout)
            writer.write(number)
        except NotWritten as error:
            outcome = f"{NOT_WRITTEN}:{error.kind}"
        except Indeterminate as error:
            outcome = f"{INDETERMINATE}:{error.kind}"
        except Exception as error:  # not foreseen by the service's part: seen as such by a drill
            outcome = f"{INDETERMINATE}:{type(error).__name__}"
        self._record(outcome)
        if outcome == OK:
            return writer
        _close(writer)
        return None

    def _take(self) -> int:
        with self._lock:
            number = next(self._numbers)
            self._flying[threading.get_ident()] = Write(number, time.monotonic(), 0.0, "")
            return number

    def _record(self, outcome: str) -> None:
        done = time.monotonic()
        with self._lock:
            one = self._flying.pop(threading.get_ident())
            if not self._ended:
                self._writes.append(Write(one.number, one.sent, done, outcome))


def _close(writer: Writer | None) -> None:
    if writer is not None:
        # A broken session may fail to close in any way; it is given up already.
        with contextlib.suppress(Exception):
            writer.close()


def outage(writes: Sequence[Write], fault: float) -> tuple[float, float] | None:
    """The longest stretch without an acknowledgement that contains `fault` or comes after it, from
    the last success before to the first one after; None if the rate explains it.

    One that never ends is counted up to the last attempt's end.
    """
    times = sorted(write.done for write in writes if write.acknowledged)
    ends = [write.done for write in writes]
    if not ends:
        return None
    before = bisect.bisect_right(times, fault)
    usual = statistics.median(gaps) if (gaps := _gaps(times[:before])) else 0.0
    first = min(write.sent for write in writes)
    last = max(ends)
    points = [times[before - 1] if before else first, *times[before:], last]
    longest = max(itertools.pairwise(points), key=lambda pair: pair[1] - pair[0])
    return longest if longest[1] - longest[0] > USUAL_GAPS * usual else None


def window(writes: Sequence[Write], fault: float) -> float:
    """How long nothing was acknowledged because of the fault: seconds; see `outage`."""
    found = outage(writes, fault)
    return found[1] - found[0] if found else 0.0


def lost(writes: Iterable[Write], present: set[int]) -> tuple[int, float]:
    """How many acknowledged writes are not there, and over how many seconds they were made."""
    gone = [write for write in writes if write.acknowledged and write.number not in present]
    if not gone:
        return 0, 0.0
    return len(gone), max(w.done for w in gone) - min(w.sent for w in gone)


def resurrected(writes: Iterable[Write], present: set[int]) -> int:
    """How many writes are there that were surely not made: a wrong refusal."""
    return sum(w.outcome.startswith(NOT_WRITTEN) and w.number in present for w in writes)


def indeterminate(writes: Iterable[Write]) -> int:
    """How many were sent and never answered."""
    return sum(write.outcome.startswith(INDETERMINATE) for write in writes)


def errors(writes: Iterable[Write]) -> dict[str, int]:
    """The failures by class, the most frequent first."""
    return dict(Counter(write.kind for write in writes if not write.acknowledged).most_common())


def _gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]
