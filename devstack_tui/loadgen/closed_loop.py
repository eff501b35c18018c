"""The closed loop: some clients, each of which sends its next request when the last is answered.

Every client is a process of its own: clients that share a Python process wait for each other, and
would measure that. The processes are forked, so that what `make_client` holds needs no copying.
"""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn, Protocol

from devstack_tui.contracts.workload import Bench, Measurement, Tick
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.histogram import Histogram
from devstack_tui.core.redact import redact

WARM_UP_S = 0.3
WARM_UP_REQUESTS = 3
"""What a client does before it is measured: the second one where `requests` are given."""
GIVE_UP_S = 1.5
"""A client that got nothing but errors for so long ends."""
READY_S = 120.0
GRACE_S = 12.0
"""How long after its end a run waits for a last answer; a client's own time limit is shorter."""
_STOP_S = 0.5  # for the answers that are on their way when a run is stopped
_LATE_S = 0.15  # what a client counted in a second is a moment on its way
_PAUSE_S = 0.05  # after an error: a server that is gone is not asked a thousand times a second


class Client(Protocol):
    """One client. Each has its own connection, made in `make_client`, with a time limit below
    `GRACE_S` seconds. An exception of `request` is an error of the run, counted by its class."""

    def request(self) -> int:
        """Send one request and take its answer. Returns how many operations it was."""

    def close(self) -> None:
        """Close the connection. It may be broken."""


class WrongAnswer(Exception):
    """The server answered, but not with what was asked for."""


MakeClient = Callable[[int], Client]
"""Called with the client's number (from 0) in the client's own process, and again after errors.
What it and the client touch must not have been used (a driver's pool, say) before the fork."""


@dataclass(slots=True)
class Tallied:
    """Operations and latencies of requests that were answered, and errors by class."""

    operations: int = 0
    latency: Histogram = field(default_factory=Histogram)
    errors: dict[str, int] = field(default_factory=dict)

    def merge(self, other: Tallied) -> None:
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
        self._counted = Tallied()

    def add(self, ms: float, operations: int) -> None:
        """Count a request that was answered."""
        with self._lock:
            self._counted.latency.add(ms)
            self._counted.operations += operations

    def fail(self, error: str) -> None:
        """Count a request that was not."""
        with self._lock:
            self._counted.errors[error] = self._counted.errors.get(error, 0) + 1

    def take(self) -> Tallied:
        """What was counted; counting starts anew."""
        with self._lock:
            taken, self._counted = self._counted, Tallied()
        return taken


@contextlib.contextmanager
def driver_errors(what: str) -> Iterator[None]:
    """Turn a driver's exception into a `DevstackError` that begins with `what`."""
    try:
        yield
    except DevstackError:
        raise
    except Exception as error:
        raise DevstackError(f"{what}: {_sentence(error)}") from error


def run_clients(
    bench: Bench,
    make_client: MakeClient,
    clients: int,
    seconds: float = 0,
    requests: int = 0,
) -> Measurement:
    """Let `clients` send requests for `seconds`, or `requests` requests each.

    Connecting and a warm-up are not measured; all clients start at the same moment. The measured
    time ends with the last answer. Ticks once a second; a last second that was cut short is not
    ticked, for it would look like a drop. A server that goes away ends the run soon, with errors.
    Raises `DevstackError` when a client cannot even begin.
    """
    if clients < 1 or (seconds <= 0 and requests < 1):
        raise UsageError("a run needs at least one client, and seconds or requests above 0")
    plan = _Plan(make_client, seconds, requests, os.getpid())
    with _Crew(plan, bench.stop) as crew:
        for number in range(clients):
            crew.fork(number)
        crew.wait_ready()
        return crew.measure(bench.tick)


@dataclass(frozen=True, slots=True)
class _Plan:
    make_client: MakeClient
    seconds: float
    requests: int
    parent: int


class _Shared:
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


