"""The process that puts the load on: one workload, prepared, run, cleaned up.

It reads what to do from its standard input, one JSON line, and writes JSON lines. When its input
closes, its parent process is gone: it stops, removes its data and ends. So nothing that draws or
waits can touch a latency, and nothing is left behind when the console is killed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from devstack_tui.bench.catalogue import Number
from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.model import Target, Usage
from devstack_tui.contracts.registry import service
from devstack_tui.contracts.service import Service
from devstack_tui.contracts.workload import Bench, Tick, Workload
from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.histogram import Buckets
from devstack_tui.core.redact import brief, redact
from devstack_tui.stack.probing import probe_once
from devstack_tui.stack.stack import Stack

PROBE_S = 5.0
"""How long one question to the server may take, before it is said that it is waited for."""
ANSWER_S = 15.0
"""How long the server may take connections without an answer."""


RUNNING = "running"
"""The phase that is measured."""


class RunOrder(msgspec.Struct, frozen=True):
    """The child's order."""

    stack: str
    service: str
    workload: str
    params: dict[str, Number]
    runs: int


class Phase(msgspec.Struct, frozen=True, tag_field="event", tag="phase"):
    """Run `run` is being prepared, begins to be measured, or waits for what `phase` says."""

    phase: str
    run: int


class RunMeasured(msgspec.Struct, frozen=True, tag_field="event", tag="measured"):
    """A run that came to its end."""

    run: int
    operations: int
    requests: int
    seconds: float
    clients: int
    latency: Buckets
    errors: dict[str, int]
    client_cpu: float
    server_cpu: float
    engine: tuple[str, str]
    settings: dict[str, str]


class Failed(msgspec.Struct, frozen=True, tag_field="event", tag="failed"):
    """Why there will be no more runs."""

    run: int
    message: str
    remedy: str = ""


Message = Phase | Tick | RunMeasured | Failed


def decode(line: bytes) -> Message:
    """What the child wrote."""
    message: Message = codec.decode(line, Message)
    return message


def main() -> int:
    """Run the order on the first line of standard input."""
    files.dump_crashes()
    order = codec.decode(sys.stdin.buffer.readline(), RunOrder)
    stop = threading.Event()
    threading.Thread(target=_watch_input, args=(stop,), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    known = service(order.service)
    workload = next(w for w in known.workloads() if w.name == order.workload)
    engine = Stack(order.stack).engine()
    target = engine.target(known)
    client = partial(engine.client, known)
    run = 0
    try:
        _require_running(known, engine)
        _await_answer(known, target, stop)
    except DevstackError as error:
        _say(Failed(1, error.message, error.remedy))
        return 0  # nothing was made
    try:
        if order.runs:
            workload.engine(client)
        for run in range(1, order.runs + 1):
            _say(Phase("preparing", run))
            bench = Bench(target, order.params, _ticker(workload.name, run), stop, client)
            workload.prepare(bench)
            if stop.is_set():
                break
            _say(Phase(RUNNING, run))
            _say(_measure(workload, bench, run, lambda: _server_seconds(engine.usage(known))))
            if stop.is_set():
                break
    except DevstackError as error:
        _say(Failed(run, error.message, error.remedy))
    except Exception as error:
        _say(Failed(run, brief(f"{type(error).__name__}: {redact(str(error))}")))
    return _clean(known, workload, target)


def _require_running(known: Service, engine: Engine) -> None:
    """Raise `UnreachableError` where nothing of the service runs: nothing can be written then, and
    nothing would have to be removed."""
    units = engine.units(known)
    if not any(unit.running for unit in units):
        raise UnreachableError(
            f"{known.title} is {'down' if units else 'stopped'}: nothing was run",
            f"`devstack-tui up {known.name}` starts it",
        )


def _await_answer(known: Service, target: Target, stop: threading.Event) -> None:
    """Wait while the server takes connections and does not answer, as one that is frozen.

    Raises `UnreachableError` after `ANSWER_S`. One that refuses is for the workload to report.
    """
    asked = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        with contextlib.suppress(Exception):  # what it says is for the workload to report
            probe_once(known, target, PROBE_S)
        now = time.monotonic()
        if now - began < PROBE_S / 2:
            return
        if now - asked >= ANSWER_S:
            raise UnreachableError(
                f"{known.title} has not answered for {now - asked:.0f} s",
                f"`devstack-tui status` shows it, `devstack-tui restart {known.name}` restarts it",
            )
        _say(Phase(f"waiting for {known.title} to answer", 1))


def _clean(known: Service, workload: Workload, target: Target) -> int:
    try:
        _await_answer(known, target, threading.Event())
        workload.cleanup(target)
    except Exception as error:
        # It is read in the history later too, when that has long been done.
        why = f"not cleaned up then, healed by the next change: {redact(str(error))}"
        _say(Failed(0, brief(why)))
        return 1
    return 0


def _measure(
    workload: Workload, bench: Bench, run: int, server_seconds: Callable[[], float]
) -> RunMeasured:
    settings = workload.settings(bench)
    client, server, started = _client_seconds(), server_seconds(), time.monotonic()
    found = workload.run(bench)
    elapsed = max(time.monotonic() - started, 1e-9)
    return RunMeasured(
        run,
        found.operations,
        found.requests,
        found.seconds,
        found.clients,
        found.latency.buckets(),
        dict(found.errors),
        (_client_seconds() - client) / elapsed,
        (server_seconds() - server) / elapsed,
        workload.engine(bench.client),
        settings,
    )


def _client_seconds() -> float:
    """CPU seconds of this process and of the engines that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _server_seconds(usage: Mapping[str, Usage]) -> float:
    """CPU seconds of the servers, with those of sessions that have ended since."""
    return sum(one.cpu_s or 0.0 for one in usage.values())


def _ticker(workload: str, run: int) -> Callable[[Tick], None]:
    return lambda tick: _say(msgspec.structs.replace(tick, workload=workload, run=run))


def _watch_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


_mutex = threading.Lock()


def _say(message: Message) -> None:
    with _mutex:
        try:
            sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            pass  # nobody listens: the closed input has stopped us already


if __name__ == "__main__":
    sys.exit(main())
