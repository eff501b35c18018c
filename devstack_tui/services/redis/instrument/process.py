"""The process of the instrument: `python -m devstack_tui.services.redis.instrument.process`.

It reads an `InstrumentOrder` and then instructions from standard input, and writes messages to
standard output, one line of JSON each. When its input closes, its parent process is gone: it ends.
It leaves the keys of its run; the readback deletes them with `clean`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from devstack_tui.core import codec, files
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.redact import redact
from devstack_tui.loadgen.ack_journal import AckJournal, Header
from devstack_tui.loadgen.acknowledged_writes import FAILED, INDETERMINATE, OK, WRITES, Operation
from devstack_tui.loadgen.lane_cells import CELL_MS
from devstack_tui.services.redis.instrument.clock_loop import READ, WRITE, Loop
from devstack_tui.services.redis.instrument.cluster_view import ClusterView
from devstack_tui.services.redis.instrument.connection import Address
from devstack_tui.services.redis.instrument.failover_timeline import FailoverTimeline
from devstack_tui.services.redis.instrument.lanes import Lane, LaneContext
from devstack_tui.services.redis.instrument.messages import (
    Batch,
    ClusterChanged,
    Ended,
    Expect,
    Fault,
    Instruction,
    InstrumentOrder,
    Message,
    Ready,
)
from devstack_tui.services.redis.instrument.observers import Observer, ReplacedNodeWrites
from devstack_tui.services.redis.instrument.operations import (
    ReadOperations,
    Source,
    WriteOperations,
)

LATE_S = 0.1
"""A clock that was later than this once measured nothing: a window is exact to 0.05 s."""
SWEEP_S = 0.01
FLUSH_S = 0.1
BATCH_S = 0.2
WARM_S = 1.0
"""How long all nodes may take to answer the first time."""
LAST_WORDS_S = 2.0


class Pipe:
    """Standard output that never waits: what the other side does not take yet is kept."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._data = b""
        self._encoder = msgspec.json.Encoder()
        os.set_blocking(fd, False)

    def send(self, message: Message) -> None:
        """Send it, now or later."""
        idle = not self._data
        self._data += self._encoder.encode(message) + b"\n"
        if idle:
            self._push(0)

    def drain(self) -> None:
        """Wait until all is taken, but not for ever."""
        until = time.monotonic() + LAST_WORDS_S
        while self._data and time.monotonic() < until:
            self._push(0)
            if self._data:
                time.sleep(0.005)

    def _push(self, _: int) -> None:
        try:
            self._data = self._data[os.write(self._fd, self._data) :]
        except BlockingIOError:
            self._loop.watch(self._fd, WRITE, self._push)
            return
        except OSError:  # nobody listens: the end of standard input says the same
            self._data = b""
        if not self._data:
            self._loop.forget(self._fd)


