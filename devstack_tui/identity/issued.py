"""Which certificates Vault has issued at our own request: a file for each service, 0600.

What else is valid in Vault's PKI, somebody else has had issued.
"""

from __future__ import annotations

import time
from pathlib import Path

from devstack_tui.core import files

FOLDER = "issued"
_KEPT = 200
"""Certificates of one service: what is older than the last of so many has long ended, or is shown
as one that nobody knows."""


def note(secrets: Path, name: str, serial: str, begins: float | None = None) -> None:
    """Remember that the certificate `serial` (as Vault writes it) was issued to the service; it
    `begins` now, or at that time."""
    folder = secrets / FOLDER
    files.make_dir(folder)
    lines = [*_lines(folder / name), f"{serial} {time.time() if begins is None else begins:.0f}"]
    files.write_private(folder / name, "\n".join(lines[-_KEPT:]) + "\n")


def read(secrets: Path) -> dict[str, float]:
    """The serials, and when each was issued, Unix time; nothing in a stack of an older release."""
    found = {}
    folder = secrets / FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        for line in _lines(path):
            serial, _, begins = line.partition(" ")
            if begins.isdecimal():
                found[serial.lower()] = float(begins)
    return found


def _lines(path: Path) -> list[str]:
    try:
        return files.read_bytes(path).decode(errors="replace").split("\n")[:-1]
    except OSError:
        return []
