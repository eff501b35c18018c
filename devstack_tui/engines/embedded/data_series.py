"""Which server made a data directory: another flavour or series does not continue it."""

from __future__ import annotations

import contextlib

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError

FILE = "series"


def check(files: ServiceFiles, service: str, installation: Installation) -> None:
    """Refuse data that was made by a server which `installation` does not continue."""
    with contextlib.suppress(FileNotFoundError):
        made, now = files.read(FILE).decode().strip(), _name(installation)
        if made != now:
            raise DevstackError(
                f"the data of {service} was made by {made}, this machine has {now}",
                f"install {made} again, or delete the stack's data with `devstack-tui down --wipe`",
            )


def note(files: ServiceFiles, installation: Installation) -> None:
    """Record which server makes the data, once."""
    if files.stat(FILE) is None:
        files.write(FILE, f"{_name(installation)}\n")


def _name(installation: Installation) -> str:
    return f"{installation.flavour} {installation.series}"
