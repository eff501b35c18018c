"""The append-only file of a node that is about to have one.

A node that starts with `appendonly yes` loads its AOF and nothing else: without one it is empty,
whatever snapshot lies beside it, and one from before AOF was turned off brings old data back. So
the node gets an AOF that begins with the snapshot. Redis 7.0 and newer read it as their own.
"""

from __future__ import annotations

from devstack_tui.contracts.service_files import ServiceFiles

_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = f"file {_BASE} seq 1 type b\n"
_NAME = "appendonly.aof.manifest"


def begin(files: ServiceFiles, node: str, *, had_one: bool) -> None:
    """Begin the AOF of `node`, in its directory of that name, with its snapshot, unless it is in
    use.

    `had_one`: whether the node was configured with AOF before. An AOF that no node has opened yet
    is made anew: the snapshot may be newer.
    """
    folder, snapshot = f"{node}/appendonlydir", f"{node}/dump.rdb"
    if had_one and files.stat(folder) and not _unused(files, f"{folder}/{_NAME}"):
        return
    files.remove(folder)
    if files.stat(snapshot) is None:
        return
    files.directory(folder)
    files.copy(snapshot, f"{folder}/{_BASE}")
    files.write(f"{folder}/{_NAME}", _MANIFEST)


def _unused(files: ServiceFiles, manifest: str) -> bool:
    # A node that opens it adds a file of its own to the list.
    return files.stat(manifest) is None or files.read(manifest) == _MANIFEST.encode()
