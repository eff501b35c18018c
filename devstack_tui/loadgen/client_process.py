"""A client of a closed loop, in a process of its own: it connects, warms up, and sends requests."""

from __future__ import annotations

import contextlib
import gc
import math
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NoReturn, Protocol

from devstack_tui.contracts.workload import Tick
from devstack_tui.core.histogram import Histogram
from devstack_tui.loadgen.driver_errors import class_of, sentence

WARM_UP_S = 0.3
WARM_UP_REQUESTS = 3
"""What a client does before it is measured: the second one where `requests` are given."""
GIVE_UP_S = 1.5
"""A client that got nothing but errors for so long ends."""
_PAUSE_S = 0.05  # after an error: a server that is gone is not asked a thousand times a second


class Client(Protocol):
    """One client. Each has its own connection, made in `make_client`, with a time limit below
    `GRACE_S` seconds. An exception of `request` is an error of the run, counted by its class."""

    def request(self) -> int:
        """Send one request and take its answer. Returns how many operations it was."""

    def close(self) -> None:
        """Close the connection. It may be broken."""


MakeClient = Callable[[int], Client]
"""Called with the client's number (from 0) in the client's own process, and again after errors.
What it and the client touch must not have been used (a driver's pool, say) before the fork."""


@dataclass(slots=True)
class RequestCounts:
    """Operations and latencies of requests that were answered, and errors by class."""

    operations: int = 0
    latency: Histogram = field(default_factory=Histogram)
    errors: dict[str, int] = field(default_factory=dict)

    def merge(self, other: RequestCounts) -> None:
        """Add all of `other`."""
        self.operations += other.operations
        self.latency.merge(other.latency)
        for error, times in other.errors.items():
            self.errors[error] = self.errors.get(error, 0) + times

    def tick(self, second: int) -> Tick:
        """All of it as what happened in one second."""
        return Tick.of(second, self.operations, self.latency, self.errors)


class Tally:
    """What was counted since the last `take`. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted = RequestCounts()

    def add(self, ms: float, operations: int) -> None:
        """Count a request that was answered."""
        with self._lock:
            self._counted.latency.add(ms)
            self._counted.operations += operations

    def fail(self, error: str) -> None:
        """Count a request that was not."""
        with self._lock:
            self._counted.errors[error] = self._counted.errors.get(error, 0) + 1

    def take(self) -> RequestCounts:
        """What was counted; counting starts anew."""
        with self._lock:
            taken, self._counted = self._counted, RequestCounts()
        return taken


@dataclass(frozen=True, slots=True)
class Plan:
    """What every client does: for `seconds`, or `requests` requests."""

    make_client: MakeClient
    seconds: float
    requests: int
    parent: int


class StartSignal:
    """A few bytes that parent and clients both see: when to start, and whether to stop."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, 16)

    @property
    def start(self) -> float:
        """On the monotonic clock; 0 as long as it is not set."""
        return float(struct.unpack_from("d", self._bytes, 8)[0])

    def set_start(self, at: float) -> None:
        struct.pack_into("d", self._bytes, 8, at)

    @property
    def stopped(self) -> bool:
        return self._bytes[0] != 0

    def stop(self) -> None:
        self._bytes[0] = 1


def client_process(number: int, plan: Plan, shared: StartSignal, pipe: Connection) -> NoReturn:
    """All that a forked client does. Nothing of the parent is cleaned up or flushed twice."""
    with contextlib.suppress(BaseException):
        # ctrl-C reaches the whole group: the parent decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        _Worker(number, plan, shared, pipe).work()
    os._exit(0)


class _Worker:
    """The client's side."""

    def __init__(self, number: int, plan: Plan, shared: StartSignal, pipe: Connection) -> None:
        self._number = number
        self._plan = plan
        self._shared = shared
        self._pipe = pipe
        self._tally = Tally()
        self._done = threading.Event()
        self._start = 0.0
        self._seconds_told = 0

    def work(self) -> None:
        """Connect, warm up, wait for the start, measure."""
        gc.disable()
        try:
            client = self._plan.make_client(self._number)
            self._warm_up(client)
        except Exception as error:
            self._pipe.send(("failed", sentence(error)))
            return
        # What is there stays there: no collection walks through it while latencies are measured.
        gc.freeze()
        gc.enable()
        self._pipe.send(("ready", ""))
        while not (self._shared.start or self._shared.stopped):
            self._check_parent()
            time.sleep(0.001)
        self._start = self._shared.start or time.monotonic()
        time.sleep(max(0.0, self._start - time.monotonic()))
        reporter = threading.Thread(target=self._report, daemon=True)
        reporter.start()
        ended = self._loop(client)
        self._done.set()
        reporter.join()
        # An answer that came just after the end belongs to the last second.
        self._report_second(self._seconds_told + 1)
        self._pipe.send(("end", ended))

    def _warm_up(self, client: Client) -> None:
        if self._plan.requests:
            for _ in range(WARM_UP_REQUESTS):
                client.request()
            return
        until = time.monotonic() + WARM_UP_S
        while time.monotonic() < until and not self._shared.stopped:
            client.request()

    def _loop(self, client: Client | None) -> float:
        """Request after request. Returns when the last one ended."""
        end = self._start + self._plan.seconds if self._plan.seconds else math.inf
        left = self._plan.requests or math.inf
        begun = good = time.monotonic()
        while begun < end and left > 0 and not self._shared.stopped:
            try:
                if client is None:
                    client = self._plan.make_client(self._number)
                    begun = time.monotonic()
                operations = client.request()
            except Exception as error:
                self._tally.fail(class_of(error))
                left -= 1
                if client is not None:
                    with contextlib.suppress(Exception):
                        client.close()
                    client = None
                begun = time.monotonic()
                if begun - good > GIVE_UP_S:
                    return begun
                time.sleep(_PAUSE_S)
                continue
            now = time.monotonic()
            self._tally.add((now - begun) * 1000, operations)
            left -= 1
            begun = good = now
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()
        return begun

    def _report(self) -> None:
        """Report every second to the parent, also while a request is waited for."""
        plan = self._plan
        while not plan.seconds or self._seconds_told + 1 < plan.seconds:
            due = self._start + self._seconds_told + 1
            if self._done.wait(max(0.0, due - time.monotonic())):
                return
            self._check_parent()
            self._seconds_told += 1
            self._report_second(self._seconds_told)

    def _report_second(self, second: int) -> None:
        self._pipe.send(("second", (second, self._tally.take())))

    def _check_parent(self) -> None:
        if os.getppid() != self._plan.parent:
            os._exit(1)
