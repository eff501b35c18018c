"""The instrument as a drill holds it: started, informed of the fault, read, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncGenerator

import msgspec

from devstack_tui.contracts.drill import Cells, ClusterMap, Context, Marker
from devstack_tui.contracts.peer import Peer
from devstack_tui.core import codec
from devstack_tui.core.children import Child
from devstack_tui.core.errors import DevstackError, UsageError, unknown_name
from devstack_tui.loadgen.lane_cells import CELL_MS
from devstack_tui.services.redis import bulk
from devstack_tui.services.redis.client import node_count, node_name
from devstack_tui.services.redis.instrument import hash_tags, messages
from devstack_tui.services.redis.instrument.readback import JOURNAL
from devstack_tui.services.redis.instrument.recording import Recording

PROGRAM = (sys.executable, "-m", "devstack_tui.services.redis.instrument.process")
READY_S = 10.0
STOP_S = 3.0
SLOWEST_HZ, FASTEST_HZ = 50.0, 500.0
TIMEOUT_S = 0.25
"""How long an answer may take. It decides how soon a frozen master is given up."""

Event = Cells | ClusterMap | Marker


class Instrument:
    """A running instrument. Close it, whatever happens; `async with` does.

    Before `fault` all `ms` count from the start of the recording, after it from the fault.
    """

    def __init__(self, context: Context, order: messages.InstrumentOrder, child: Child) -> None:
        self._context = context
        self._order = order
        self._child = child
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        self._over = False
        self._started = 0.0
        self._zero: float | None = None
        self._round: float | None = None
        self._held: list[messages.Mark] = []
        self._markers: list[messages.Mark] = []
        self._views: list[messages.ClusterChanged] = []
        self._lanes: dict[str, list[str]] = {}
        self._lanes_from: float | None = None
        self._end: messages.Ended | None = None
        self._lost = ""
        self._stopped = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, context: Context, *, timeout: float = TIMEOUT_S) -> Instrument:
        """Returns when every lane writes and reads.

        `timeout` (seconds) is that of each operation. Raises `UsageError` for a rate that it
        cannot keep, `UnreachableError` when some slot is not served, `DevstackError` when the
        child cannot be started.
        """
        if not SLOWEST_HZ <= context.rate_hz <= FASTEST_HZ:
            raise UsageError(
                f"the drill cannot write {context.rate_hz:g} times a second on each shard",
                f"rate_hz must be from {SLOWEST_HZ:g} to {FASTEST_HZ:g}",
            )
        order = await asyncio.to_thread(_order, context, timeout)
        child = await Child.start(PROGRAM, "the drill's instrument")
        made = cls(context, order, child)
        try:
            child.say(msgspec.json.encode(order).decode())
            async with asyncio.timeout(READY_S):
                await made._ready
        except TimeoutError:
            await made.close()
            raise DevstackError(
                f"the drill's instrument was not ready within {READY_S:.0f} s"
            ) from None
        except BaseException:
            await made.close()
            raise
        return made

    async def __aenter__(self) -> Instrument:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def shards(self) -> dict[str, str]:
        """The shards, and the node that owned each when it started: `shard 1` → `redis-1`."""
        return {shard.name: self._order.nodes[shard.owner] for shard in self._order.shards}

    @property
    def ms(self) -> float:
        """Now, counted as every `ms` is."""
        return self._ms(time.monotonic())

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events from the start on, until it is stopped or ends. For one reader."""
        while (event := await self._events.get()) is not None:
            yield event

    def expect(self, victim: str) -> None:
        """A fault is about to hit node `victim`: call it before, with the cluster whole.

        What follows is recognised for this node: suspected … resynced. Each call begins anew,
        for a drill that hits several nodes.
        """
        if victim not in self._order.nodes:
            raise unknown_name("Redis node", victim, self._order.nodes)
        self._send(messages.Expect(self._order.nodes.index(victim)))

    def fault(self, at: float, text: str) -> None:
        """The fault was at `at`, seconds of the monotonic clock.

        The first call sets the zero of every `ms`; `until` counts from the last one.
        """
        if self._zero is None:
            self._zero = at
        self._round = at
        self._send(messages.Fault(at))
        held, self._held = self._held, []
        for mark in (messages.Mark(at, "fault", text=text), *held):
            self._mark(mark)

    async def until(self, kind: str, timeout: float, node: str = "") -> Marker | None:
        """The first marker of that kind after the last fault; None when none came in time.

        `node` picks one of several: for `back` it is the lane, `shard 1 write` say.
        """

        def next_mark() -> messages.Mark | None:
            since = self._round if self._round is not None else float("inf")
            return next(
                (
                    mark
                    for mark in self._markers
                    if mark.kind == kind and mark.at >= since and node in ("", mark.node)
                ),
                None,
            )

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while next_mark() is None and not self._over:
                    await self._news.wait()
        mark = next_mark()
        return None if mark is None else self._marker(mark)

    async def stop(self) -> Recording:
        """End the child and return what it recorded: all of it is on the disk.

        A child that died, or that says that it could not keep up, makes the recording `void`.
        """
        if not self._stopped:
            self._stopped = True
            self._send(messages.Stop())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await asyncio.shield(self._reader)
        await self.close()
        return self._recording()

    async def close(self) -> None:
        """End the child, by force if it must be; events end. Idempotent."""
        await self._child.close()
        await asyncio.wait([self._reader], timeout=STOP_S)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    def _send(self, instruction: messages.Instruction) -> None:
        self._child.say(msgspec.json.encode(instruction).decode())

    async def _read(self) -> None:
        try:
            async for lines in self._child.batches():
                for line in lines:
                    self._take(codec.decode(line, messages.Message))
        except ValueError as error:
            self._lost = f"the instrument wrote a line that cannot be read: {error}"
        finally:
            await self._finish()

    async def _finish(self) -> None:
        self._over = True
        if self._end is None and not self._lost:
            died = await self._child.ended()
            self._lost = f"the instrument died: {died.message}"
        if not self._ready.done():
            self._ready.set_exception(DevstackError(self._lost or self._void))
            # Nobody may be waiting for it any more.
            self._ready.exception()
        self._events.put_nowait(None)
        self._spread()

    def _take(self, message: messages.Message) -> None:
        match message:
            case messages.Ready(at):
                self._started = at
                if not self._ready.done():
                    self._ready.set_result(None)
            case messages.Batch():
                self._batch(message)
            case messages.ClusterChanged():
                self._views.append(message)
                self._events.put_nowait(self._map(message))
            case messages.Mark():
                self._mark(message)
            case messages.Ended():
                self._end = message

    def _mark(self, mark: messages.Mark) -> None:
        """Keep and emit it; what is seen before the time of the fault is known waits for that."""
        if self._round is None:
            self._held.append(mark)
        elif mark.at >= self._round:
            self._markers.append(mark)
            self._events.put_nowait(self._marker(mark))
            self._spread()

    def _spread(self) -> None:
        """Wake the threads that wait for a message."""
        self._news.set()
        self._news = asyncio.Event()

    def _batch(self, batch: messages.Batch) -> None:
        if self._lanes_from is None:
            self._lanes_from = batch.at
        for lane, course in batch.lanes.items():
            self._lanes.setdefault(lane, []).append(course)
        cells = Cells(
            repeat=self._context.repeat,
            from_ms=self._ms(batch.at),
            cell_ms=CELL_MS,
            lanes=batch.lanes,
            acknowledged=batch.acknowledged,
            failed=batch.failed,
            indeterminate=batch.indeterminate,
        )
        self._events.put_nowait(cells)

    def _ms(self, at: float) -> float:
        zero = self._started if self._zero is None else self._zero
        return round((at - zero) * 1000, 3)

    def _marker(self, mark: messages.Mark) -> Marker:
        return Marker(self._context.repeat, self._ms(mark.at), mark.kind, mark.node, mark.text)

    def _map(self, seen: messages.ClusterChanged) -> ClusterMap:
        return ClusterMap(self._context.repeat, self._ms(seen.at), seen.nodes)

    @property
    def _void(self) -> str:
        return self._end.void if self._end is not None else self._lost

    def _recording(self) -> Recording:
        end = self._end
        lanes_from = self._started if self._lanes_from is None else self._lanes_from
        return Recording(
            journal=self._context.folder / JOURNAL,
            shards=self.shards,
            rate_hz=self._context.rate_hz,
            markers=tuple(self._marker(mark) for mark in self._markers),
            views=tuple(self._map(seen) for seen in self._views),
            lanes={lane: "".join(cells) for lane, cells in self._lanes.items()},
            lanes_from_ms=self._ms(lanes_from),
            cell_ms=CELL_MS,
            cpu=end.cpu if end else 0.0,
            late_ms=end.late_ms if end else 0.0,
            started=self._started,
            fault=self._zero,
            ended=end.at if end else time.monotonic(),
            void=self._void,
        )


def _order(context: Context, timeout: float) -> messages.InstrumentOrder:
    """The order for the child. Asks the cluster who owns what."""
    target = context.target
    owners = sorted(bulk.masters(target).items(), key=lambda item: min(item[1]))
    return messages.InstrumentOrder(
        run=context.run,
        journal=str(context.folder / JOURNAL),
        host=target.endpoint.host,
        port=target.ports["main"],
        nodes=tuple(node_name(index) for index in range(node_count(target))),
        user=target.credentials.user,
        password=target.credentials.password,
        peer=Peer.of(target),
        shards=tuple(
            messages.ShardOrder(f"shard {number}", index, hash_tags.spread(slots))
            for number, (index, slots) in enumerate(owners, 1)
        ),
        rate_hz=context.rate_hz,
        observe_hz=context.observe_hz,
        timeout_s=timeout,
    )
