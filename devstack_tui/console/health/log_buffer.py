"""The lines of one log: bounded, filtered and searched. No terminal in it."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from devstack_tui.present.text import plain

KEPT = 5000
MATCHED_WIDTH = 2000
"""Signs of a line that a pattern is tried on: a pattern that runs wild then ends soon."""


class PatternError(ValueError):
    """A text that is no regular expression; the message gives the position of the error."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of `unit`'s log, without control characters."""

    unit: str
    text: str


def compile_pattern(text: str) -> re.Pattern[str]:
    """`text` as a pattern that ignores case unless it has a capital letter."""
    flags = re.IGNORECASE if text == text.lower() else re.NOFLAG
    try:
        return re.compile(text, flags)
    except re.error as error:
        where = f" at sign {error.pos + 1}" if error.pos is not None else ""
        raise PatternError(f"not a regular expression: {error.msg}{where}") from None
    except (OverflowError, RecursionError):
        raise PatternError("not a regular expression: too large") from None


class LogBuffer:
    """The last `kept` lines, and those of them that the filter lets through (`shown`)."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._all: deque[Line] = deque()
        self.shown: deque[Line] = deque()
        self.filter: re.Pattern[str] | None = None
        self.search: re.Pattern[str] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def extend(self, lines: list[Line]) -> int:
        """Add lines; returns how many fell off the beginning of `shown`."""
        dropped = 0
        for line in lines:
            clean = Line(plain(line.unit), plain(line.text))
            self._all.append(clean)
            if self._passes(clean):
                self.shown.append(clean)
            if len(self._all) > self._kept:
                oldest = self._all.popleft()
                if self.shown and self.shown[0] is oldest:
                    self.shown.popleft()
                    dropped += 1
        return dropped

    def clear(self) -> None:
        """Forget the lines; the filter and the search stay."""
        self._all.clear()
        self.shown.clear()

    def set_filter(self, text: str) -> None:
        """Show only lines that match; an empty text shows all. Errors: `PatternError`."""
        self.filter = compile_pattern(text) if text else None
        self.shown = deque(line for line in self._all if self._passes(line))

    def set_search(self, text: str) -> None:
        """Look for `text`; empty looks for nothing. Errors: `PatternError`."""
        self.search = compile_pattern(text) if text else None

    def find(self, start: int, step: int) -> int | None:
        """The next line that matches the search, from `start` (not itself) round the end."""
        count = len(self.shown)
        if self.search is None or not count:
            return None
        for distance in range(1, count + 1):
            place = (start + step * distance) % count
            if self.search.search(self.shown[place].text[:MATCHED_WIDTH]):
                return place
        return None

    def matches(self, line: Line) -> list[tuple[int, int]]:
        """Where the search matches in `line`, as start and end."""
        if self.search is None:
            return []
        found = self.search.finditer(line.text[:MATCHED_WIDTH])
        return [m.span() for m in found if m.end() > m.start()]

    def _passes(self, line: Line) -> bool:
        return self.filter is None or bool(self.filter.search(line.text[:MATCHED_WIDTH]))