class Recorder:
    """The whole of it: lanes, observers, journal, and messages."""

    def __init__(self, order: InstrumentOrder, loop: Loop, pipe: Pipe) -> None:
        self._loop = loop
        self._pipe = pipe
        self._void = ""
        self._stopping = False
        self._seen: ClusterChanged | None = None
        self._journal = AckJournal(Path(order.journal), _header(order))
        ports = [order.port + index for index in range(len(order.nodes))]
        cluster = ClusterView(order.nodes, [f"{order.host}:{port}" for port in ports])
        addresses = [
            Address(order.host, port, order.user, order.password, order.peer, unit)
            for port, unit in zip(ports, order.nodes, strict=True)
        ]
        means = LaneContext(
            loop, cluster, addresses, order.rate_hz, order.timeout_s, self._record, pipe.send
        )
        self._cluster = cluster
        self._watch = FailoverTimeline(cluster, pipe.send)
        self._rivals = ReplacedNodeWrites(order.run, means, order.shards)
        self._observers = [
            Observer(means, index, self._rivals, self._looked) for index in range(len(order.nodes))
        ]
        self._lanes: list[Lane] = []
        for shard in order.shards:
            sources: tuple[Source, ...] = (
                WriteOperations(order.run, shard),
                ReadOperations(order.run, shard),
            )
            self._lanes += [Lane(means, shard, source) for source in sources]
        self._writers = self._lanes[::2]
        self._parts: list[Lane | Observer] = [*self._lanes, *self._observers]
        self._order = order
        self._born = loop.clock()
        self._start = 0.0
        self._until = 0.0
        self._busy = 0.0

    def run(self) -> None:
        """Until `Stop` comes, or its input ends."""
        begin = self._born
        each = 1 / self._order.observe_hz
        for number, observer in enumerate(self._observers):
            phase = each * number / len(self._observers)
            self._loop.every(each, begin + phase, observer.tick)
        self._loop.every(SWEEP_S, begin + SWEEP_S, self._sweep)
        self._loop.at(begin + SWEEP_S, self._wait)
        self._loop.run()
        self._end()

    def obey(self, instruction: Instruction) -> None:
        """Do what came in on standard input."""
        match instruction:
            case Expect(victim):
                self._watch.expect(victim)
            case Fault(at):
                self._watch.fault(at)
                for lane in self._lanes:
                    lane.fault = at
            case _:
                self.finish()

    def finish(self) -> None:
        """Send nothing more; end when what is under way is over."""
        if not self._stopping:
            self._stopping = True
            self._until = self._loop.clock()
            deadline = self._until + self._order.timeout_s + 2 * SWEEP_S
            self._loop.at(deadline, lambda _: self._loop.stop())

    def _wait(self, due: float) -> None:
        """Begin when every node has answered; one that does not is no reason to wait for long."""
        asked = self._loop.clock() - self._born
        if asked < WARM_S and not all(observed.lives for observed in self._cluster.observed):
            self._loop.at(due + SWEEP_S, self._wait)
            return
        self._begin()

    def _begin(self) -> None:
        # From here on: what was slow before, imports and logins, disturbs nothing.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._start = self._loop.clock() + SWEEP_S
        self._busy = time.process_time()
        self._loop.late = 0.0
        period = 1 / self._order.rate_hz
        for number, lane in enumerate(self._lanes):
            lane.begin(self._start)
            self._every(period, self._start + period * number / len(self._lanes), lane)
        self._loop.every(FLUSH_S, self._start + FLUSH_S, self._flush)
        self._loop.every(BATCH_S, self._start + BATCH_S, self._batch)
        self._pipe.send(Ready(self._start))
        self._looked(self._start)

    def _every(self, period: float, start: float, lane: Lane) -> None:
        def tick(due: float) -> None:
            if not self._stopping:
                lane.tick(due)

        self._loop.every(period, start, tick)

    def _record(self, operation: Operation) -> None:
        self._journal.add(operation)
        if operation.ok and operation.kind in WRITES:
            self._rivals.acknowledged(operation.shard, operation.node)

    def _looked(self, at: float) -> None:
        self._watch.look(at)
        if not self._start:
            return
        seen = ClusterChanged(at, self._cluster.views())
        if self._seen is None or seen.nodes != self._seen.nodes:
            self._seen = seen
            self._pipe.send(seen)

    def _sweep(self, _: float) -> None:
        now = self._loop.clock()
        for part in self._parts:
            part.expire(now)
        if self._stopping and not any(lane.waiting for lane in self._lanes):
            self._loop.stop()

    def _flush(self, _: float) -> None:
        try:
            self._journal.flush()
        except DevstackError as error:
            self._void = error.message
            self.finish()

    def _batch(self, _: float) -> None:
        self._send_cells(self._loop.clock() - SWEEP_S)

    def _send_cells(self, until: float) -> None:
        cells = int((until - self._start) * 1000 / CELL_MS)
        lanes = {lane.name: lane.cells.take(cells) for lane in self._lanes}
        taken = len(next(iter(lanes.values())))
        if not taken:
            return
        counts = {name: sum(w.counts[name] for w in self._writers) for name in (OK, FAILED)}
        self._pipe.send(
            Batch(
                at=self._start + (cells - taken) * CELL_MS / 1000,
                lanes=lanes,
                acknowledged=counts[OK],
                failed=counts[FAILED],
                indeterminate=sum(w.counts[INDETERMINATE] for w in self._writers),
            )
        )

    def _end(self) -> None:
        elapsed = self._loop.clock() - self._start
        used = time.process_time() - self._busy
        for part in self._parts:
            part.close()
        try:
            self._journal.close()
        except DevstackError as error:
            self._void = self._void or error.message
        if not self._start:
            self._pipe.send(Ended(self._until, 0.0, 0.0, self._void or "it ended before it began"))
            return
        late = self._loop.late
        if late > LATE_S:
            starved = f"our own process was held up for {late * 1000:.0f} ms"
            self._void = self._void or f"{starved}: above {LATE_S * 1000:.0f} ms nothing is proven"
        self._send_cells(self._until)
        self._pipe.send(
            Ended(self._until, round(used / elapsed, 4), round(late * 1000, 3), self._void)
        )


class InputReader:
    """Standard input after the order: one message a line, and its end."""

    def __init__(self, loop: Loop, fd: int, rest: bytes, recorder: Recorder) -> None:
        self._fd = fd
        self._rest = rest
        self._recorder = recorder
        self._loop = loop
        os.set_blocking(fd, False)
        loop.watch(fd, READ, self._hear)

    def _hear(self, _: int) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        if not data:
            self._loop.forget(self._fd)
            self._recorder.finish()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._recorder.obey(codec.decode(line, Instruction))


def _header(order: InstrumentOrder) -> Header:
    return Header(
        run=order.run,
        rate_hz=order.rate_hz,
        timeout_s=order.timeout_s,
        nodes=order.nodes,
        tags={shard.name: shard.tags for shard in order.shards},
    )


def main() -> int:
    """Do what standard input says; whatever goes wrong is the last message."""
    files.dump_crashes()
    # Whoever started it decides what ctrl-C or a closed terminal means, and says so on the input.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    source = os.fdopen(0, "rb", buffering=0, closefd=False)
    line = source.readline()
    if not line:
        return 0
    # Where that is allowed: on a busy machine the clock should be the last to suffer.
    with contextlib.suppress(OSError):
        os.nice(-10)
    loop = Loop()
    pipe = Pipe(loop, 1)
    try:
        recorder = Recorder(codec.decode(line, InstrumentOrder), loop, pipe)
        InputReader(loop, 0, b"", recorder)
        recorder.run()
    except (DevstackError, OSError, ValueError) as error:
        why = error.message if isinstance(error, DevstackError) else str(error)
        pipe.send(Ended(loop.clock(), 0.0, 0.0, redact(why)[:300] or type(error).__name__))
    pipe.drain()
    return 0


if __name__ == "__main__":
    sys.exit(main())
