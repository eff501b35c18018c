"""A check and its result: what every gate, drill and audit ends in. Only PASS is a pass."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

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
    "INCOMPLETE": "◐",
    "NOT RUN": "○",
    "NOT BUILT": "–",
    "STALE": "○",
    "QUICK": "○",
    "N/A": "–",
}


def glyph(verdict: str) -> str:
    """The sign that stands before the word of a status or a verdict: never a colour alone."""
    return _GLYPHS.get(verdict.partition(",")[0], "·")


class Result(msgspec.Struct, frozen=True):
    """One check's outcome: `evidence` is what was measured, `remedy` what to do about it.
    `declared`: a WARN that the declared configuration brings about."""

    id: str
    title: str
    status: Status
    evidence: str
    remedy: str = ""
    declared: bool = False


class Judged(Protocol):
    """A result of any capability, as far as `--strict` reads it."""

    @property
    def status(self) -> str | None: ...

    @property
    def declared(self) -> bool: ...


def worded(one: Judged) -> str:
    """The status of a result as a user reads it: `WARN, as declared`."""
    return f"{one.status}, as declared" if warned_as_declared(one) else str(one.status)


def warned_as_declared(one: Judged) -> bool:
    """Whether it is a WARN that the declared configuration brings about."""
    return one.declared and one.status == Status.WARN


def counts_text(results: Iterable[Judged]) -> str:
    """`21 PASS, 2 FAIL, 3 WARN (2 as declared)`, in the order of `Status`."""
    made = [one for one in results if one.status is not None]
    found = Counter(str(one.status) for one in made)
    declared = sum(map(warned_as_declared, made))
    order = {str(status): place for place, status in enumerate(Status)}
    parts = []
    for name in sorted(found, key=lambda name: (order.get(name, len(order)), name)):
        text = f"{found[name]:,} {name}"
        parts.append(f"{text} ({declared:,} as declared)" if name == "WARN" and declared else text)
    return ", ".join(parts)


def strict(code: int, results: Iterable[Judged]) -> int:
    """The exit status with `--strict`: what would be 0 is 1 for a WARN that nothing declares."""
    if code == 0 and any(one.status == Status.WARN and not one.declared for one in results):
        return 1
    return code


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
