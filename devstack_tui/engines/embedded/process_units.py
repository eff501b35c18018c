"""One unit of the embedded engine: who runs it, and what it uses."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

from devstack_tui.contracts.model import Account, UnitUsage, Usage
from devstack_tui.contracts.server_home import Site
from devstack_tui.contracts.service import ProcessSpec, Service
from devstack_tui.core import process
from devstack_tui.core.errors import DevstackError
from devstack_tui.engines.embedded.process_records import Record

ALONE_WITHIN_S = 15.0


def await_alone(site: Site, spec: ProcessSpec) -> None:
    """Wait until what a killed server left has ended. Raises `DevstackError` when it does not."""
    deadline = time.monotonic() + ALONE_WITHIN_S
    while spec.alone is not None:
        left = process.working_in(spec.alone, Path(spec.argv[0]))
        if not left:
            if spec.pid_file is not None:
                spec.pid_file.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise DevstackError(
                f"processes of a former {spec.unit} still work in {spec.alone}: "
                f"pid {', '.join(map(str, left))}",
                "end them, then run `up` again",
            )
        site.check()
        site.say(f"waiting for what is left of {spec.unit} to end")
        site.cancelled.wait(0.05)


def account_of(service: Service) -> Account:
    """Who runs the server: ourselves, or as root the service's own account where it has one."""
    me = Account(os.geteuid(), os.getegid(), "")
    if os.geteuid() != 0 or not service.account:
        return me
    for name in (service.account, "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid, found.pw_name)
    raise DevstackError(
        f"{service.title} refuses to run as root and there is no account {service.account!r}",
        "run devstack-tui as a normal user",
    )


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
