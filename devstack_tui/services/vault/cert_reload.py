"""How a running Vault takes another certificate."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """SIGHUP: it reads its files anew, and keeps what it had where it cannot use them."""
    units.reload("vault")
    return True
