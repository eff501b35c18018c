"""What a drill may do to the stack: each change is journaled before it is made, and undone.

The intents (`drill.kill`, `drill.freeze`, `drill.partition`, and `drill.run` around them) hold all
that their undo needs, so that the watchdog, or the next change, heals and removes what we left when
we are killed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator

from devstack_tui.contracts.client import Client
from devstack_tui.contracts.drill import NodeTraffic
from devstack_tui.contracts.engine import Engine, Feature, Run
from devstack_tui.contracts.faults import Fault, Handle, handle_of
from devstack_tui.contracts.model import Installation, Target
from devstack_tui.contracts.service import Service
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError, UsageError
from devstack_tui.core.event_stream import Emit, in_thread, thread_events
from devstack_tui.core.journal import Intent, Journal, RefusedError
from devstack_tui.stack.probing import probe_once

WHOLE_WITHIN_S = 60.0
PROBE_S = 2.0
ENDED_WITHIN_S = 10.0
"""How long a unit may take to end before it is killed."""
KILL, FREEZE, PARTITION = "drill.kill", "drill.freeze", "drill.partition"
RUN = "drill.run"
"""Of what a run writes, by the name of its drill."""


class StackFaultInjector:
    """See `contracts.drill.FaultInjector`: of one service of one stack. Raises `DevstackError`."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        service: Service,
        cut: Callable[[str], NodeTraffic] | None = None,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._service = service
        self._cut = cut
        self._intents: list[Intent] = []
        self._ending: list[Handle] = []
        self._touched = False

    def installation(self) -> Installation:
        """See the Protocol."""
        return self._engine.locate(self._service)

    def client(self, *names: str) -> Client:
        """See the Protocol."""
        return self._engine.client(self._service, *names)

    def units(self, service: str) -> tuple[str, ...]:
        """The units that the service consists of now, in the order of their start."""
        self._check(service)
        return tuple(unit.unit for unit in self._engine.units(self._service))

    # -- faults ------------------------------------------------------------------------------

    def kill(self, unit: str) -> float:
        """See the Protocol."""
        return self._do(KILL, unit, Fault.KILL)

    def terminate(self, unit: str) -> float:
        """See the Protocol."""
        return self._do(KILL, unit, Fault.TERMINATE)

    def freeze(self, unit: str) -> float:
        """See the Protocol."""
        return self._do(FREEZE, unit, Fault.FREEZE)

    def thaw(self, unit: str) -> float:
        """See the Protocol."""
        return self._undo(FREEZE, unit)

    def partition(self, unit: str) -> float:
        """See the Protocol."""
        if self._cut is None:
            raise UsageError(f"{self._service.title} has no other node to be cut off from")
        self._engine.require(Feature.PARTITION)
        return self._do(PARTITION, unit, Fault.PARTITION, self._cut(unit))

    def reconnect(self, unit: str) -> float:
        """See the Protocol."""
        return self._undo(PARTITION, unit)

    def alive(self, unit: str) -> bool:
        """See the Protocol."""
        return any(one.unit == unit and one.running for one in self._engine.units(self._service))

    def _do(self, action: str, unit: str, fault: Fault, cut: NodeTraffic | None = None) -> float:
        handle = self._engine.aim(self._service, (unit,), fault, cut)
        self._begin(action, unit, **handle.undo)
        if action == KILL:
            self._ending.append(handle)
        return self._engine.inject(handle)

    # -- bringing back -----------------------------------------------------------------------

    async def start(self, service: str) -> None:
        """Start what is missing and wait until the service's probe passes."""
        self._check(service)
        self._touched = True
        # Two must never start a service: it is waited for, cancelled or not.
        await in_thread(self._start)
        for intent in [one for one in self._intents if one.action == KILL]:
            self._end(intent)

    async def cycle(self, service: str) -> AsyncGenerator[str, None]:
        """Restart the service node by node; yields each unit before it is ended."""
        self._check(service)
        self._touched = True
        intent = self._begin(KILL, service)

        def work(emit: Emit[str], cancelled: threading.Event) -> None:
            self._engine.cycle(self._service, Run(cancelled=cancelled), emit)

        async with contextlib.aclosing(thread_events(work)) as units:
            async for unit in units:
                yield unit
        self._end(intent)

    def heal(self) -> list[str]:
        """Undo whatever is left, start what is missing, wait until the service is whole.

        Blocks. Returns a sentence for each repair. Raises the first `DevstackError` once all has
        been tried.
        """
        notes: list[str] = []
        problems: list[DevstackError] = []
        for repair in (self._undo_all, self._bring_back):
            notes += repair(problems.append)
        if problems:
            raise problems[0]
        return notes

    def _undo_all(self, report: Callable[[DevstackError], None]) -> Iterator[str]:
        """Undo each fault that left its unit alive."""
        for intent in reversed(self._intents):
            if intent.action == KILL:
                continue
            try:
                self._undo(intent.action, intent.subject)
            except DevstackError as error:
                report(error)
            else:
                verb = "let go on" if intent.action == FREEZE else "connected again"
                yield f"{intent.subject} was {verb}"

    def _bring_back(self, report: Callable[[DevstackError], None]) -> Iterator[str]:
        """Start what is missing, if it was us who ended it."""
        if not self._touched:
            return
        missing = [u.unit for u in self._engine.units(self._service) if not u.running]
        try:
            self._start()
        except DevstackError as error:
            report(error)
            return
        yield from (f"{unit} was started again" for unit in missing)
        for intent in [one for one in self._intents if one.action == KILL]:
            self._end(intent)
        self._touched = False

    def _start(self) -> None:
        while self._ending:
            self._engine.gone(self._ending[0], ENDED_WITHIN_S)
            del self._ending[0]
        target = self._engine.target(self._service)
        units = self._engine.units(self._service)
        if not all(unit.running for unit in units) or _problems(self._service, target):
            self._engine.start(self._service, Run())
        deadline = time.monotonic() + WHOLE_WITHIN_S
        while reason := _problems(self._service, target):
            if gone := self._engine.exit_reason(self._service):
                raise DevstackError(gone, f"look at `devstack-tui logs {self._service.name}`")
            if time.monotonic() > deadline:
                raise DevstackError(
                    f"{self._service.title} is not whole after {WHOLE_WITHIN_S:.0f} s: {reason}",
                    f"look at `devstack-tui logs {self._service.name}`",
                )
            time.sleep(0.1)

    # -- the journal -------------------------------------------------------------------------

    def _begin(self, action: str, unit: str, **undo: str) -> Intent:
        try:
            intent = self._journal.begin(action, unit, service=self._service.name, **undo)
        except OSError as error:
            raise files.explain(error, "writing the journal: nothing was touched") from None
        self._intents.append(intent)
        self._touched = True
        return intent

    def _end(self, intent: Intent) -> None:
        try:
            self._journal.end(intent)
        except OSError as error:
            raise files.explain(error, "writing the journal") from None
        self._intents.remove(intent)

    def _undo(self, action: str, unit: str) -> float:
        at = time.monotonic()
        for intent in [i for i in self._intents if (i.action, i.subject) == (action, unit)]:
            if handle := handle_of(intent):
                at = self._engine.undo(handle)
            self._end(intent)
        return at

    def _check(self, service: str) -> None:
        if service != self._service.name:
            raise UsageError(f"this drill is about {self._service.name}, not {service}")


def await_ends(engine: Engine, journal: Journal) -> None:
    """Wait until what a drill has sent the stop signal is gone."""
    for intent in journal.pending():
        if intent.action == KILL and (handle := handle_of(intent)):
            with contextlib.suppress(RefusedError):  # the healing sets it aside
                engine.gone(handle, ENDED_WITHIN_S)


def _problems(service: Service, target: Target) -> str:
    """Why the service is not whole, or an empty string."""
    try:
        seen = probe_once(service, target, PROBE_S)
    except DevstackError as error:
        return error.message
    return "; ".join(seen.problems)
