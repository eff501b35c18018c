"""The servers of one service held still for a part of each moment: a slowdown that is real.

It is known to the journal, so that whatever ends us lets them go on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

from devstack_tui.contracts.engine import Engine
from devstack_tui.contracts.faults import Fault, Handle
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.journal import Intent, Journal
from devstack_tui.stack.stack import Stack

PERIOD_S = 0.03
AIM_S = 0.5
"""So often it is looked which processes there are: some servers make one for each client."""
IDLE_S = 0.01


@dataclass(frozen=True, slots=True)
class Pulse:
    """Held still for `held_s` seconds, then let go on for `free_s`, over and over."""

    held_s: float
    free_s: float

    @classmethod
    def of_share(cls, share: float) -> Pulse:
        """Held for this share of each moment."""
        return cls(PERIOD_S * share, PERIOD_S * (1 - share))


class Hold:
    """Within its context the servers of `service` are held by `pulse`; by None they run freely.

    `problem` is why it ended early. Its end raises `DevstackError` where they cannot be let go on.
    """

    def __init__(self, stack: Stack, service: Service) -> None:
        self.pulse: Pulse | None = None
        self.problem = ""
        self._service = service
        self._engine: Engine = stack.engine()
        self._journal = Journal(stack.paths.bench_journal)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="hold", daemon=True)
        self._held: Handle | None = None
        self._intent: Intent | None = None
        self._aimed = 0.0

    def __enter__(self) -> Hold:
        self._aim()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._held is not None:
            self._engine.undo(self._held)
        if self._intent is not None:
            self._journal.end(self._intent)

    def _aim(self) -> None:
        """Name what is to be held: the journal knows it before it is touched."""
        running = [unit.unit for unit in self._engine.units(self._service) if unit.running]
        held = self._engine.aim(self._service, running, Fault.FREEZE)
        self._aimed = time.monotonic()
        if self._held is not None and held.undo == self._held.undo:
            return
        before, self._held = self._intent, held
        self._intent = self._journal.begin("throttle", self._service.name, **held.undo)
        if before is not None:
            self._journal.end(before)

    def _work(self) -> None:
        try:
            while not self._ended.is_set():
                if (pulse := self.pulse) is None:
                    self._ended.wait(IDLE_S)
                else:
                    self._beat(pulse)
        except (DevstackError, OSError) as error:
            self.problem = str(error)

    def _beat(self, pulse: Pulse) -> None:
        if time.monotonic() - self._aimed > AIM_S:
            self._aim()
        held = self._held
        assert held is not None
        try:
            self._engine.inject(held)
            self._ended.wait(pulse.held_s)
        finally:
            self._engine.undo(held)
        self._ended.wait(pulse.free_s)
