"""The question before an apply: every value that changes, the steps, then the stack's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from devstack_tui.console.screens.confirm import ConfirmScreen, Question
from devstack_tui.console.tuning.job_log import change_text
from devstack_tui.core.events import Planned
from devstack_tui.present.text import plain
from devstack_tui.tuning.events import TunePlanned


class TuningPlanScreen(ConfirmScreen):
    """True when the user wants the change. The arrows scroll a long plan."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("up,pageup", "scroll_plan(-1)", "Plan up"),
        ("down,pagedown", "scroll_plan(1)", "Plan down"),
    ]

    def __init__(self, question: Question, plan: Callable[[], Awaitable[TunePlanned]]) -> None:
        self._tuned: TunePlanned | None = None

        async def load() -> Planned:
            self._tuned = found = await plan()
            return Planned("tune", found.stack, found.steps, found.disturbs)

        super().__init__(question, load)

    def action_scroll_plan(self, step: int) -> None:
        """Move the plan, while the name is being typed."""
        self.query_one("#plan-scroll").scroll_relative(y=4 * step, animate=False)

    def _steps(self, planned: Planned) -> Content:
        found = self._tuned
        if found is None or not (found.changes or found.steps):
            return super()._steps(planned)
        count = len(found.changes)
        heading = "1 value changes" if count == 1 else f"{count} values change"
        lines = [Content.styled(heading, "bold")]
        for change in found.changes:
            lines.append(Content(f"  ◇ {change_text(change)}"))
            key = f"{change.service}.{change.parameter}"
            if change.durability and not any(key in warning for warning in found.warnings):
                text = f"    ▲ development only: {plain(change.durability)}"
                lines.append(Content.styled(text, "$text-warning"))
        for warning in found.warnings:
            lines.append(Content.styled(f"  ▲ {plain(warning)}", "$text-warning"))
        return Content("\n").join([*lines, super()._steps(planned)])
