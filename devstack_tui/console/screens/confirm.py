"""The question before a change: what will be done; the stack's name where it interrupts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from devstack_tui.console.screens.dialog import Dialog
from devstack_tui.core.errors import DevstackError
from devstack_tui.core.events import Planned
from devstack_tui.present.text import plain


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `title` names the change, `typed` wants the stack's name."""

    title: str
    help: str
    stack: str
    typed: bool


class ConfirmScreen(Dialog[bool]):
    """True when the user wants the change. Nothing can be confirmed before the plan is there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "refuse", "Cancel"),
        ("enter", "accept", "Run"),
    ]
    BOX, KEYS, REFUSED = "confirm", "esc cancel", False

    def __init__(self, question: Question, plan: Callable[[], Awaitable[Planned]]) -> None:
        super().__init__(question.title)
        self._question = question
        self._plan = plan
        self._planned: Planned | None = None

    @property
    def force(self) -> tuple[str, ...]:
        """The option that the plan needs, if it named somebody whose work suffers from it."""
        return ("--force",) if self._planned is not None and self._planned.disturbs else ()

    def body(self) -> ComposeResult:
        yield Static(Content(self._question.help), classes="quiet")
        with VerticalScroll(id="plan-scroll", can_focus=False):
            yield Static("planning…", id="plan", classes="quiet")
        yield Static(id="ask")
        if self._question.typed:
            yield Input(id="typed-name", compact=True, disabled=True)
            yield Static(id="wrong")

    def on_mount(self) -> None:
        if self._question.typed:
            self.query_one("#typed-name").display = False
            self.query_one("#wrong").display = False
        self.run_worker(self._load(), group="plan", exclusive=True, exit_on_error=False)

    def action_accept(self) -> None:
        """Run it, if there is a plan and no name has to be typed."""
        if self._planned is not None and not self._question.typed:
            self.dismiss(True)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value == self._question.stack:
            self.dismiss(True)
            return
        self.say("#wrong", f"✗ that is not the stack's name, {self._question.stack}")
        self.query_one("#wrong").display = True

    @on(Input.Changed)
    def _typing(self) -> None:
        self.query_one("#wrong").display = False

    async def _load(self) -> None:
        try:
            self._planned = planned = await self._plan()
        except DevstackError as error:
            self.say_error("#plan", error)
            return
        self.say("#plan", self._steps(planned))
        self._invite()

    def _steps(self, planned: Planned) -> Content:
        if not planned.services:
            return Content.styled("Nothing has to be done.", "$foreground 60%")
        lines = [Content.styled("Plan, in this order", "bold")]
        for number, service in enumerate(planned.services, 1):
            lines.append(
                Content.assemble(
                    Content.styled(f"{number:>3}  ", "$foreground 60%"), Content(plain(service))
                )
            )
        for one in planned.disturbs:
            lines.append(Content.styled(f"  ▲ {plain(one)}", "$text-warning"))
        return Content("\n").join(lines)

    def _invite(self) -> None:
        ask = self.query_one("#ask", Static)
        self.query_one("#confirm").border_subtitle = "enter run · esc cancel"
        if not self._question.typed:
            ask.display = False
            return
        name = Content.styled(self._question.stack, "bold $text-warning")
        ask.update(Content.assemble("Type the stack's name, ", name, ", to go on."))
        field = self.query_one("#typed-name", Input)
        field.display = True
        field.disabled = False
        field.focus()
