"""One line about memory: what the whole stack would take with the pending values."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from devstack_tui.console.tuning.verdict import memory_verdict
from devstack_tui.present.text import memory, plain
from devstack_tui.tuning.events import Budget

_BAR = 16


def budget_line(budget: Budget, before: Budget | None = None, bar: int = _BAR) -> Content:
    """`Memory ████▒▒░░ sure 3.1 G, worst 5.2 G of 7.6 G ● fits`; `before` is without the change."""
    scale = max(budget.limit, 1)
    sure = min(round(budget.sure / scale * bar), bar)
    worst = min(max(round(budget.worst / scale * bar), sure), bar)
    text, style = memory_verdict(budget)
    parts = [
        Content.styled(" Memory ", "bold"),
        Content.styled("█" * sure, "$text-error" if budget.sure > budget.limit else "$primary"),
        Content.styled("▒" * (worst - sure), "$text-warning"),
        Content.styled("░" * (bar - worst), "$foreground 40%"),
        Content(f" sure {memory(budget.sure)}, worst {memory(budget.worst)}"),
    ]
    if before is not None and before.worst != budget.worst:
        difference = budget.worst - before.worst
        sign = "+" if difference >= 0 else "-"
        parts.append(Content.styled(f" ({sign}{memory(abs(difference))})", "$text-accent"))
    parts += [Content(f" of {memory(budget.limit)} "), Content.styled(text, style)]
    if budget.limit_from:
        parts.append(Content.styled(f" · {plain(budget.limit_from)}", "$foreground 60%"))
    return Content.assemble(*parts)


class BudgetLine(Static):
    """Equal content is not drawn again."""

    def __init__(self) -> None:
        super().__init__(id="tuning-budget")
        self._line: Content | None = None

    def show(self, budget: Budget | None, before: Budget | None = None) -> None:
        """Show `budget`, with what it was `before` the pending values."""
        line = budget_line(budget, before) if budget is not None else Content(" Memory –")
        if self._line is None or not line.is_same(self._line):
            self._line = line
            self.update(line)
