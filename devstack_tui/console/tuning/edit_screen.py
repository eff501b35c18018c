"""Edit one parameter: validated with every key, with what it does to the memory of the stack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.console.tuning.argv import BASELINE
from devstack_tui.console.tuning.facts import APPLIED, UNITS, range_text
from devstack_tui.console.tuning.memory_budget import budget_line
from devstack_tui.console.tuning.preview import ValueCheck, checked, judged
from devstack_tui.contracts.tunable import Parameter
from devstack_tui.core.errors import DevstackError
from devstack_tui.present.text import plain
from devstack_tui.tuning.events import Row, Show

Submit = Callable[[str], Awaitable[None]]


class EditScreen(Dialog[bool]):
    """True when the value is pending. `submit` puts it there, and may refuse it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "refuse", "Cancel"),
        ("up", "turn(-1)", "Value before"),
        ("down", "turn(1)", "Next value"),
    ]
    BOX, KEYS, REFUSED = "edit", "enter into pending · ↑ ↓ known values · esc cancel", False

    def __init__(self, show: Show, row: Row, parameter: Parameter | None, submit: Submit) -> None:
        super().__init__(plain(f"{row.service}.{row.name}"))
        self._show = show
        self._row = row
        self._parameter = parameter
        self._submit = submit
        self._known = judged(show).problems
        self._offers = _offers(row, parameter)

    def body(self) -> ComposeResult:
        with VerticalScroll(id="edit-about", can_focus=False):
            yield Static(self._about())
        yield Input(self._row.pending or self._row.effective, id="edit-value", compact=True)
        yield Static(id="edit-message")
        yield Static(id="edit-budget")

    def on_mount(self) -> None:
        field = self.query_one("#edit-value", Input)
        field.focus()
        field.action_select_all()
        self._judge(field.value)

    def action_turn(self, step: int) -> None:
        """Another known value: of a choice, a profile, the server itself."""
        field = self.query_one("#edit-value", Input)
        if not self._offers:
            return
        known = self._offers.index(field.value) if field.value in self._offers else -1
        place = known + step if known >= 0 or step > 0 else -1
        field.value = self._offers[place % len(self._offers)]
        field.action_end()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        found = self._check(event.value)
        if not found.wrong:
            self.run_worker(self._put(found.value), group="edit", exclusive=True)

    async def _put(self, value: str) -> None:
        self.say("#edit-message", "putting it into pending…", "quiet")
        try:
            await self._submit(value)
        except DevstackError as error:
            self.say_error("#edit-message", error, " → ")
        else:
            self.dismiss(True)

    def _check(self, text: str) -> ValueCheck:
        return checked(self._show, self._row, text, self._known)

    def _judge(self, text: str) -> None:
        found = self._check(text)
        value = plain(found.understood or found.value)
        shown = Content.styled(f"● {value}", "$text-success")
        if found.wrong:
            shown = Content(f"✗ {plain(found.wrong)}")
        elif found.warnings:
            first = f"▲ {value}: " + " · ".join(map(plain, found.warnings))
            shown = Content.styled(first, "$text-warning")
        self.say("#edit-message", shown, "bad" if found.wrong else "")
        budget = self.query_one("#edit-budget", Static)
        budget.display = found.budget is not None
        if found.budget is not None:
            budget.update(budget_line(found.budget, self._show.budget, bar=10))

    def _about(self) -> Content:
        row, parameter = self._row, self._parameter
        lines = [Content(plain(row.help))]
        if parameter is not None:
            lines.append(_labelled("Range", range_text(parameter)))
            lines.append(_labelled("Unit", UNITS[parameter.kind.value]))
        lines.append(_labelled("Now", f"{row.effective} · {row.source}"))
        others = {BASELINE: row.baseline} | row.profiles
        known = [f"default {row.default}"]
        known += [f"{name} {value}" for name, value in others.items() if value is not None]
        lines.append(_labelled("Values", " · ".join(known)))
        lines.append(_labelled("Applied", APPLIED.get(row.apply, row.apply)))
        return Content("\n").join(lines)


def _labelled(label: str, text: str) -> Content:
    return Content.assemble(Content.styled(f"{label:<8} ", "$foreground 60%"), plain(text))


def _offers(row: Row, parameter: Parameter | None) -> tuple[str, ...]:
    """The values that are known to be sensible, the present one first."""
    found = [row.effective, row.default, row.baseline, *row.profiles.values()]
    if parameter is not None:
        words = ("on", "off") if parameter.kind == "boolean" else ()
        found += [*words, *parameter.choices, *parameter.candidates, *parameter.special]
    return tuple(dict.fromkeys(value for value in found if value))
