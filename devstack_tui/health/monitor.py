"""Health of a stack: one look at every service. `watch.py` repeats it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devstack_tui.contracts.model import (
    Certificate,
    Endpoint,
    Installation,
    Latency,
    Observation,
    ServiceStatus,
    StackStatus,
    State,
    Target,
    UnitUsage,
    Usage,
)
from devstack_tui.contracts.registry import services
from devstack_tui.contracts.service_files import CERT, ServiceFiles
from devstack_tui.core.errors import (
    DevstackError,
    NotInstalledError,
    SaturatedError,
    UnreachableError,
    for_stack,
)
from devstack_tui.core.lock import Owner, StackLock
from devstack_tui.core.redact import redact
from devstack_tui.identity.certificates import Age, age, ending, read_certificate
from devstack_tui.identity.certificates import remedy as rotates
from devstack_tui.stack.probing import probe_once
from devstack_tui.stack.view import StackView
from devstack_tui.state.settings import user_file

if TYPE_CHECKING:
    from devstack_tui.contracts.engine import Readable, UnitEvent
    from devstack_tui.contracts.model import Repair
    from devstack_tui.contracts.service import Service
    from devstack_tui.core.paths import StackPaths

PROBE_TIMEOUT_S = 1.5
WINDOW = 60
"""How many probes the percentiles are of."""
STARTING_S = 20.0
"""How long a server that does not answer yet counts as starting."""


class _Memory:
    """What one service's next look needs of the last ones."""

    def __init__(self) -> None:
        self.latencies: collections.deque[float] = collections.deque(maxlen=WINDOW)
        self.cpu: tuple[float, float] | None = None
        self.answered: frozenset[str] = frozenset()
        """The starts of units that were seen to answer."""
        self.certificate: tuple[float, Certificate | None] = (0.0, None)
        self.installation: Installation | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a stack, begun `at` (Unix time, seconds): `shown` are the services that have a
    row, `selected` the names of those that the stack consists of."""

    at: float
    instance: str
    engine: Readable
    owner: Owner | None
    repairs: tuple[Repair, ...]
    selected: frozenset[str]
    shown: tuple[Service, ...]


class Monitor:
    """Looks at one stack again and again; it only reads. Close it to end its threads."""

    def __init__(self, stack: StackView) -> None:
        self._stack = stack
        self._memory: dict[str, _Memory] = collections.defaultdict(_Memory)
        self._instance = ""
        """Which stack of this name is remembered."""
        self._pool = ThreadPoolExecutor(len(services()) + 1, thread_name_prefix="probe")

    def close(self) -> None:
        """End the probing threads; those that wait for an answer end with their time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> StackStatus:
        """The status of every service now: all probes at once."""
        look = self.begin()
        rows = await asyncio.gather(*(self.ask(look, service) for service in look.shown))
        return self.status(look, dict(zip((s.name for s in look.shown), rows, strict=True)))

    # --- the parts of a look -------------------------------------------------------------------

    def begin(self) -> Look:
        """What the rows of one look have in common, as of now."""
        stack = self._stack
        instance = stack.instance()
        made = instance.id if instance else ""
        if made != self._instance:
            self._instance = made
            self._memory.clear()
        owner = self.owner()
        named = stack.settings.services
        return Look(
            at=time.time(),
            instance=made,
            engine=stack.engine(),
            owner=owner,
            repairs=() if owner else stack.needs_healing(),
            selected=frozenset(stack.selected()),
            shown=tuple(
                s for s in stack.services() if s.name not in named or named[s.name].enabled
            ),
        )

    def ask(self, look: Look, service: Service) -> asyncio.Future[ServiceStatus]:
        """One service's row, which a thread makes."""
        loop = asyncio.get_running_loop()
        required = service.name in look.selected
        return loop.run_in_executor(
            self._pool, self._row, service, look.engine, required, look.owner
        )

    def status(self, look: Look, rows: Mapping[str, ServiceStatus]) -> StackStatus:
        """The rows of all services of a look as one status."""
        name, owner = self._stack.name, look.owner
        found = _by_cause(look.shown, [rows[service.name] for service in look.shown])
        return StackStatus(
            stack=name,
            engine=look.engine.name,
            at=look.at,
            services=tuple(_for_stack(row, name) for row in found),
            instance=look.instance,
            busy=owner.verb if owner else "",
            busy_pid=owner.pid if owner else 0,
            notes=tuple(map(str, look.repairs)),
            needs_healing=look.repairs,
        )

    def owner(self) -> Owner | None:
        """Who changes the stack now."""
        return StackLock.holder(self._stack.paths.lock)

    def follow(self, ended: threading.Event, tell: Callable[[UnitEvent], object]) -> None:
        """Have `tell` called by a thread at every event of a unit from now until `ended` is set."""
        events = self._stack.engine().watch(ended)
        self._pool.submit(_follow, events, tell)

    @property
    def paths(self) -> StackPaths:
        """Where the stack is."""
        return self._stack.paths

    def reread_settings(self) -> None:
        """Use the user's settings as they are now; those that are not valid change nothing."""
        with contextlib.suppress(DevstackError):
            self._stack = StackView(self._stack.name)

    def _row(
        self,
        service: Service,
        engine: Readable,
        required: bool,
        owner: Owner | None,
    ) -> ServiceStatus:
        try:
            row = self._look(service, engine, required, owner)
            return self._with_cause(row, engine.target(service).ca)
        except Exception as error:
            if not service.outside:
                raise
            # The code of another package: what is wrong with it is said in its own row.
            reason = redact(f"its package failed: {type(error).__name__}: {error}")
            return ServiceStatus(
                service.name, service.title, State.DOWN, required, reason, _remedy(service.name)
            )

    def _look(
        self, service: Service, engine: Readable, required: bool, owner: Owner | None
    ) -> ServiceStatus:
        memory = self._memory[service.name]
        target = engine.target(service)
        units = tuple(engine.units(service))
        row = self._fixed(service, target, engine.files(service), required, memory)
        if not units:
            return self._without_units(row, service, engine, memory)
        row = _with_usage(row, units, engine.usage(service), memory)
        running = [unit for unit in units if unit.running]
        gone = service.unavailable or engine.exit_reason(service)
        try:
            if not running:
                memory.latencies.clear()
                raise UnreachableError(gone)
            seen = probe_once(service, target, PROBE_TIMEOUT_S, engine.files(service))
        except DevstackError as error:
            state, reason = _silent(running, memory, owner, gone, error)
            remedy = ""
            if state in (State.DOWN, State.DEGRADED):
                halfway = not any(unit.completed for unit in units)
                remedy = error.remedy or self._way_out(service.name, halfway)
            return msgspec.structs.replace(row, state=state, reason=reason, remedy=remedy)
        memory.answered = frozenset(unit.start_id for unit in running)
        memory.latencies.append(seen.latency_ms)
        return _judged(row, seen, gone, memory)

    def _with_cause(self, row: ServiceStatus, ca: Path) -> ServiceStatus:
        """What no server says in words that can be relied on: that its disk is full, and what
        clients need is gone."""
        if row.state not in (State.DOWN, State.DEGRADED, State.STARTING):
            return row
        from devstack_tui.state import directories

        full = directories.full(self._stack.paths)
        if not full and row.units and not ca.exists():
            gone = f"{ca}, by which clients trust it, is gone: {row.reason}"
            return msgspec.structs.replace(row, reason=gone, remedy="devstack-tui up")
        if not full:
            return row
        return msgspec.structs.replace(row, reason=f"{full}: {row.reason}", remedy=directories.ROOM)

    def _way_out(self, name: str, halfway: bool) -> str:
        """What to do about a service that is down; one that ended while it was starting may do so
        for the values that it starts with."""
        from devstack_tui.state import parameter_store  # a healthy stack needs it not

        if halfway and name in parameter_store.tuned(self._stack.paths):
            undo = parameter_store.undo_command(name)
            return f"devstack-tui logs {name}; {undo}; devstack-tui up {name}"
        return _remedy(name)

    def _fixed(
        self,
        service: Service,
        target: Target,
        files: ServiceFiles,
        required: bool,
        memory: _Memory,
    ) -> ServiceStatus:
        """What does not depend on whether the service answers."""
        endpoint = target.endpoint
        command = (
            service.connect(endpoint, target.credentials, target.ca) if service.connect else ""
        )
        return ServiceStatus(
            name=service.name,
            title=service.title,
            state=State.STOPPED,
            required=required,
            endpoint=str(endpoint),
            tls_endpoint=_tls_endpoint(endpoint),
            certificate=self._certificate(files, memory),
            approle=service.role,
            config_source=_source(self._stack.settings.path),
            connect=command,
        )

    def _certificate(self, files: ServiceFiles, memory: _Memory) -> Certificate | None:
        found = files.stat(CERT)
        if found is None:
            return None
        if memory.certificate[0] != found.mtime_ns:
            try:
                memory.certificate = (found.mtime_ns, read_certificate(files))
            except DevstackError:
                memory.certificate = (found.mtime_ns, None)
        return memory.certificate[1]

    def _without_units(
        self, row: ServiceStatus, service: Service, engine: Readable, memory: _Memory
    ) -> ServiceStatus:
        """Stopped on purpose, or not on this machine at all."""
        try:
            memory.installation = memory.installation or engine.locate(service)
        except NotInstalledError as error:
            return msgspec.structs.replace(
                row,
                state=State.ABSENT,
                reason=error.message,
                remedy=error.remedy,
                required=row.required and not service.optional,
            )
        except DevstackError as error:
            return msgspec.structs.replace(row, reason=error.message, remedy=error.remedy)
        found = memory.installation
        remedy = f"devstack-tui up {service.name}"
        return msgspec.structs.replace(
            row, version=found.version, flavour=found.flavour, remedy=remedy
        )


