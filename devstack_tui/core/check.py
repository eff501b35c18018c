"""A check and its result: what every gate, drill and audit ends in. Only PASS is a pass."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec


class Status(enum.StrEnum):
    """INCONCLUSIVE: the data cannot carry a verdict. ERROR: the check itself could not be made."""

    PASS = "PASS"
    FAIL = "FAIL"
    WARN = "WARN"
    SKIPPED = "SKIPPED"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"


_GLYPHS = {
    "PASS": "●",
    "FAIL": "✗",
    "ERROR": "✗",
    "INCONCLUSIVE": "?",
    "WARN": "▲",
    "SKIPPED": "–",
    "IMPROVED": "▲",
    "REGRESSED": "▼",
    "NO DIFFERENCE": "●",
    "MEASURED": "●",
    "NOT RUN": "○",
    "NOT BUILT": "–",
}


def glyph(verdict: str) -> str:
    """The sign that stands before the word of a status or a verdict: never a colour alone."""
    return _GLYPHS.get(verdict, "·")


class Result(msgspec.Struct, frozen=True):
    """One check's outcome: `evidence` is what was measured, `remedy` what to do about it."""

    id: str
    title: str
    status: Status
    evidence: str
    remedy: str = ""


class Headline(msgspec.Struct, frozen=True):
    """How many kinds of checks there are, and instances of them. `kinds_changed` were proven before
    code that ran for them changed; `instances_proven` were broken themselves."""

    kinds: int
    instances: int
    kinds_proven: int
    instances_proven: int
    kinds_changed: int = 0

    def __str__(self) -> str:
        text = f"{self.kinds:,} kinds, {self.instances:,} instances"
        text = f"{text}, {self.kinds_proven:,} kinds proven"
        if self.kinds_changed:
            text += f" ({self.kinds_changed:,} were, before their code changed)"
        return text


def verdict(results: Iterable[Result]) -> Status:
    """All of them together: a FAIL or an ERROR fails; without one, an INCONCLUSIVE decides nothing.

    Nothing but skipped checks is INCONCLUSIVE: nothing was proven.
    """
    found = {result.status for result in results}
    if found & {Status.FAIL, Status.ERROR}:
        return Status.FAIL
    if Status.INCONCLUSIVE in found or not found & {Status.PASS, Status.WARN}:
        return Status.INCONCLUSIVE
    return Status.PASS


def exit_code(status: Status) -> int:
    """Of the CLI contract: 0 pass, 1 failed, 4 inconclusive."""
    return {Status.PASS: 0, Status.INCONCLUSIVE: 4}.get(status, 1)
