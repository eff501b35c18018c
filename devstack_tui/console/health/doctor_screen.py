"""What is missing on this machine, and the command that brings it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

import msgspec
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from devstack_tui.console.ink import ink
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.looks import BAD, GOOD, LOOKS, QUIET, WARN
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


class DoctorScreen(ModalScreen[None]):
    """Asks `doctor` once and shows its findings, the worst first."""

    COMPONENT_CLASSES = LOOKS
    BINDINGS: ClassVar[list[BindingType]] = [("escape,f2,q", "dismiss", "Close")]

    def __init__(self, ask: Callable[[], Awaitable[Findings]]) -> None:
        super().__init__()
        self._ask = ask

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="doctor") as box:
            box.border_title = "Doctor"
            box.border_subtitle = "esc close"
            with VerticalScroll():
                yield Static("looking at this machine…", id="findings", classes="quiet")

    def on_mount(self) -> None:
        self.run_worker(self._load(), group="doctor", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        body = self.query_one("#findings", Static)
        try:
            found = await self._ask()
        except DevstackError as error:
            remedy = f"\n→ {plain(error.remedy)}" if error.remedy else ""
            body.update(Content(f"✗ {plain(error.message)}{remedy}"))
            body.set_classes("bad")
            return
        body.set_classes("")
        body.update(self._table(found.findings))

    def _table(self, findings: tuple[Finding, ...]) -> Table:
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
            state = Text(f"{glyph} {plain(finding.status)}", ink(self, look))
            table.add_row(state, Text(plain(finding.subject)), detail)
        return table
