"""One unit of the embedded engine: what it uses."""

from __future__ import annotations

import time
from pathlib import Path

from devstack_tui.contracts.model import UnitUsage, Usage
from devstack_tui.contracts.service import ProcessSpec
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded.process_records import Record
from devstack_tui.engines.embedded.server_home import ProcessHome

ALONE_WITHIN_S = 15.0


def await_alone(home: ProcessHome, spec: ProcessSpec) -> None:
    """Wait until what a killed server left has ended. Raises `DevstackError` when it does not."""
    deadline = time.monotonic() + ALONE_WITHIN_S
    while spec.alone is not None:
        left = process.working_in(home.data / spec.alone, Path(spec.argv[0]))
        if not left:
            if spec.pid_file is not None:
                home.files.remove(spec.pid_file)
            return
        if time.monotonic() > deadline:
            raise DevstackError(
                f"processes of a former {spec.unit} still work in {home.data / spec.alone}: "
                f"pid {', '.join(map(str, left))}",
                "end them, then run `up` again",
            )
        home.check()
        home.say(f"waiting for what is left of {spec.unit} to end")
        home.cancelled.wait(0.05)


def used(pid: int, table: process.Table) -> Usage:
    """What a unit has used: its main process, its session, and all their children."""
    seconds, memory = process.usage(process.descendants([pid], table))
    return Usage(seconds + process.ended_children([pid]), memory)


def seen(record: Record, fits: bool) -> UnitUsage:
    """What runs of the unit; `fits` tells whether it was configured for the stack of now."""
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
