"""Client programs that belong to a technology and reach its servers: pgbench, redis-cli …"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import subprocess


class Client(Protocol):
    """One that was found: on this machine, or in a container beside the server. Everywhere it
    reaches a server by the addresses of its `Target`."""

    def version(self, flag: str, pattern: str) -> str:
        """What it prints for `flag`, by the first group of `pattern`. Raises `DevstackError`."""

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> subprocess.Popen[str]:
        """Run it with nothing of the caller's environment but its PATH, its files 0600 in `folder`,
        no input, and both outputs as one text. A secret goes by `env` or a file, never argv.
        Raises OSError."""


FindClient = Callable[..., Client]
"""The first of the names that is found. Raises `NotInstalledError` with the remedy."""