def _follow(events: Iterator[UnitEvent], tell: Callable[[UnitEvent], object]) -> None:
    """Call `tell` at every event; without a loop to call it in there is nobody to notify."""
    with contextlib.suppress(DevstackError, OSError, RuntimeError):
        for event in events:
            tell(event)


def _for_stack(row: ServiceStatus, stack: str) -> ServiceStatus:
    """The row with commands that work on its stack as they stand."""
    return msgspec.structs.replace(
        row,
        remedy=for_stack(row.remedy, stack),
        reason=for_stack(row.reason, stack),
        facts={name: for_stack(text, stack) for name, text in row.facts.items()},
    )


def _silent(
    running: list[UnitUsage],
    memory: _Memory,
    owner: Owner | None,
    gone: str,
    error: DevstackError,
) -> tuple[State, str]:
    """The state of a service that should be there and does not answer, and why."""
    if owner is not None and owner.verb == "down":
        return State.STOPPING, f"`down` runs (pid {owner.pid})"
    if gone or not running:
        return State.DOWN, gone or "no unit of it runs"
    if isinstance(error, SaturatedError):
        return State.DEGRADED, error.message
    starts = frozenset(unit.start_id for unit in running)
    youngest = max(unit.started_at or 0.0 for unit in running)
    begun = owner is None and all(unit.completed for unit in running)
    started = begun or bool(starts & memory.answered)
    if not started and time.time() - youngest < STARTING_S:
        return State.STARTING, error.message
    return State.DOWN, f"it runs, but its probe failed: {error.message}"


