"""What happens to the units: their ends as they come, their starts by a look at the records."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator, Mapping

from devstack_tui.contracts.engine import UnitEvent
from devstack_tui.contracts.model import UnitUsage
from devstack_tui.engines.embedded.process_records import Records
from devstack_tui.engines.embedded.process_units import unit_of

WATCH_S = 1.0
"""How soon the start of a unit is noticed."""
_TURN_S = 0.2
"""How soon a watch notices that it is to end."""
Units = Mapping[str, UnitUsage]


def changes(records: Records, ended: threading.Event) -> Iterator[UnitEvent]:
    """See `Engine.watch`. The first look is now, when this is called."""
    return _changes(_units(records), records, ended)


def _changes(before: Units, records: Records, ended: threading.Event) -> Iterator[UnitEvent]:
    with contextlib.closing(_Ends()) as ends:
        while ends.wait(before, ended):
            now = _units(records)
            for unit in sorted(before.keys() | now.keys()):
                start = now[unit].start_id if unit in now else ""
                if unit not in before or before[unit].start_id != start:
                    yield UnitEvent(unit, start)
            before = now


def _units(records: Records) -> Units:
    return {record.unit: unit_of(record, False) for record in records.all()}


class _Ends:
    """A handle of each main process, readable from the moment when the process has ended."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handles: dict[str, int] = {}
        self._over: set[str] = set()

    def wait(self, units: Units, ended: threading.Event) -> bool:
        """Wait until one of `units` ends, at most `WATCH_S`. False: the watch is over."""
        self._follow({unit.start_id: unit.pid for unit in units.values() if unit.pid})
        until = time.monotonic() + WATCH_S
        gone: set[int] = set()
        while not (gone or ended.is_set() or time.monotonic() >= until):
            gone = {handle for handle, _ in self._poll.poll(1000 * _TURN_S)}
        for start in [one for one, handle in self._handles.items() if handle in gone]:
            self._over.add(start)
            self._drop(start)
        return not ended.is_set()

    def _follow(self, starts: Mapping[str, int]) -> None:
        for start in self._handles.keys() - starts.keys():
            self._drop(start)
        self._over &= starts.keys()
        for start in starts.keys() - self._handles.keys() - self._over:
            with contextlib.suppress(OSError):  # it has just ended: the records say so
                self._handles[start] = os.pidfd_open(starts[start])
                self._poll.register(self._handles[start], select.POLLIN)

    def _drop(self, start: str) -> None:
        handle = self._handles.pop(start)
        self._poll.unregister(handle)
        os.close(handle)

    def close(self) -> None:
        """Give all handles back."""
        for start in list(self._handles):
            self._drop(start)
