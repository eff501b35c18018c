"""The units of the embedded engine: which run, what they use, and which process is theirs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devstack_tui.contracts.model import UnitUsage, Usage
from devstack_tui.core import process
from devstack_tui.core.errors import UnreachableError
from devstack_tui.core.process import ProcessId
from devstack_tui.engines.embedded.process_records import Record, Records

if TYPE_CHECKING:
    from devstack_tui.contracts.service import Service
    from devstack_tui.state.instance import Instance

TABLE_S = 0.2
"""How old a look at all processes may be that several questions share."""


class Units:
    """The units of one stack, by the records of what should run."""

    def __init__(self, records: Records, instance: Instance) -> None:
        self._records = records
        self._instance = instance
        self._table_lock = threading.Lock()
        self._last_table: tuple[float, process.Table] = (-math.inf, {})

    def of(self, service: Service) -> Sequence[UnitUsage]:
        """See `Engine.units`."""
        records = self._records.of(service.name)
        return [unit_of(record, self.fits(record, service)) for record in records]

    def alive(self, service: Service) -> set[str]:
        """Those that run."""
        return {record.unit for record in self._records.of(service.name) if record.alive}

    def partners(self, service: Service) -> tuple[str, ...]:
        """The services of the stack that this one works with, if they are there."""
        return tuple(name for name in service.after if name in self._instance.selected)

    def fits(self, record: Record, service: Service) -> bool:
        """Whether the unit was configured for the services that the stack consists of now."""
        return record.made_for == self.partners(service)

    def mine(self, pid: int) -> bool:
        """Whether the process belongs to this stack."""
        return process.belongs(pid, self._instance.id)

    def main(self, unit: str, service: Service | None = None) -> tuple[Record, ProcessId]:
        """A unit (of `service`) that runs, and its main process, proven to be the stack's own.

        Raises `UnreachableError`."""
        for record in self._records.of(service.name) if service else self._records.all():
            main = record.process
            if record.unit == unit and main and record.alive and self.mine(main.pid):
                return record, main
        raise UnreachableError(f"{unit} does not run")

    def usage(self, service: Service) -> Mapping[str, Usage]:
        """See `Engine.usage`: of the main process, its session and all their children."""
        running = {
            record.unit: record.process.pid
            for record in self._records.of(service.name)
            if record.alive and record.process is not None
        }
        if not running:
            return {}
        table = self._table()
        return {unit: usage_of(pid, table) for unit, pid in running.items()}

    def program(self, service: Service) -> str:
        """See `Readable.program`."""
        records = self._records.of(service.name)
        found = {process.program(one.process.pid) for one in records if one.alive and one.process}
        return " ".join(sorted(found - {""}))

    def _table(self) -> process.Table:
        """Every process of the machine, at most `TABLE_S` seconds ago."""
        with self._table_lock:
            at, table = self._last_table
            if time.monotonic() - at > TABLE_S:
                table = process.table()
                self._last_table = time.monotonic(), table
            return table


def usage_of(pid: int, table: process.Table) -> Usage:
    """What a unit has used: its main process, its session, and all their children."""
    seconds, memory = process.usage(process.descendants([pid], table))
    return Usage(seconds + process.ended_children([pid]), memory)


def unit_of(record: Record, fits: bool) -> UnitUsage:
    """What runs of the unit; `fits`: it was configured for the services of now."""
    if not record.alive or record.process is None:
        return UnitUsage(record.unit, None, running=False)
    return UnitUsage(
        record.unit,
        record.process.pid,
        running=True,
        completed=record.completed and fits,
        started_at=process.started_at(record.process),
        start_id=f"{record.process.pid}-{record.process.start_ticks}",
    )