class _Crew:
    """The parent's side: the client processes, and what they report."""

    def __init__(self, plan: _Plan, stop: threading.Event) -> None:
        self._plan = plan
        self._stop = stop
        self._shared = _Shared()
        self._pids: dict[Connection, int] = {}

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._shared.stop()
        until = time.monotonic() + 0.2
        while self._pids and time.monotonic() < until:
            list(self._messages(0.05))
        for pipe, pid in list(self._pids.items()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._gone(pipe)

    def fork(self, number: int) -> None:
        """Start one client."""
        ours, theirs = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            for pipe in (ours, *self._pids):
                pipe.close()
            _client_process(number, self._plan, self._shared, theirs)
        theirs.close()
        self._pids[ours] = pid

    def wait_ready(self) -> None:
        """Wait until every client has connected and warmed up, or the run is stopped."""
        waiting = len(self._pids)
        until = time.monotonic() + READY_S
        while waiting and not self._stop.is_set():
            for kind, what in self._messages(0.1):
                if kind != "ready":
                    raise DevstackError(f"a client could not begin: {what}")
                waiting -= 1
            if time.monotonic() > until:
                raise DevstackError(f"the clients did not connect within {READY_S:.0f} s")

    def measure(self, tick: Callable[[Tick], None]) -> Measurement:
        """Let them go, and collect what they count until the last has ended."""
        clients = len(self._pids)
        start = time.monotonic() + 0.02
        self._shared.set_start(start)
        hard_end = start + self._plan.seconds + GRACE_S if self._plan.seconds else math.inf
        total = Tallied()
        seconds: dict[int, Tallied] = {}
        ends: list[float] = []
        ticked = 0
        while self._pids:
            for kind, what in self._messages(0.05):
                if kind == "end":
                    ends.append(what)
                    continue
                second, counted = what if kind == "second" else (0, Tallied(errors={what: 1}))
                total.merge(counted)
                # What comes late (its client was kept waiting) is shown a second later, not lost.
                seconds.setdefault(max(second, ticked + 1), Tallied()).merge(counted)
            now = time.monotonic()
            if now > start + ticked + 1 + _LATE_S and self._pids:
                ticked += 1
                tick(seconds.pop(ticked, Tallied()).tick(ticked))
            if self._stop.is_set() and not self._shared.stopped:
                self._shared.stop()
                hard_end = min(hard_end, now + _STOP_S)
            if now > hard_end:
                if not self._stop.is_set():
                    total.merge(Tallied(errors={"NoAnswer": len(self._pids)}))
                ends.append(now)
                break
        elapsed = max(max(ends, default=time.monotonic()) - start, 1e-3)
        for second, counted in sorted(seconds.items()):
            if second == 1 or second <= elapsed + 0.02 or counted.errors:
                tick(counted.tick(second))
        return Measurement(
            operations=total.operations,
            requests=total.latency.count,
            seconds=elapsed,
            latency=total.latency,
            clients=clients,
            errors=total.errors,
        )

    def _messages(self, timeout: float) -> Iterator[tuple[str, Any]]:
        for pipe in wait(list(self._pids), timeout):
            assert isinstance(pipe, Connection)
            try:
                kind, what = pipe.recv()
            except EOFError:
                self._gone(pipe)
                yield "died", "ClientDied"
                continue
            if kind == "end":
                self._gone(pipe)
            yield kind, what

    def _gone(self, pipe: Connection) -> None:
        os.waitpid(self._pids.pop(pipe), 0)
        pipe.close()


def _client_process(number: int, plan: _Plan, shared: _Shared, pipe: Connection) -> NoReturn:
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

    def __init__(self, number: int, plan: _Plan, shared: _Shared, pipe: Connection) -> None:
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
            self._pipe.send(("failed", _sentence(error)))
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
        self._tell(self._seconds_told + 1)
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
                self._tally.fail(_class(error))
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
        """Tell the parent about every second, also while a request is waited for."""
        plan = self._plan
        while not plan.seconds or self._seconds_told + 1 < plan.seconds:
            due = self._start + self._seconds_told + 1
            if self._done.wait(max(0.0, due - time.monotonic())):
                return
            self._check_parent()
            self._seconds_told += 1
            self._tell(self._seconds_told)

    def _tell(self, second: int) -> None:
        self._pipe.send(("second", (second, self._tally.take())))

    def _check_parent(self) -> None:
        if os.getppid() != self._plan.parent:
            os._exit(1)


def _class(error: Exception) -> str:
    """`OperationalError 2013`: the class, and the number that databases give as the first word."""
    name = type(error).__name__
    number = error.args[0] if error.args else None
    return f"{name} {number}" if type(number) is int and not isinstance(error, OSError) else name


def _sentence(error: Exception) -> str:
    return redact(str(error).strip().partition("\n")[0])[:200] or type(error).__name__
