"""What a cell or a line of a pane says and how it looks, before a terminal knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from devstack_tui.core.check import glyph
from devstack_tui.present.looks import BAD, GOOD, QUIET, WARN
from devstack_tui.present.text import plain

Span = tuple[str, str]
"""A text and its look."""
_VERDICTS = {
    "PASS": GOOD,
    "IMPROVED": GOOD,
    "FAIL": BAD,
    "ERROR": BAD,
    "REGRESSED": BAD,
    "WARN": WARN,
    "INCONCLUSIVE": WARN,
    "INCOMPLETE": WARN,
    "STALE": WARN,
    "QUICK": WARN,
    "NO DIFFERENCE": "",
    "MEASURED": "",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, and its look (a component class, or empty for the plain one)."""

    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what stands beside it; a label of its own line has no spans."""

    label: str
    spans: tuple[Span, ...]


def verdict(status: str) -> Cell:
    """`● PASS`."""
    return Cell(f"{glyph(status.upper())} {plain(status)}", _VERDICTS.get(status.upper(), QUIET))
