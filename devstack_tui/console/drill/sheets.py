"""What the Drill pane's dialogs say: a plan, and two drills beside each other."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from devstack_tui.console.screens.sheet import Ink
from devstack_tui.contracts.drill import Plan
from devstack_tui.core.units import counted
from devstack_tui.drill.compare import Comparison
from devstack_tui.present.looks import QUIET, WARN
from devstack_tui.present.text import BLANK, plain


def plan_text(plan: Plan, ink: Ink) -> Text:
    """The plan as the command line prints it: actions, what is touched, steps."""
    text = Text()
    if plan.only_reports:
        text.append(f"Nothing would be broken: {plain(plan.refusal)}\n", ink(WARN))
        text.append(f"{plain(plan.remedy)}; a run only reports it\n\n", ink(QUIET))
    for note in plan.notes:
        text.append(f"▲ {plain(note)}\n", ink(WARN))
    text.append(f"about {plan.expected_s:.0f} s\n", ink(QUIET))
    for number, action in enumerate(plan.actions, 1):
        text.append(f"{number:>3}  ", ink(QUIET)).append(f"{plain(action)}\n")
    text.append("\nTouched, and how it comes back\n", "bold")
    for touched in plan.touches:
        text.append(f"  {plain(touched)}\n")
    text.append("\nDecided\n", "bold")
    for step in plan.steps:
        text.append(f"  {plain(step.id)}  ", ink(QUIET)).append(f"{plain(step.title)}\n")
        if step.detail:
            text.append(f"      {plain(step.detail)}\n", ink(QUIET))
    return text


def comparison_table(found: Comparison, ink: Ink) -> Table:
    """A line for each figure, its median and range in both; then the steps that differ."""
    outer = Table.grid()
    if found.warning:
        outer.add_row(Text(f"▲ {plain(found.warning)}\n", ink(WARN)))
    table = Table.grid(padding=(0, 3, 0, 0))
    for place in range(4):
        table.add_column(justify="right" if place else "left")
    table.add_row(*(Text(head, ink(QUIET)) for head in ("FIGURE", "A", "B", "B − A")))
    table.add_row(Text("verdict"), *(Text(plain(one)) for one in found.verdicts), Text(BLANK))
    a, b = found.lost
    more = BLANK if a is None or b is None or not found.comparable else f"{b - a:+d}"
    table.add_row(Text("lost"), Text(counted(a)), Text(counted(b)), Text(more))
    for row in found.changes:
        both = (f"{one.median:.3f} ({one.low:.3f}–{one.high:.3f})" for one in (row.a, row.b))
        figures = (Text(text) for text in both)
        by = BLANK if row.difference is None else f"{row.difference:+.3f}"
        table.add_row(Text(plain(row.name)), *figures, Text(by))
    outer.add_row(table)
    for step in found.steps:
        outer.add_row(Text("\n" + "\n".join(plain(line) for line in step.lines)))
    return outer
