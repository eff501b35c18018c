"""How a running PostgreSQL takes another certificate."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """SIGHUP to the postmaster: it reads its files anew before it accepts another connection, and
    keeps what it had where it cannot use them. Sessions keep theirs."""
    units.reload("postgres")
    return True
