"""What may be done to a unit that runs, without ending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """How a program ended that was run beside a server."""

    status: int
    output: str
    errors: str


class UnitControl(Protocol):
    """Each method raises `UnreachableError` for a unit that does not run."""

    def reload(self, unit: str) -> None:
        """Have a unit read its files again, without a restart."""

    def execute(
        self,
        unit: str,
        argv: Sequence[str],
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        limit: float = 60.0,
    ) -> Completed:
        """Run a program beside a server: as its account, with its environment and `env`, in its
        directory. A secret goes by `stdin`, never argv. Raises `DevstackError` for a program that
        does not run or does not end within `limit` seconds."""
