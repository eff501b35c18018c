"""The closed loop: some clients, each of which sends its next request when the last is answered.

Every client is a process of its own: clients that share a Python process wait for each other, and
would measure that. The processes are forked, so that what `make_client` holds needs no copying.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import msgspec

from devstack_tui.contracts.workload import Bench, Measurement, Tick
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.histogram import Histogram
from devstack_tui.loadgen.client_process import (
    MakeClient,
    Plan,
    RequestCounts,
    StartSignal,
    client_process,
)

READY_S = 120.0
GRACE_S = 12.0
"""How long after its end a run waits for a last answer; a client's own time limit is shorter."""
_STOP_S = 0.5  # for the answers that are on their way when a run is stopped
_LATE_S = 0.15  # what a client counted in a second is a moment on its way


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
    plan = Plan(make_client, seconds, requests, os.getpid())
    with _ClientProcesses(plan, bench.stop) as crew:
        for number in range(clients):
            crew.fork(number)
        crew.wait_ready()
        return crew.measure(bench.tick)


def run_for_seconds(bench: Bench, make_client: MakeClient) -> Measurement:
    """`run_clients` with as many clients, and for as long, as the parameters say."""
    clients, seconds = int(bench.params["clients"]), float(bench.params["seconds"])
    return run_clients(bench, make_client, clients, seconds)


def run_in_windows(bench: Bench, make_client: MakeClient, empty: Callable[[], None]) -> Measurement:
    """`run_clients` with one client for as many seconds as the parameters say, in windows of at
    most `window` seconds each. Between two windows `empty` removes what the clients wrote: its time
    is not measured, and what is kept at once has a bound however long the run is.

    The seconds of the windows are counted on. A window that ends early (a server that went away, a
    run that is stopped) is the last.
    """
    seconds = float(bench.params["seconds"])
    length = float(bench.params.get("window", seconds))
    if length <= 0:
        raise UsageError("a window needs seconds above 0")
    total = Measurement(0, 0, 0.0, Histogram(), 1)
    ticked = 0

    def tick(second: Tick) -> None:
        nonlocal ticked
        ticked += 1
        bench.tick(msgspec.structs.replace(second, second=ticked))

    left = seconds
    while left > 0 and not bench.stop.is_set():
        if left < seconds:
            empty()
        planned, left = min(length, left), left - length
        part = run_clients(replace(bench, tick=tick), make_client, 1, planned)
        total = _added(total, part)
        if part.seconds < planned:
            break
    return total


def _added(one: Measurement, two: Measurement) -> Measurement:
    """Two windows of the same clients as one."""
    latency = Histogram()
    latency.merge(one.latency)
    latency.merge(two.latency)
    return Measurement(
        one.operations + two.operations,
        one.requests + two.requests,
        one.seconds + two.seconds,
        latency,
        two.clients,
        {
            name: one.errors.get(name, 0) + two.errors.get(name, 0)
            for name in (*one.errors, *two.errors)
        },
    )


class _ClientProcesses:
    """The parent's side: the client processes, and what they report."""

    def __init__(self, plan: Plan, stop: threading.Event) -> None:
        self._plan = plan
        self._stop = stop
        self._shared = StartSignal()
        self._pids: dict[Connection, int] = {}

    def __enter__(self) -> _ClientProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        self._shared.stop()
        until = time.monotonic() + 0.2
        while self._pids and time.monotonic() < until:
            list(self._messages(0.05))
        for pipe, pid in list(self._pids.items()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._reap(pipe)

    def fork(self, number: int) -> None:
        """Start one client."""
        ours, theirs = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            for pipe in (ours, *self._pids):
                pipe.close()
            client_process(number, self._plan, self._shared, theirs)
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
        total = RequestCounts()
        seconds: dict[int, RequestCounts] = {}
        ends: list[float] = []
        ticked = 0
        while self._pids:
            for kind, what in self._messages(0.05):
                if kind == "end":
                    ends.append(what)
                    continue
                second, counted = what if kind == "second" else (0, RequestCounts(errors={what: 1}))
                total.merge(counted)
                # What comes late (its client was kept waiting) is shown a second later, not lost.
                seconds.setdefault(max(second, ticked + 1), RequestCounts()).merge(counted)
            now = time.monotonic()
            if now > start + ticked + 1 + _LATE_S and self._pids:
                ticked += 1
                tick(seconds.pop(ticked, RequestCounts()).tick(ticked))
            if self._stop.is_set() and not self._shared.stopped:
                self._shared.stop()
                hard_end = min(hard_end, now + _STOP_S)
            if now > hard_end:
                if not self._stop.is_set():
                    total.merge(RequestCounts(errors={"NoAnswer": len(self._pids)}))
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
                self._reap(pipe)
                yield "died", "ClientDied"
                continue
            if kind == "end":
                self._reap(pipe)
            yield kind, what

    def _reap(self, pipe: Connection) -> None:
        os.waitpid(self._pids.pop(pipe), 0)
        pipe.close()
