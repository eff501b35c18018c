"""What is known of the processes of a stack, and how one is started that is to be found."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process of a service. `unit` is what it belongs to (`helper` for a program that runs
    beside the servers), `program` its name, `arguments` and `environment` what it was started
    with, which may hold secrets. `account` is the name of who it should run as, `uid` the number;
    `uids` and `gids` are all that it has. `rights` are its capabilities. `core_bytes` is the
    largest core file that it may leave (None: any), `privileges` whether a setuid program may give
    it more, `umask` which permissions the files that it makes lack."""

    unit: str
    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    account: str
    uid: int
    uids: frozenset[int]
    gids: frozenset[int]
    groups: frozenset[int]
    rights: int
    core_bytes: int | None
    privileges: bool
    umask: int

    def __repr__(self) -> str:
        return f"ProcessFacts({self.unit!r}, {self.program!r})"


class Loosening(enum.StrEnum):
    """How a server is started that is to be found: for a stack that is broken on purpose."""

    LIMITS = "limits"
    """It may leave core files and get new privileges."""
    ROOT = "root"
    """It runs as who we are, even if that is root."""
