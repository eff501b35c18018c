"""How the running reference API takes another certificate."""

from __future__ import annotations

from collections.abc import Callable

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.services.reference_api.server import UNIT


def reload(target: Target, files: ServiceFiles, reload_unit: Callable[[str], None]) -> bool:  # noqa: ARG001
    """SIGHUP: it reads its files anew, and keeps what it had where it cannot use them."""
    reload_unit(UNIT)
    return True
