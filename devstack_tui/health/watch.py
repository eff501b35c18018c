"""The watch: looks that repeat, and in between each row by itself as soon as it is known."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from devstack_tui.contracts.engine import UnitEvent
from devstack_tui.contracts.model import Latency, ServiceStatus, StackStatus, State
from devstack_tui.core.history import FILE as HISTORY
from devstack_tui.core.lock import Owner
from devstack_tui.core.paths import config_home
from devstack_tui.health.monitor import PROBE_TIMEOUT_S, Monitor
from devstack_tui.state.parameter_store import FILE as PARAMETERS
from devstack_tui.state.settings import user_file

GLANCE_S = 0.5
"""How soon the begin or the end of a verb, or what was recorded, is seen between two looks."""
SETTLE_S = 30.0
"""How long after an event a stack at rest is looked at until it is well or down."""
_UNSETTLED = (State.STARTING, State.STOPPING, State.DEGRADED)
_ENDING = ("down", "restart")
"""The verbs that end units."""


class Watch:
    """One watch of a stack. `wake` asks for a look. While `resting` nobody looks: then only what
    changes is reported, and looks are made only after a change, and while no verb runs."""

    def __init__(
        self,
        monitor: Monitor,
        interval: float,
        wake: asyncio.Event,
        resting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._monitor = monitor
        self._interval = interval
        self._wake = wake
        self._resting = resting
        self._news = asyncio.Event()
        self._events: list[UnitEvent] = []
        self._look = monitor.begin()
        self._rows: dict[str, ServiceStatus] = {}
        self._asked: dict[str, asyncio.Future[ServiceStatus]] = {}
        self._again: set[str] = set()
        """Services that something happened to since they were asked."""
        self._outdated: set[str] = set()
        """Those of which a unit started or ended since: the answer is of before."""
        self._changed = self._urgent = self._rested = False
        self._owner = _id(self._look.owner)
        self._recorded, self._settings = _recorded(monitor), _stamp(user_file())
        self._due = self._glance = self._settles = 0.0

    async def updates(self) -> AsyncIterator[StackStatus]:
        """A status at once, then every `interval` seconds, when `wake` is set, and when a unit
        starts or ends, a verb begins or ends, or something was recorded."""
        ended = threading.Event()
        loop = asyncio.get_running_loop()
        # Before the first look: what happens during one is seen by the next at the latest.
        self._monitor.follow(ended, lambda e: loop.call_soon_threadsafe(self._happened, e))
        try:
            while True:
                now = time.monotonic()
                self._step(now)
                if self._publishes():
                    self._changed = self._urgent = False
                    made = self._monitor.status(self._look, self._rows)
                    yield msgspec.structs.replace(made, recorded=self._recorded)
                await self._wait()
        finally:
            ended.set()
            for future in self._asked.values():
                future.cancel()

    def _happened(self, event: UnitEvent) -> None:
        self._events.append(event)
        self._news.set()

    async def _wait(self) -> None:
        """Until there is news, or something is due."""
        waits = [asyncio.ensure_future(one.wait()) for one in (self._news, self._wake)]
        try:
            left = max(min(self._due, self._glance) - time.monotonic(), 0.0)
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _step(self, now: float) -> None:
        """Take in what has happened; ask the services where that, or the time, wants it."""
        wanted, rests = self._wake.is_set(), self._resting()
        self._wake.clear()
        self._news.clear()
        if self._rested and not rests:
            self._rows.clear()  # what is old is not shown as of now, however slow one answers
            wanted = True
        self._rested = rests
        happened = self._take_events()
        self._take_answers(now)
        if now >= self._glance:
            self._glance = now + GLANCE_S
            happened = self._look_around() or happened
        if wanted or (happened and not (rests and self._owner)):
            self._begin(now, anew=True)
        elif happened:
            self._changed = self._urgent = True
            self._look = replace(self._monitor.begin(), at=self._look.at)
        elif now >= self._due:
            self._begin(now, anew=False)
        if wanted or happened:
            self._settles = now + SETTLE_S
        if rests and not self._asked and not (now < self._settles and self._unsettled):
            self._due = math.inf

    @property
    def _unsettled(self) -> bool:
        """Whether a service may become another by itself, and no verb works on it."""
        return not self._owner and any(one.state in _UNSETTLED for one in self._rows.values())

    def _publishes(self) -> bool:
        """Whether a status is due: at once for another state, for other figures once all have
        answered."""
        known = all(one.name in self._rows for one in self._look.shown)
        return known and self._changed and (self._urgent or not self._asked)

    def _begin(self, now: float, *, anew: bool) -> None:
        before, self._look = self._look.instance, self._monitor.begin()
        if self._look.instance != before:
            self._rows.clear()
            self._outdated |= self._asked.keys()
        for service in self._look.shown:
            if service.name not in self._asked:
                self._ask(service.name)
            elif anew:
                self._again.add(service.name)
        self._due = now + self._interval + PROBE_TIMEOUT_S

    def _ask(self, name: str) -> None:
        service = next((one for one in self._look.shown if one.name == name), None)
        if service is not None:
            self._asked[name] = self._monitor.ask(self._look, service)
            self._asked[name].add_done_callback(lambda _: self._news.set())

    def _take_answers(self, now: float) -> None:
        for name in [name for name, future in self._asked.items() if future.done()]:
            row = self._asked.pop(name).result()
            if name not in self._outdated:
                self._put(row)
            if name in self._again | self._outdated:
                self._ask(name)
            self._again.discard(name)
            self._outdated.discard(name)
            if not self._asked:
                self._due = now + self._interval

    def _put(self, row: ServiceStatus) -> None:
        before = self._rows.get(row.name)
        self._rows[row.name] = row
        self._changed = True
        self._urgent |= before is not None and _condition(before) != _condition(row)

    def _take_events(self) -> bool:
        """Whether there were any; the rows say so at once."""
        events, self._events = self._events, []
        for event in events:
            for row in self._rows.values():
                if any(unit.unit == event.unit for unit in row.units):
                    self._put(at_once(row, event, self._monitor.owner()))
                    self._urgent = True
                    self._outdated |= {row.name} & self._asked.keys()
                    break
        return bool(events)

    def _look_around(self) -> bool:
        """Whether a verb began or ended, or the user's settings changed."""
        owner, settings, recorded = (
            _id(self._monitor.owner()),
            _stamp(user_file()),
            _recorded(self._monitor),
        )
        changed = owner != self._owner
        if settings != self._settings:
            changed = True
            self._monitor.reread_settings()
        if recorded != self._recorded:
            self._changed = self._urgent = True
        self._owner, self._settings, self._recorded = owner, settings, recorded
        return changed


