"""The files of one service, wherever its server runs: by their names, never by a path of ours."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from devstack_tui.core.files import PRIVATE_FILE
from devstack_tui.core.rooted_files import FileStat

CERT = "tls/server.crt"
KEY = "tls/server.key"
CA = "tls/ca.crt"
CHAIN = "tls/chain.crt"
"""The names of a service's certificate files, PEM. The chain is the intermediate and the root."""


def own_name(files: ServiceFiles, path: str) -> str:
    """The name of the file that the server knows by `path`; of one that is not below its directory
    the path as it is, which is refused as a name."""
    return path.removeprefix(f"{files.path()}/")


class ServiceFiles(Protocol):
    """The files of one service. A name is relative to the service's own directory, which is the
    empty name; an absolute name, and one with `..`, is refused with a `DevstackError`. No link is
    followed. Errors are `OSError`s: `FileNotFoundError` for a file that is not there."""

    def path(self, name: str = "") -> str:
        """The name by which the server itself knows the file: for its configuration, and for
        commands that are sent to it."""

    def read(self, name: str, last: int | None = None) -> bytes:
        """The whole file, or its last bytes."""

    def write(
        self,
        name: str,
        data: str | bytes,
        *,
        mode: int = PRIVATE_FILE,
        mtime_ns: int | None = None,
    ) -> str:
        """Replace the file in one step: a reader, or a crash, sees the old or the new. It belongs
        to the server's account. Returns its `path`."""

    def edit(self, name: str, change: Callable[[str], str], *, keep_mtime: bool = False) -> str:
        """Replace the file's text by what `change` makes of it, its mode kept. Returns the text
        that was there before: written back, it undoes the change."""

    def stat(self, name: str = "") -> FileStat | None:
        """What is known of a file or directory; None where there is none."""

    def list(self, name: str = "") -> Sequence[str]:
        """What lies in a directory, sorted; nothing where there is none."""

    def directory(self, name: str) -> str:
        """Make a directory, and those above it, 0700 and the server's own. Returns its `path`."""

    def chmod(self, name: str, mode: int) -> None:
        """Set the permission bits of a file or directory."""

    def copy(self, name: str, new: str) -> None:
        """Copy a file; the copy is 0600 and the server's own."""

    def rename(self, name: str, new: str) -> None:
        """Give a file or directory another name, in place of what had it."""

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link to a path where the server runs."""

    def remove(self, name: str) -> None:
        """Delete a file, or a directory with all below it; harmless where there is none."""

    def connect(self, name: str, timeout: float) -> socket.socket:
        """Connect to the Unix socket that the server listens at; `timeout` in seconds."""


@dataclass(frozen=True, slots=True)
class ServicePath:
    """One file of one service. As text it is the path that the server knows."""

    files: ServiceFiles
    name: str = ""

    def __str__(self) -> str:
        return self.files.path(self.name)

    def read(self, last: int | None = None) -> bytes:
        """See `ServiceFiles.read`."""
        return self.files.read(self.name, last)

    def stat(self) -> FileStat | None:
        """See `ServiceFiles.stat`."""
        return self.files.stat(self.name)
