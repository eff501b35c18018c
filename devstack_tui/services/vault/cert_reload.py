"""How a running Vault takes another certificate."""

from __future__ import annotations

from collections.abc import Callable

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import ServiceFiles


def reload(target: Target, files: ServiceFiles, reload_unit: Callable[[str], None]) -> bool:  # noqa: ARG001
    """SIGHUP: it reads its files anew, and keeps what it had where it cannot use them."""
    reload_unit("vault")
    return True
