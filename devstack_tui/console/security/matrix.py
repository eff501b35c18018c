"""The access matrix as it is shown: a row for each role, a column for each secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devstack_tui.contracts.audit import MatrixCell
from devstack_tui.present.cells import Cell
from devstack_tui.present.looks import BAD, GOOD, QUIET, WARN
from devstack_tui.present.text import plain

OPEN, SHUT, UNSEEN = "open", "shut", "unseen"
_SIGNS = {OPEN: ("✗", BAD), SHUT: ("▼", WARN), UNSEEN: ("?", WARN)}


def difference(cell: MatrixCell) -> str:
    """`open`: allowed, but not declared. `shut`: declared, but denied. `unseen`: Vault was not
    asked, or did not answer. Empty where both agree."""
    if cell.real is None:
        return UNSEEN
    if cell.real == cell.declared:
        return ""
    return OPEN if cell.real else SHUT


def letter(operation: str) -> str:
    """An operation's first letter."""
    return plain(operation)[:1].lower()


def subject(path: str) -> str:
    """Whose secret or certificate a path is about: `secret/redis` and `pki_int/issue/redis-role`
    are both of redis."""
    return plain(path.rpartition("/")[2].removesuffix("-role"))


@dataclass(frozen=True, slots=True)
class Grid:
    """The matrix by role and by whose secret it is, in the order of the first mention."""

    roles: tuple[str, ...]
    secrets: tuple[str, ...]
    cells: dict[tuple[str, str], tuple[MatrixCell, ...]]

    @classmethod
    def of(cls, found: Sequence[MatrixCell]) -> Grid:
        """Sort the cells."""
        cells: dict[tuple[str, str], list[MatrixCell]] = {}
        for cell in found:
            cells.setdefault((cell.role, subject(cell.path)), []).append(cell)
        return cls(
            tuple(dict.fromkeys(cell.role for cell in found)),
            tuple(dict.fromkeys(subject(cell.path) for cell in found)),
            {key: tuple(group) for key, group in cells.items()},
        )

    def at(self, role: str, secret: str) -> tuple[MatrixCell, ...]:
        """Every operation of a role at one place."""
        return self.cells.get((role, secret), ())

    def differences(self) -> Iterator[tuple[int, int]]:
        """Row and column of every place where declared and real differ, row by row."""
        for row, role in enumerate(self.roles):
            for column, secret in enumerate(self.secrets):
                if any(difference(cell) for cell in self.at(role, secret)):
                    yield row, column


def place_cell(cells: Sequence[MatrixCell]) -> Cell:
    """`r l` what is allowed as declared, `·` nothing; or the worst difference and where it is."""
    for kind, (sign, look) in _SIGNS.items():
        found = [letter(cell.operation) for cell in cells if difference(cell) == kind]
        if found:
            whole = len(found) == len(cells) > 1
            return Cell(f"{sign} {kind} {'all' if whole else ''.join(found)}", look)
    allowed = [letter(cell.operation) for cell in cells if cell.real]
    return Cell(" ".join(allowed), "") if allowed else Cell("·" if cells else "", QUIET)


def operation_line(cell: MatrixCell) -> tuple[Cell, ...]:
    """An operation in words: `✗ open`, `write`, its path, `declared: denied`, `real: allowed`."""
    kind = difference(cell)
    sign, look = _SIGNS.get(kind, ("●", GOOD))
    real = "not seen" if cell.real is None else _word(cell.real)
    return (
        Cell(f"{sign} {kind or 'same'}", look),
        Cell(plain(cell.operation)),
        Cell(plain(cell.path)),
        Cell(f"declared: {_word(cell.declared)}", QUIET),
        Cell(f"real: {real}", look if kind else QUIET),
    )


def summary(cells: Sequence[MatrixCell]) -> Cell:
    """One sentence about the whole."""
    kinds = [difference(cell) for cell in cells]
    wrong = kinds.count(OPEN) + kinds.count(SHUT)
    unseen = kinds.count(UNSEEN)
    rest = f" · ? {unseen} not seen" if unseen else ""
    if not cells:
        return Cell("? nothing is declared", WARN)
    if wrong:
        parts = [f"{kinds.count(OPEN)} open that nothing declares"] if OPEN in kinds else []
        parts += [f"{kinds.count(SHUT)} shut that should be open"] if SHUT in kinds else []
        return Cell(f"✗ {wrong} of {len(cells)} differ: {', '.join(parts)}{rest}", BAD)
    if unseen:
        return Cell(f"? {unseen} of {len(cells)} were not seen, the others are as declared", WARN)
    return Cell(f"● all {len(cells)} are as declared", GOOD)


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "denied"
