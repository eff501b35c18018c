"""One record on disk for each server process that should be there."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

import msgspec

from devstack_tui.contracts.service import ProcessSpec
from devstack_tui.core import codec, files, process


class Record(msgspec.Struct, frozen=True):
    """A unit that was started. It is written before the process is, so `process` may be None for
    an instant, or for good when the starter was killed; `recover` then finds the process by its
    environment. `order` is the order of start within the service. `stopping` is written before the
    process is asked to end: one that outlives an interrupted stop is ended, not kept. `completed`
    is written when the service's start has come to its end. `made_for` are the services of the
    stack that it was configured to work with."""

    unit: str
    service: str
    order: int
    stop_signal: int
    grace_s: float
    started: float
    process: process.ProcessId | None = None
    stopping: bool = False
    completed: bool = False
    made_for: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return self.process is not None and process.alive(self.process)

    @property
    def signal(self) -> signal.Signals:
        return signal.Signals(self.stop_signal)


class Records:
    """The records of one stack, in its `run` directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, service: str, unit: str = "*") -> list[Record]:
        """The records of a service in the order of start, or of its one unit."""
        found = [record for record in self.all(unit) if record.service == service]
        return sorted(found, key=lambda record: record.order)

    def all(self, unit: str = "*") -> list[Record]:
        """Every record, or the one of a unit; one that cannot be read is passed over."""
        found = []
        if self._folder.is_dir():
            for path in sorted(self._folder.glob(f"{unit}.json")):
                with contextlib.suppress(OSError, ValueError):
                    found.append(codec.decode(files.read_bytes(path), Record))
        return found

    def intend(
        self, spec: ProcessSpec, service: str, order: int, made_for: tuple[str, ...]
    ) -> Record:
        """Write that a process is about to be started."""
        return self.write(
            Record(
                spec.unit,
                service,
                order,
                int(signal.Signals[spec.stop_signal]),
                spec.grace_s,
                time.time(),
                made_for=made_for,
            )
        )

    def write(self, record: Record) -> Record:
        """Keep `record`; returns it."""
        files.write_private(self._folder / f"{record.unit}.json", msgspec.json.encode(record))
        return record

    def started(self, record: Record, started: process.ProcessId) -> Record:
        """Write which process it became."""
        return self.write(msgspec.structs.replace(record, process=started))

    def completed(self, service: str) -> None:
        """Write that nothing is left to do for the start of a service."""
        for record in self.of(service):
            if not record.completed:
                self.write(msgspec.structs.replace(record, completed=True))

    def stopping(self, record: Record) -> Record:
        """Write that the unit is about to be asked to end."""
        return self.write(msgspec.structs.replace(record, stopping=True))

    def remove(self, record: Record) -> None:
        """Forget a unit that was stopped on purpose."""
        (self._folder / f"{record.unit}.json").unlink(missing_ok=True)
