"""Which server made a data directory: another flavour or series does not continue it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from devstack_tui.contracts.model import Installation
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError

FILE = "series"


def check(path: Path, service: str, installation: Installation) -> None:
    """Refuse data that was made by a server which `installation` does not continue."""
    with contextlib.suppress(FileNotFoundError):
        made, now = path.read_text().strip(), _name(installation)
        if made != now:
            raise DevstackError(
                f"the data of {service} was made by {made}, this machine has {now}",
                f"install {made} again, or delete the stack's data with `down --wipe`",
            )


def note(path: Path, installation: Installation) -> None:
    """Write down who makes the data, once."""
    if not path.exists():
        files.write_private(path, f"{_name(installation)}\n")


def _name(installation: Installation) -> str:
    return f"{installation.flavour} {installation.series}"
