"""The instrument's clockwork: timers that never drift, and sockets, in one thread.

A loop of its own and not asyncio, because how late it is must be known, and cost little.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_IDLE_S = 1.0


class Loop:
    """`late` is the worst delay of a timer so far, seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.late = 0.0
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._running = False

    def at(self, when: float, call: Callable[[float], None]) -> None:
        """Call once, with the time that was asked for."""
        heapq.heappush(self._timers, (when, next(self._order), call))

    def every(self, period: float, start: float, call: Callable[[float], None]) -> None:
        """Call at `start` and then each period: when late, for each that was missed."""

        def again(due: float) -> None:
            self.at(due + period, again)
            call(due)

        self.at(start, again)

    def watch(self, fd: int, events: int, call: Callable[[int], None]) -> None:
        """Call with what the descriptor is ready for. Replaces what it was watched for."""
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, call)
        else:
            self._selector.register(fd, events, call)

    def forget(self, fd: int) -> None:
        """Watch it no more; call this before it is closed."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def run(self) -> None:
        """Until `stop`."""
        self._running = True
        while self._running:
            self._fire()
            if not self._running:
                break
            wait = _IDLE_S
            if self._timers:
                wait = min(wait, max(0.0, self._timers[0][0] - self.clock()))
            for key, ready in self._selector.select(wait):
                # One that was called before may have closed this one.
                if key.fd in self._selector.get_map():
                    key.data(ready)

    def stop(self) -> None:
        """Return from `run` after what is under way."""
        self._running = False

    def close(self) -> None:
        """Give the selector back."""
        self._selector.close()

    def _fire(self) -> None:
        while self._timers and self._running:
            now = self.clock()
            due, _, call = self._timers[0]
            if due > now:
                return
            heapq.heappop(self._timers)
            self.late = max(self.late, now - due)
            call(due)