def _judged(row: ServiceStatus, seen: Observation, gone: str, memory: _Memory) -> ServiceStatus:
    """A service that answered: healthy, or degraded with every reason."""
    problems = [*seen.problems, *([gone] if gone else [])]
    remedy = _remedy(row.name) if problems else ""
    facts = seen.facts
    if row.certificate is not None and (ends := ending(row.certificate, time.time())):
        if age(row.certificate, time.time()) is Age.SOON:
            facts = {**facts, "note": f"{ends}: `{rotates(row.name)}`"}
        else:
            remedy = remedy or rotates(row.name)
            problems.append(ends)
    return msgspec.structs.replace(
        row,
        state=State.DEGRADED if problems else State.HEALTHY,
        reason="; ".join(problems),
        remedy=remedy,
        version=seen.version,
        role=seen.role,
        tls=seen.tls,
        latency_ms=_latency(memory.latencies),
        nodes=seen.nodes,
        facts=facts,
        development_only=seen.development_only,
    )


def _with_usage(
    row: ServiceStatus,
    units: tuple[UnitUsage, ...],
    usage: Mapping[str, Usage],
    memory: _Memory,
) -> ServiceStatus:
    """Uptime, CPU since the last look and memory of all units of the service: of none that runs
    there is no figure, rather than 0."""
    used = {unit.unit: usage.get(unit.unit, Usage()) for unit in units}
    filled = [
        msgspec.structs.replace(unit, memory_bytes=used[unit.unit].memory_bytes) for unit in units
    ]
    seconds = [one.cpu_s for one in used.values() if one.cpu_s is not None]
    total_seconds = sum(seconds)
    total_memory = sum(one.memory_bytes or 0 for one in used.values())
    now = time.monotonic()
    percent = None
    if (
        seconds
        and memory.cpu is not None
        and total_seconds >= memory.cpu[1]
        and now > memory.cpu[0]
    ):
        percent = 100 * (total_seconds - memory.cpu[1]) / (now - memory.cpu[0])
    memory.cpu = (now, total_seconds) if seconds else None
    starts = [unit.started_at for unit in units if unit.started_at]
    return msgspec.structs.replace(
        row,
        units=tuple(filled),
        uptime_s=time.time() - min(starts) if starts else None,
        cpu_percent=percent,
        memory_bytes=total_memory or None,
    )


def _by_cause(
    services: Sequence[Service], rows: Sequence[ServiceStatus]
) -> Iterator[ServiceStatus]:
    """What a service reports of another that it uses is mended there: a restart of itself would
    wait for the other, and fail."""
    named = {row.name: row for row in rows}
    for service, row in zip(services, rows, strict=True):
        ill = (named[n] for n in service.after if n in named and f"{n}: " in row.reason)
        cause = next((one for one in ill if one.state is not State.HEALTHY and one.remedy), None)
        yield msgspec.structs.replace(row, remedy=cause.remedy) if cause and row.remedy else row


def _latency(window: collections.deque[float]) -> Latency:
    ordered = sorted(window)

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

    return Latency(rank(0.5), rank(0.95), len(ordered), tuple(window))


def _source(path: Path) -> str:
    """Which stack.toml counts: the user's own, or ours as it came."""
    if path != user_file():
        return "configs/stack.toml, as shipped"
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _tls_endpoint(endpoint: Endpoint) -> str:
    port = endpoint.tls_port or endpoint.port
    return f"{endpoint.host}:{port}"


def _remedy(name: str) -> str:
    return f"devstack-tui logs {name}; devstack-tui restart {name}"
