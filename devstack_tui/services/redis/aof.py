"""The append-only file of a node that is about to have one.

A node that starts with `appendonly yes` loads its AOF and nothing else: without one it is empty,
whatever snapshot lies beside it, and one from before AOF was turned off brings old data back. So
the node gets an AOF that begins with the snapshot. Redis 7.0 and newer read it as their own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from devstack_tui.core import files

_FOLDER = "appendonlydir"
_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = f"file {_BASE} seq 1 type b\n"
_NAME = "appendonly.aof.manifest"


def begin(directory: Path, had_one: bool, owner: tuple[int, int] | None) -> None:
    """Begin the AOF in a node's `directory` with its snapshot, unless it is in use.

    `had_one` tells whether the node was configured with AOF before. An AOF that no node has
    opened yet is made anew: the snapshot may be newer.
    """
    folder, snapshot = directory / _FOLDER, directory / "dump.rdb"
    if had_one and folder.exists() and not _unused(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    if not snapshot.exists():
        return
    files.make_dir(folder, owner=owner)
    base = folder / _BASE
    shutil.copyfile(snapshot, base)
    base.chmod(files.PRIVATE_FILE)
    if owner is not None:
        os.chown(base, *owner)
    files.write_private(folder / _NAME, _MANIFEST, owner=owner)


def _unused(folder: Path) -> bool:
    # A node that opens it adds a file of its own to the list.
    try:
        return (folder / _NAME).read_text() == _MANIFEST
    except FileNotFoundError:
        return True