def at_once(row: ServiceStatus, event: UnitEvent, owner: Owner | None) -> ServiceStatus:
    """The row of a service one of whose units has started or ended, before it was asked."""
    started = bool(event.start_id)
    units = tuple(
        msgspec.structs.replace(unit, running=started, start_id=event.start_id, pid=None)
        if unit.unit == event.unit
        else unit
        for unit in row.units
    )
    what = f"{event.unit} {'was started' if started else 'has ended'}"
    left = [unit for unit in units if unit.running]
    state = State.DEGRADED if left else State.DOWN
    if started and (len(left) == 1 or row.state is State.STARTING):
        state = State.STARTING
    elif owner is not None and owner.verb in _ENDING:
        state, what = State.STOPPING, f"`{owner.verb}` runs (pid {owner.pid}): {what}"
    nodes = tuple(
        node
        if started or node.name != event.unit
        else msgspec.structs.replace(node, state=State.DOWN, detail="has ended", latency_ms=None)
        for node in row.nodes
    )
    remedy = row.remedy or f"devstack-tui logs {row.name}; devstack-tui restart {row.name}"
    row = msgspec.structs.replace(
        row, state=state, reason=what, remedy=remedy, units=units, nodes=nodes
    )
    if left and state is not State.STARTING:
        return row
    return msgspec.structs.replace(
        row, latency_ms=Latency(), uptime_s=None, cpu_percent=None, memory_bytes=None
    )


def _condition(row: ServiceStatus) -> tuple[object, ...]:
    """What of a row is shown without waiting for the others."""
    return (
        row.state,
        row.reason,
        row.role,
        *((node.name, node.state, node.role) for node in row.nodes),
    )


def _id(owner: Owner | None) -> tuple[int, str] | None:
    return (owner.pid, owner.verb) if owner else None


def _recorded(monitor: Monitor) -> str:
    """Another text after each result or parameter that was recorded, and each file of the user's
    own (settings, baselines, profiles) that was changed."""
    root, own = monitor.paths.root, config_home()
    kept = [
        root / HISTORY,
        root / PARAMETERS,
        *sorted(own.glob("*.toml")),
        *sorted(own.glob("*/*")),
    ]
    return " ".join(map(_stamp, kept))


def _stamp(path: Path) -> str:
    """Another text after each change of a file."""
    try:
        found = path.stat()
    except OSError:
        return "-"
    return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"
