"""What is missing on this machine, and the command that brings it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

import msgspec
from rich.table import Table
from rich.text import Text
from textual.binding import BindingType

from devstack_tui.console.screens.sheet import Ink, SheetScreen
from devstack_tui.present.looks import BAD, GOOD, QUIET, WARN
from devstack_tui.present.text import plain

_LOOKS = {
    "ok": ("●", GOOD),
    "warning": ("▲", WARN),
    "missing": ("✗", BAD),
    "optional": ("–", QUIET),
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; `status` is ok, warning, missing or optional."""

    subject: str
    status: str
    detail: str = ""
    remedy: str = ""


class Findings(msgspec.Struct, frozen=True):
    """The document that `doctor --json` prints."""

    stack: str
    findings: tuple[Finding, ...]


class DoctorScreen(SheetScreen):
    """Asks `doctor` once and shows its findings, the worst first."""

    BINDINGS: ClassVar[list[BindingType]] = [("f2", "dismiss", "Close")]

    def __init__(self, ask: Callable[[], Awaitable[Findings]]) -> None:
        async def load(ink: Ink) -> Table:
            return _table((await ask()).findings, ink)

        super().__init__("Doctor", load)


def _table(findings: tuple[Finding, ...], ink: Ink) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(width=10, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    rank = {"missing": 0, "warning": 1, "optional": 3}
    for finding in sorted(findings, key=lambda f: rank.get(f.status, 2)):
        glyph, look = _LOOKS.get(finding.status, ("·", QUIET))
        detail = Text(plain(finding.detail))
        if finding.remedy:
            detail.append(f"\n→ {plain(finding.remedy)}", "bold")
        state = Text(f"{glyph} {plain(finding.status)}", ink(look))
        table.add_row(state, Text(plain(finding.subject)), detail)
    return table
