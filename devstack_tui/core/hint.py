"""How to get what is missing on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hint:
    """How to get a missing server program. `apt` and `pip` are package names."""

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    text: str = ""
