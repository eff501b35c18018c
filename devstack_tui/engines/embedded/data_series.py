"""Which server made a data directory: another flavour or series does not continue it."""

from __future__ import annotations

import contextlib
import re

from devstack_tui.contracts.model import Installation
from devstack_tui.contracts.service_files import ServiceFiles
from devstack_tui.core.errors import DevstackError

FILE = "series"
_FORM = re.compile(r"[A-Za-z][A-Za-z ]* \d+(\.\d+)*")


def check(files: ServiceFiles, service: str, installation: Installation) -> None:
    """Refuse data that was made by a server which `installation` does not continue."""
    made, now = _made_by(files), _name(installation)
    if made and made != now:
        raise DevstackError(
            f"the data of {service} was made by {made}, this machine has {now}",
            f"install {made} again, or remove {files.path(FILE)} if it is that which is wrong, or "
            "delete the stack's data with `devstack-tui down --wipe`",
        )


def note(files: ServiceFiles, installation: Installation) -> None:
    """Record which server makes the data, once."""
    if not _made_by(files):
        files.write(FILE, f"{_name(installation)}\n")


def _made_by(files: ServiceFiles) -> str:
    """Which server made the data; empty where that is not known, or the record is damaged."""
    with contextlib.suppress(OSError, ValueError):
        text = files.read(FILE).decode().strip()
        return text if _FORM.fullmatch(text) else ""
    return ""


def _name(installation: Installation) -> str:
    return f"{installation.flavour} {installation.series}"
