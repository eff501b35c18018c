"""Redis' workloads: GET and SET over all masters of the cluster, on the plain ports.

The engine is our own: redis-benchmark takes a password from its command line alone, where every
user of the machine can read it, and reports percentiles but no histogram and nothing by the second.
`loader.py` puts the load on; this starts a few of them and adds up what they send.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from devstack_tui.contracts.client import FindClient
from devstack_tui.contracts.model import Target
from devstack_tui.contracts.workload import Bench, Measurement, Tick, Workload
from devstack_tui.core.errors import DevstackError, UnreachableError, UsageError
from devstack_tui.core.files import crash
from devstack_tui.core.histogram import Histogram
from devstack_tui.core.redact import redact
from devstack_tui.services.redis import bulk, loader

ENGINE = ("devstack-tui sockets", "1")
PREFIX = "devstack-tui:bench:"
READY_S = 30.0
GRACE_S = 5.0
_STEP_NS = 100  # of what latencies are counted in: 0.5 % of 10 µs, which no loopback reaches
_START_S = 0.05


@dataclass(frozen=True)
class RedisWorkload:
    """See `devstack_tui.contracts.workload.Workload`. `commands` are GET, SET or both in turn."""

    name: str
    commands: tuple[str, ...]
    unit: str = "ops/s"
    drivers: tuple[str, ...] = ()

    def engine(self, client: FindClient) -> tuple[str, str]:  # noqa: ARG002
        """Our own; its version changes when its figures do."""
        return ENGINE

    def prepare(self, bench: Bench) -> None:
        """Every key with its value, for SET as well: the first run overwrites as the last does."""
        bulk.clear(bench.target, PREFIX, patience=0)
        if not bench.stop.is_set():
            bulk.fill(bench.target, PREFIX, _whole(bench, "keys"), _whole(bench, "value_bytes"))

    def settings(self, bench: Bench) -> dict[str, str]:
        """Of every node: one value where they agree."""
        return bulk.settings(bench.target)

    def run(self, bench: Bench) -> Measurement:
        """The clients are spread over the masters; each has one command on its way."""
        clients = _whole(bench, "clients")
        seconds = float(bench.params["seconds"])
        keys = _whole(bench, "keys")
        if min(clients, keys) < 1 or seconds <= 0:
            raise UsageError("a run needs at least one client and key, and seconds above 0")
        target = bench.target
        nodes: list[dict[str, Any]] = [
            {"index": index, "slots": slots} for index, slots in bulk.masters(target).items()
        ]
        order = {
            "prefix": PREFIX,
            "keys": keys,
            "value_bytes": _whole(bench, "value_bytes"),
            "get": "GET" in self.commands,
            "set": "SET" in self.commands,
            "seconds": seconds,
            "nodes": nodes,
        }
        # A master without a key has nothing to be asked for.
        used = [n for n, node in enumerate(nodes) if any(loader.keys_of(order, node["slots"]))]
        places = [used[number % len(used)] for number in range(clients)]
        count = _processes(clients)
        shares = [
            places[number * clients // count : (number + 1) * clients // count]
            for number in range(count)
        ]
        with _Loaders(target, [{**order, "clients": share} for share in shares]) as loaders:
            return loaders.measure(bench, seconds, clients)

    def cleanup(self, target: Target) -> None:
        """Delete the keys of the prefix on every master."""
        bulk.clear(target, PREFIX)


def _whole(bench: Bench, name: str) -> int:
    return int(bench.params[name])


def _processes(clients: int) -> int:
    """One for each core that we may use."""
    return max(1, min(clients, len(os.sched_getaffinity(0))))


@dataclass
class _SecondCounts:
    latency: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    over: int = 0
    """How many loaders have come to its end."""

    def take(self, kind: int, body: bytes) -> None:
        """Add what a loader sent about this second."""
        if kind == loader.LATENCIES:
            _count(self.latency, body)
        elif kind == loader.ERRORS:
            self.errors.update(json.loads(body))
        elif kind == loader.SECOND:
            self.over += 1

    def tick(self, number: int) -> Tick:
        """It as second `number` of the run."""
        return Tick.of(number, self.latency.count, self.latency, self.errors)


_Frame = tuple[int, int, bytes]
"""The kind, the second, the body."""


class _Loaders:
    """The loader processes. Leaving the context ends them."""

    def __init__(self, target: Target, orders: list[dict[str, Any]]) -> None:
        self._target = target
        self._orders = orders
        self._processes: list[subprocess.Popen[bytes]] = []
        self._frames: queue.SimpleQueue[_Frame] = queue.SimpleQueue()

    def __enter__(self) -> _Loaders:
        try:
            for order in self._orders:
                self._start(order)
        except OSError as error:
            self.__exit__()
            raise DevstackError(f"the Redis load cannot be started: {error.strerror}") from None
        except DevstackError:
            self.__exit__()
            raise
        return self

    def _start(self, order: dict[str, Any]) -> None:
        """One process, with its connections: it is not given what they were logged in by."""
        # -I: nothing of the environment, and none of our modules, can get in between.
        argv = [sys.executable, "-I", str(Path(loader.__file__))]
        with contextlib.ExitStack() as ours:
            sockets = []
            for node in order["clients"]:
                index = order["nodes"][node]["index"]
                login = partial(bulk.login, self._target, index)
                sockets.append(
                    ours.enter_context(bulk.explained("putting the Redis load on", login))
                )
            for one in sockets:
                one.settimeout(None)
            made = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[one.fileno() for one in sockets],
            )
            self._processes.append(made)
            threading.Thread(target=self._read, args=(made,), daemon=True).start()
            _send(made, json.dumps({**order, "sockets": [one.fileno() for one in sockets]}))

    def __exit__(self, *_: object) -> None:
        for made in self._processes:
            with contextlib.suppress(OSError):
                made.stdin.close()  # type: ignore[union-attr]
        for made in self._processes:
            try:
                made.wait(1)
            except subprocess.TimeoutExpired:
                made.kill()
                made.wait()

    def measure(self, bench: Bench, seconds: float, clients: int) -> Measurement:
        """Start them together when all are ready, and add up what they send until all ended."""
        if not self._wait_ready(bench.stop):
            return Measurement(0, 0, 0.001, Histogram(), clients)
        begin = time.monotonic_ns() + int(_START_S * 1e9) + loader.WARM_UP_NS
        self._send_all(str(begin))
        until = begin / 1e9 + seconds + GRACE_S
        found: dict[int, _SecondCounts] = {}
        ends: list[float] = []
        ticked, stopping = 0, False
        while len(ends) < len(self._processes):
            if bench.stop.is_set() and not stopping:
                stopping = True
                until = time.monotonic() + GRACE_S
                self._send_all("stop")
            for kind, number, body in self._waiting(0.05):
                if kind == loader.END:
                    ends.append(_ended(body))
                else:
                    found.setdefault(number, _SecondCounts()).take(kind, body)
            while (full := found.get(ticked + 1)) and full.over == len(self._processes):
                ticked += 1
                bench.tick(full.tick(ticked))
            if time.monotonic() > until:
                raise DevstackError("the Redis load did not end")
        for number in sorted(found):
            # A second that was cut short would look like a drop, but errors are always shown.
            if number > ticked and (number == 1 or found[number].errors):
                bench.tick(found[number].tick(number))
        return _total(found.values(), max(ends), clients)

    def _send_all(self, line: str) -> None:
        for made in self._processes:
            _send(made, line)

    def _wait_ready(self, stop: threading.Event) -> bool:
        until = time.monotonic() + READY_S
        ready = 0
        while ready < len(self._processes):
            if stop.is_set():
                return False
            for kind, _, body in self._waiting(0.05):
                if kind == loader.END:
                    _ended(body)
                ready += kind == loader.READY
            if time.monotonic() > until:
                raise DevstackError(f"the Redis load was not ready within {READY_S:.0f} s")
        return True

    def _waiting(self, timeout: float) -> Iterator[_Frame]:
        """What has come; waits for the first for `timeout` seconds."""
        with contextlib.suppress(queue.Empty):
            yield self._frames.get(timeout=timeout)
            while True:
                yield self._frames.get_nowait()

    def _read(self, made: subprocess.Popen[bytes]) -> None:
        source = made.stdout
        assert source is not None
        kind = -1
        with source:
            while len(head := source.read(loader.HEADER.size)) == loader.HEADER.size:
                kind, second, size = loader.HEADER.unpack(head)
                self._frames.put((kind, second, source.read(size)))
        if kind != loader.END:
            ended = crash(made.wait(), "its process") or "its process ended"
            failed = json.dumps({"failed": str(ended).partition("\n")[0]}).encode()
            self._frames.put((loader.END, 0, failed))


def _send(made: subprocess.Popen[bytes], line: str) -> None:
    # One that has ended says so by its output.
    with contextlib.suppress(OSError):
        made.stdin.write(line.encode() + b"\n")  # type: ignore[union-attr]
        made.stdin.flush()  # type: ignore[union-attr]


def _ended(body: bytes) -> float:
    """How many seconds a loader measured."""
    end = json.loads(body)
    if "failed" in end:
        raise UnreachableError(
            f"the Redis load could not be put on: {redact(end['failed'])}",
            "`devstack-tui status` shows which node is down",
        )
    return float(end.get("nanoseconds", 0)) / 1e9


def _count(latency: Histogram, body: bytes) -> None:
    values = array.array("Q")
    values.frombytes(body)
    for step, times in Counter([value // _STEP_NS for value in values]).items():
        latency.add((step + 0.5) * _STEP_NS / 1e6, times)


def _total(seconds: Iterable[_SecondCounts], elapsed: float, clients: int) -> Measurement:
    latency, errors = Histogram(), Counter[str]()
    for second in seconds:
        latency.merge(second.latency)
        errors.update(second.errors)
    return Measurement(
        operations=latency.count,
        requests=latency.count,
        seconds=max(elapsed, 1e-3),
        latency=latency,
        clients=clients,
        errors=dict(errors),
    )


WORKLOADS: tuple[Workload, ...] = (
    RedisWorkload("redis.get", ("GET",)),
    RedisWorkload("redis.set", ("SET",)),
    RedisWorkload("redis.mixed", ("GET", "SET")),
)
