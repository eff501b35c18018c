"""A lane of a drill in cells of equal length: what came of its operations over time. Pure."""

from __future__ import annotations

import math

CELL_MS = 50
_CELL_S = CELL_MS / 1000


class LaneCells:
    """The cells of one lane from `start` (seconds) on: `o` answered, `x` an error, `.` silent.

    A success outdoes an error in the same cell: a lane never looks longer unavailable than it was.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._cells = bytearray()
        self._taken = 0

    def put(self, at: float, ok: bool) -> None:
        """Something came of an operation at `at`. What belongs to a cell that was taken is late."""
        cell = math.floor((at - self._start) / _CELL_S) - self._taken
        if cell < 0:
            return
        self._reach(cell + 1)
        if ok or self._cells[cell] == ord("."):
            self._cells[cell] = ord("o" if ok else "x")

    def take(self, until: int) -> str:
        """The cells before number `until` that have not been taken yet."""
        count = max(0, until - self._taken)
        self._reach(count)
        taken = self._cells[:count].decode()
        del self._cells[:count]
        self._taken += count
        return taken

    def _reach(self, cells: int) -> None:
        self._cells.extend(b"." * (cells - len(self._cells)))
