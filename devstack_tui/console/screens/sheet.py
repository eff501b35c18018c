"""A dialog that shows one text or table, which may have to be fetched first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.console import RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from devstack_tui.console.bench.model import Comparisons
from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.core.check import Result
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.plot import figure
from devstack_tui.present.cells import verdict
from devstack_tui.present.looks import QUIET, WARN
from devstack_tui.present.text import BLANK, plain

Ink = Callable[[str], Style]
Load = Callable[[Ink], RenderableType | Awaitable[RenderableType]]


class SheetScreen(Dialog[None]):
    """Shows what `load` returns, or what it awaits; a `DevstackError` of it is shown instead.

    Where there is a way to get it all the same, `forced`, the key f takes it.
    """

    BOX = "sheet"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,enter,q", "dismiss", "Close"),
        ("f", "force", "All the same"),
    ]

    def __init__(self, title: str, load: Load, forced: Load | None = None) -> None:
        super().__init__(title)
        self._load = load
        self._forced = forced

    def body(self) -> ComposeResult:
        """What is in the box."""
        with VerticalScroll():
            yield Static("…", id="sheet-body", classes="quiet")

    def on_mount(self) -> None:
        self.run_worker(self._fill(), group="sheet", exclusive=True, exit_on_error=False)

    def action_force(self) -> None:
        """Get it although it was refused."""
        if self._forced is not None:
            self._load, self._forced = self._forced, None
            self.run_worker(self._fill(), group="sheet", exclusive=True, exit_on_error=False)

    async def _fill(self) -> None:
        box = self.query_one("#sheet")
        try:
            content = self._load(self.ink)
            if isinstance(content, Awaitable):
                content = await content
        except DevstackError as error:
            self.say_error("#sheet-body", error)
            box.border_subtitle = "f all the same · esc close" if self._forced else self.KEYS
            return
        box.border_subtitle = self.KEYS
        body = self.query_one("#sheet-body", Static)
        body.set_classes("")
        body.update(content)


def comparison_table(found: Comparisons, ink: Ink) -> Table:
    """A line for each workload: both figures, their ratio with its bounds, the verdict."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    heads = ("WORKLOAD", "A", "B", "B ÷ A", "95 % BOUNDS", "VERDICT")
    for place, _ in enumerate(heads):
        table.add_column(justify="right" if place in (1, 2, 3) else "left", no_wrap=place < 5)
    table.add_row(*(Text(head, ink(QUIET)) for head in heads))
    for row in found.rows:
        cell = verdict(row.verdict or BLANK)
        bounds = f"{row.interval[0]:.2f} to {row.interval[1]:.2f}" if row.interval else BLANK
        table.add_row(
            Text(plain(row.workload)),
            Text(figure(row.a)),
            Text(figure(row.b)),
            Text(f"×{row.ratio:.2f}" if row.ratio is not None else BLANK),
            Text(bounds),
            Text(cell.text, ink(cell.look)),
        )
    outer = Table.grid(expand=True)
    outer.add_row(table)
    warnings = dict.fromkeys(filter(None, [found.warning, *(row.warning for row in found.rows)]))
    if not found.rows:
        outer.add_row(Text("the two have no workload in common", ink(QUIET)))
    for warning in warnings:
        outer.add_row(Text(f"\n▲ {plain(warning)}", ink(WARN)))
    return outer


def check_text(check: Result, ink: Ink) -> Text:
    """A check of the gate, or a step of a drill, with all of its evidence."""
    cell = verdict(check.status)
    text = Text.assemble((cell.text, ink(cell.look)), f"  {plain(check.title)}\n")
    for line in check.evidence.splitlines():
        text.append(f"\n{plain(line)}")
    if check.remedy:
        text.append(f"\n\n→ {plain(check.remedy)}", "bold")
    return text
